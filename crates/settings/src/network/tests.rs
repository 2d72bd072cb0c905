//! Each network rule as rows: what was said, what is found, what follows.

use super::*;

const BRIDGE: &[(&str, &str)] = &[("lo", "127.0.0.1"), ("lo", "::1"), ("eth0", "172.17.0.2")];
const HOST_NETWORK: &[(&str, &str)] = &[
    ("lo", "127.0.0.1"),
    ("eth0", "10.0.0.5"),
    ("eth1", "192.168.1.5"),
    ("eth1", "fe80::1"),
];
const NO_ETH0: &[(&str, &str)] = &[
    ("lo", "127.0.0.1"),
    ("ens3", "fe80::2"),
    ("ens3", "2001:db8::5"),
    ("ens3", "10.0.0.5"),
];
const IPV6_ONLY: &[(&str, &str)] = &[("lo", "::1"), ("eth0", "fe80::3"), ("eth0", "2001:db8::7")];
const NAMELESS: &[(&str, &str)] = &[];

fn found(interfaces: &[(&str, &str)]) -> Vec<Interface> {
    let interface = |(name, ip): &(&str, &str)| Interface {
        name: (*name).to_owned(),
        ip: ip.parse().unwrap(),
    };
    interfaces.iter().map(interface).collect()
}

/// `BIND_IP=10.0.0.5 HOST=agent` in one text.
fn inputs(text: &str) -> Inputs {
    let mut inputs = Inputs::default();
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap();
        let said = Some(Said {
            name: name.to_owned(),
            text: value.to_owned(),
        });
        match name {
            "BIND_IP" => inputs.bind_ip = said,
            "ANNOUNCE_IP" => inputs.announce_ip = said,
            "NET_IFACE" => inputs.net_iface = said,
            "HOST" => inputs.host = said,
            other => panic!("{other}"),
        }
    }
    inputs
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let addresses: &[&str] = match name {
        "agent" => &["2001:db8::9", "203.0.113.9"],
        "agent6" => &["fe80::9", "2001:db8::9"],
        "self" => &["127.0.1.1", "10.0.0.5"],
        "debian" => &["127.0.1.1"],
        "empty" => &[],
        "linklocal" => &["fe80::9"],
        _ => return Err("no such name".to_owned()),
    };
    Ok(addresses.iter().map(|ip| ip.parse().unwrap()).collect())
}

#[test]
fn every_rule() {
    let at = |ip: &str| Some(ip.to_owned());
    for (said, interfaces, bind, announce) in [
        // 1: BIND_IP wins over everything.
        (
            "BIND_IP=10.0.0.5 NET_IFACE=eth1 HOST=agent",
            HOST_NETWORK,
            at("10.0.0.5"),
            "10.0.0.5",
        ),
        (
            "BIND_IP=10.0.0.5 ANNOUNCE_IP=agent",
            HOST_NETWORK,
            at("10.0.0.5"),
            "203.0.113.9",
        ),
        (
            "BIND_IP=[2001:db8::7]",
            IPV6_ONLY,
            at("2001:db8::7"),
            "2001:db8::7",
        ),
        (
            "BIND_IP=127.0.0.1 HOST=unresolvable",
            NAMELESS,
            at("127.0.0.1"),
            "127.0.0.1",
        ),
        // 1, every address.
        (
            "BIND_IP=0.0.0.0 ANNOUNCE_IP=203.0.113.9",
            BRIDGE,
            None,
            "203.0.113.9",
        ),
        ("BIND_IP=:: ANNOUNCE_IP=agent6", BRIDGE, None, "2001:db8::9"),
        ("BIND_IP=0.0.0.0 HOST=agent", BRIDGE, None, "203.0.113.9"),
        (
            "BIND_IP=0.0.0.0 HOST=agent NET_IFACE=eth1",
            HOST_NETWORK,
            None,
            "203.0.113.9",
        ),
        (
            "BIND_IP=0.0.0.0 HOST=self NET_IFACE=eth1",
            HOST_NETWORK,
            None,
            "192.168.1.5",
        ),
        ("BIND_IP=0.0.0.0 HOST=self", HOST_NETWORK, None, "10.0.0.5"),
        ("BIND_IP=0.0.0.0 HOST=10.0.0.5", NO_ETH0, None, "10.0.0.5"),
        (
            "BIND_IP=0.0.0.0 NET_IFACE=eth1",
            HOST_NETWORK,
            None,
            "192.168.1.5",
        ),
        ("BIND_IP=0.0.0.0", HOST_NETWORK, None, "10.0.0.5"),
        ("BIND_IP=::", IPV6_ONLY, None, "2001:db8::7"),
        // 2: ANNOUNCE_IP alone.
        ("ANNOUNCE_IP=10.0.0.5", HOST_NETWORK, at("10.0.0.5"), "10.0.0.5"),
        (
            "ANNOUNCE_IP=127.0.0.1",
            HOST_NETWORK,
            at("127.0.0.1"),
            "127.0.0.1",
        ),
        (
            "ANNOUNCE_IP=agent HOST=unresolvable NET_IFACE=none",
            BRIDGE,
            None,
            "203.0.113.9",
        ),
        // 3: NET_IFACE; HOST is not even resolved.
        (
            "NET_IFACE=eth1 HOST=unresolvable",
            HOST_NETWORK,
            at("192.168.1.5"),
            "192.168.1.5",
        ),
        ("NET_IFACE=ens3", NO_ETH0, at("10.0.0.5"), "10.0.0.5"),
        ("NET_IFACE=eth0", IPV6_ONLY, at("2001:db8::7"), "2001:db8::7"),
        // 4: HOST, as Marathon sets it.
        ("HOST=agent", BRIDGE, None, "203.0.113.9"),
        ("HOST=203.0.113.9", BRIDGE, None, "203.0.113.9"),
        ("HOST=10.0.0.5", HOST_NETWORK, at("10.0.0.5"), "10.0.0.5"),
        ("HOST=192.168.1.5", HOST_NETWORK, at("10.0.0.5"), "10.0.0.5"),
        ("HOST=10.0.0.5", NO_ETH0, at("10.0.0.5"), "10.0.0.5"),
        ("HOST=debian", HOST_NETWORK, at("10.0.0.5"), "10.0.0.5"),
        // A name with a loopback address first must not be announced as loopback.
        ("HOST=self", NO_ETH0, at("10.0.0.5"), "10.0.0.5"),
        ("HOST=debian", NAMELESS, at("127.0.1.1"), "127.0.1.1"),
        // 5: eth0.
        ("", HOST_NETWORK, at("10.0.0.5"), "10.0.0.5"),
        ("", IPV6_ONLY, at("2001:db8::7"), "2001:db8::7"),
    ] {
        let expected = match bind {
            None => Bind::Wildcard,
            Some(ip) => Bind::Address(ip.parse().unwrap()),
        };
        let decided = decide(&inputs(said), &found(interfaces), &resolve);
        assert_eq!(
            decided,
            Ok((expected, announce.parse().unwrap())),
            "{said} on {interfaces:?}"
        );
    }
}

#[test]
fn every_refusal_names_variable_value_and_remedy() {
    for (said, interfaces, words) in [
        (
            "BIND_IP=nope",
            BRIDGE,
            &["BIND_IP: `nope`", "for example 10.0.0.7"][..],
        ),
        ("BIND_IP=localhost", BRIDGE, &["BIND_IP: `localhost`"]),
        ("BIND_IP=fe80::1%eth0", BRIDGE, &["BIND_IP: `fe80::1%eth0`"]),
        (
            "BIND_IP=0.0.0.0 HOST=gone",
            BRIDGE,
            &["HOST: `gone`", "no such name", "10.0.0.7"],
        ),
        (
            "BIND_IP=0.0.0.0 NET_IFACE=eth9",
            BRIDGE,
            &["NET_IFACE: `eth9`", "eth0 172.17.0.2"],
        ),
        (
            "BIND_IP=0.0.0.0",
            NO_ETH0,
            &["NET_IFACE", "eth0", "ens3 10.0.0.5", "BIND_IP"],
        ),
        (
            "ANNOUNCE_IP=gone",
            BRIDGE,
            &["ANNOUNCE_IP: `gone`", "no such name"],
        ),
        (
            "ANNOUNCE_IP=10.0.0.5:6379",
            BRIDGE,
            &["ANNOUNCE_IP: `10.0.0.5:6379`", "neither"],
        ),
        (
            "ANNOUNCE_IP=0.0.0.0",
            BRIDGE,
            &["ANNOUNCE_IP: `0.0.0.0`", "connect to"],
        ),
        ("ANNOUNCE_IP=empty", BRIDGE, &["ANNOUNCE_IP: `empty`"]),
        ("ANNOUNCE_IP=linklocal", BRIDGE, &["ANNOUNCE_IP: `linklocal`"]),
        (
            "NET_IFACE=eth9 HOST=agent",
            BRIDGE,
            &["NET_IFACE: `eth9`", "lo 127.0.0.1, lo ::1, eth0 172.17.0.2"],
        ),
        ("HOST=gone", BRIDGE, &["HOST: `gone`", "resolve"]),
        ("HOST=a/b", BRIDGE, &["HOST: `a/b`", "neither"]),
        (
            "",
            NO_ETH0,
            &["NET_IFACE", "ens3 10.0.0.5", "NET_IFACE=ens3", "BIND_IP"],
        ),
        ("", NAMELESS, &["found none"]),
    ] {
        let problems = decide(&inputs(said), &found(interfaces), &resolve)
            .expect_err(said)
            .to_string();
        for word in words {
            assert!(problems.contains(word), "{said}: no {word} in {problems}");
        }
    }
}

#[test]
fn two_wrong_addresses_are_two_problems() {
    let problems = decide(&inputs("BIND_IP=x:y ANNOUNCE_IP=gone"), &found(BRIDGE), &resolve).unwrap_err();
    let names: Vec<&str> = problems.iter().map(Problem::name).collect();
    assert_eq!(names, ["BIND_IP", "ANNOUNCE_IP"]);
}

#[test]
fn the_name_in_a_problem_is_where_the_value_came_from() {
    let mut by_flag = inputs("BIND_IP=nope");
    by_flag.bind_ip.as_mut().unwrap().name = "--bind-ip".to_owned();
    let problems = decide(&by_flag, &found(BRIDGE), &resolve).unwrap_err();
    assert!(problems.to_string().contains("--bind-ip: `nope`"), "{problems}");
}
