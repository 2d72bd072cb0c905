//! Every variable reaches its field, and every problem its reader.

use std::collections::BTreeMap;

use super::*;

fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Parsed<Config>, Problems> {
    let map: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let args = std::iter::once("watcher")
        .chain(words.iter().copied())
        .map(OsString::from);
    Config::read(args, |name| map.get(name).map(OsString::from))
}

fn config(environment: &[(&str, &str)]) -> Config {
    match read(&[], environment).unwrap() {
        Parsed::Run(config, _) => config,
        Parsed::Show(text) => panic!("showed {text}"),
    }
}

#[test]
fn an_empty_environment_is_enough() {
    let usual = config(&[]);
    assert_eq!(usual.listen, Listen::Everywhere(8080));
    let Source::ZooKeeper(zookeeper) = &usual.source else {
        panic!("{usual:?}")
    };
    assert_eq!(zookeeper.hosts, "localhost:2181");
    let group = WatchedGroup {
        name: "master1".parse().unwrap(),
        root: "/redis".parse().unwrap(),
        external_port: None,
    };
    assert_eq!(usual.groups, [group]);
    assert_eq!(config(&[("PORT0", "81")]).listen.port(), 81);
    let shared = [("BIND_IP", "192.0.2.1"), ("NET_IFACE", "nope0")];
    assert_eq!(config(&shared), usual, "the wrappers' business");
}

#[test]
fn every_problem_at_once() {
    let wrong = [
        ("PORT0", "0"),
        ("ZK_HOSTS", ","),
        ("STOP_GRACE", "x"),
        ("RUST_LOG", "a=b=c"),
    ];
    let problems = read(&["stray"], &wrong).unwrap_err();
    let text = problems.to_string();
    assert!(
        wrong
            .iter()
            .all(|(name, value)| text.contains(&format!("{name}: `{value}` "))),
        "{text}"
    );
    assert!(text.contains("stray: is an unexpected argument"), "{text}");
    assert_eq!(problems.iter().count(), wrong.len() + 1, "{text}");
}

#[test]
fn sinks_are_what_the_variables_say() {
    assert_eq!(config(&[]).sinks.haproxy, None);
    let sinks = config(&[
        ("HAPROXY_SOCKET", "/run/haproxy.sock, 10.0.0.1:9999"),
        ("HAPROXY_REPLICAS", "{name}-reads"),
        ("HAPROXY_TEMPLATE", "/t"),
        ("HAPROXY_OUTPUT", "/o"),
        ("HAPROXY_CHECK", "off"),
        ("ON_MASTER", "true"),
        ("WEBHOOK_URL", "http://a.example/x https://b.example/secret"),
        ("SINK_TIMEOUT", "3s"),
    ])
    .sinks;
    assert_eq!(sinks.haproxy.map(|haproxy| haproxy.sockets.len()), Some(2));
    let file = sinks.haproxy_file.unwrap();
    assert_eq!((file.check, file.reload), (None, None));
    assert_eq!(
        (sinks.command.as_deref(), sinks.timeout),
        (Some("true"), Duration::from_secs(3))
    );
    assert!(!format!("{:?}", sinks.webhooks).contains("secret"));
}

#[test]
fn without_haproxy_on_this_host_nothing_is_checked_and_that_is_said() {
    let file = [
        ("HAPROXY_TEMPLATE", "/t"),
        ("HAPROXY_OUTPUT", "/o"),
        ("PATH", "/nowhere"),
    ];
    match read(&[], &file).unwrap() {
        Parsed::Run(config, notes) => {
            assert_eq!(config.sinks.haproxy_file.unwrap().check, None);
            assert!(
                notes.warnings.iter().any(|warning| warning.contains("unchecked")),
                "{notes:?}"
            );
        }
        Parsed::Show(text) => panic!("showed {text}"),
    }
}

#[test]
fn sinks_that_cannot_work_are_refused() {
    for (environment, part) in [
        (vec![("HAPROXY_SOCKET", "nope")], "HAPROXY_SOCKET"),
        (vec![("HAPROXY_SOCKET", "/a,/b,/a")], "twice"),
        (vec![("HAPROXY_TEMPLATE", "/t")], "HAPROXY_OUTPUT"),
        (
            vec![
                ("GROUPS", "a=/a,b=/b"),
                ("HAPROXY_SOCKET", "/s"),
                ("HAPROXY_MASTER", "x/y"),
            ],
            "{name}",
        ),
        (vec![("WEBHOOK_URL", "ftp://user:hunter2@x/")], "WEBHOOK_URL"),
        (vec![("SINK_TIMEOUT", "1h")], "SINK_TIMEOUT"),
    ] {
        let text = read(&[], &environment).unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains("hunter2"), "{text}");
    }
}
