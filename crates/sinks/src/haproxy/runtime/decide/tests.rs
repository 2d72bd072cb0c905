//! Tables of what HAProxy has, and properties on a HAProxy that obeys, or does not take every address.

use proptest::prelude::*;

use super::*;
use crate::haproxy::runtime::state::Admin;

const READY: u32 = 0;
const MAINT: u32 = 1;
const FROM_CONFIG: u32 = 4;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn group() -> MasterName {
    "sessions".parse().unwrap()
}

fn server(backend: &str, name: &str, port: u16, admin: u32) -> Server {
    Server {
        backend: backend.to_owned(),
        name: name.to_owned(),
        addr: Some(at(port)),
        admin: Admin(admin),
        health: Health::Up,
        check_port: 0,
    }
}

fn state(servers: Vec<Server>) -> State {
    State {
        servers,
        messages: Vec::new(),
    }
}

fn slot(port: u16) -> Slot {
    let server = ServerName {
        backend: "w".to_owned(),
        server: "master".to_owned(),
    };
    Slot {
        group: group(),
        server,
        at: vec![at(port)],
    }
}

fn pool(readable: &[u16], master: u16) -> Pool {
    Pool {
        group: group(),
        backend: "r".to_owned(),
        readable: readable.iter().map(|port| vec![at(*port)]).collect(),
        master: vec![at(master)],
    }
}

fn steps(decision: &Decision) -> Vec<(String, To)> {
    decision
        .steps
        .iter()
        .map(|step| (step.server.to_string(), step.to))
        .collect()
}

#[test]
fn the_masters_slot() {
    let own = "w/master".to_owned();
    for (port, admin, expected) in [
        (7, READY, vec![]),
        (7, FROM_CONFIG, vec![]),
        (7, MAINT, vec![(own.clone(), To::Open(at(7)))]),
        (7, MAINT | FROM_CONFIG, vec![(own.clone(), To::Open(at(7)))]),
        // Draining: somebody did that by hand.
        (7, 8, vec![(own.clone(), To::Open(at(7)))]),
        (6, READY, vec![(own.clone(), To::Hold(at(7)))]),
        (6, MAINT, vec![(own.clone(), To::Hold(at(7)))]),
    ] {
        let decision = decide(&state(vec![server("w", "master", port, admin)]), &[slot(7)], &[]);
        assert_eq!(steps(&decision), expected, "{port} {admin}");
        assert!(decision.complaints.is_empty());
        assert_eq!(decision.settled.is_empty(), !decision.steps.is_empty());
    }
}

#[test]
fn any_address_of_a_name_will_do() {
    let mut named = slot(7);
    named.at.push(at(8));
    let decision = decide(&state(vec![server("w", "master", 8, READY)]), &[named], &[]);
    assert!(decision.steps.is_empty() && decision.complaints.is_empty());
    assert_eq!(decision.settled, BTreeSet::from([group()]));
}

#[test]
fn what_is_written() {
    let text = |to| {
        Step {
            group: group(),
            server: slot(1).server,
            to,
            found: String::new(),
        }
        .commands()
    };
    assert_eq!(
        text(To::Hold("[fd00::1]:6379".parse().unwrap())),
        "set server w/master state maint;set server w/master addr fd00::1 port 6379;shutdown sessions server w/master"
    );
    assert_eq!(
        text(To::Open(at(1))),
        "set server w/master state ready;set server w/master health up"
    );
    assert_eq!(
        text(To::Leave),
        "set server w/master state maint;shutdown sessions server w/master"
    );
}

#[test]
fn who_has_a_slot_keeps_it() {
    let has = || {
        state(vec![
            server("r", "a", 3, READY),
            server("r", "b", 2, READY),
            server("r", "c", 1, MAINT),
        ])
    };
    for (readable, expected) in [
        (vec![2, 3], vec![]),
        (vec![3], vec![("r/b", To::Leave)]),
        (vec![2, 4], vec![("r/a", To::Hold(at(4)))]),
        (vec![2, 3, 4], vec![("r/c", To::Hold(at(4)))]),
        (vec![1, 2, 3], vec![("r/c", To::Open(at(1)))]),
        // Nobody may be read: the master is.
        (vec![], vec![("r/a", To::Hold(at(9))), ("r/b", To::Leave)]),
    ] {
        let decision = decide(&has(), &[], &[pool(&readable, 9)]);
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, to)| (name.to_owned(), to))
            .collect();
        assert_eq!(steps(&decision), expected, "{readable:?}");
        assert_eq!(
            decision.remarks.len(),
            usize::from(readable.is_empty()),
            "{decision:?}"
        );
    }
    let decision = decide(&has(), &[], &[pool(&[1, 2, 3, 4], 9)]);
    assert_eq!(
        decision.remarks,
        ["backend r has 3 servers for 4 replicas; add `server` lines to haproxy.cfg"]
    );
}

#[test]
fn a_slot_twice_is_emptied_once() {
    let has = state(vec![server("r", "a", 3, READY), server("r", "b", 3, READY)]);
    let decision = decide(&has, &[], &[pool(&[3], 9)]);
    assert_eq!(steps(&decision), [("r/b".to_owned(), To::Leave)]);
}

#[test]
fn what_is_missing_is_named_with_the_lines_to_write() {
    let shown = |state: &State, slots: &[Slot], pools: &[Pool]| {
        let decision = decide(state, slots, pools);
        assert!(decision.steps.is_empty());
        decision
            .complaints
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let absent = State {
        servers: Vec::new(),
        messages: vec!["Can't find backend.".to_owned()],
    };
    assert_eq!(
        shown(&absent, &[slot(1)], &[]),
        "it has no backend `w` with servers; put into haproxy.cfg the lines `backend w`, `  option abortonclose`, `  retries 0` and `  server master 127.0.0.1:1 disabled`"
    );
    assert!(shown(&absent, &[], &[pool(&[1], 2)]).starts_with("it has no backend `r` with servers; put"));
    let other = state(vec![server("w", "other", 1, READY)]);
    assert!(
        shown(&other, &[slot(1)], &[])
            .contains("below `backend w` the line `  server master 127.0.0.1:1 disabled`")
    );
    let mut named = server("w", "master", 1, 32);
    named.addr = None;
    assert!(shown(&state(vec![named]), &[slot(1)], &[]).contains("`w/master` has no IP address"));
}

#[test]
fn nobody_fights_for_a_slot() {
    let mut other = slot(2);
    other.group = "queue".parse().unwrap();
    let has = state(vec![server("w", "master", 1, READY)]);
    let decision = decide(&has, &[slot(1), other], &[]);
    assert!(decision.steps.is_empty());
    assert!(
        decision.complaints[0]
            .to_string()
            .starts_with("sessions and queue would share servers of backend `w`")
    );
    let mut same = pool(&[3], 1);
    same.backend = "w".to_owned();
    let decision = decide(&has, &[slot(2)], &[same]);
    assert!(decision.steps.is_empty() && decision.complaints.len() == 1);
}

#[test]
fn a_check_that_holds_it_down_is_remarked_and_not_argued_with() {
    let mut down = server("w", "master", 7, READY);
    down.health = Health::Down;
    down.check_port = 8080;
    let decision = decide(&state(vec![down]), &[slot(7)], &[]);
    assert!(decision.steps.is_empty() && decision.complaints.is_empty());
    assert!(
        decision.remarks[0].contains("it asks port 8080"),
        "{:?}",
        decision.remarks
    );
}

/// A HAProxy that does what it is told, as 2.6 does, but for addresses that it does not take.
struct Proxy {
    state: State,
    sessions_of_old_addresses: BTreeSet<ServerName>,
    refuses: Option<SocketAddr>,
}

impl Proxy {
    fn run(&mut self, line: &str) {
        for command in line.split(';') {
            let words: Vec<&str> = command.split(' ').collect();
            let (name, rest) = match words.as_slice() {
                ["set", "server", name, rest @ ..] => (*name, rest.to_vec()),
                ["shutdown", "sessions", "server", name] => (*name, vec!["shutdown"]),
                other => panic!("{other:?}"),
            };
            let own = self
                .state
                .servers
                .iter_mut()
                .find(|server| super::name(server).to_string() == name)
                .unwrap();
            match rest.as_slice() {
                ["state", "maint"] => own.admin.0 |= MAINT,
                ["state", "ready"] => own.admin.0 &= FROM_CONFIG,
                ["health", "up"] => own.health = Health::Up,
                ["shutdown"] => drop(self.sessions_of_old_addresses.remove(&super::name(own))),
                ["addr", ip, "port", port] => {
                    let addr = SocketAddr::new(ip.parse().unwrap(), port.parse().unwrap());
                    if Some(addr) != self.refuses && own.addr != Some(addr) {
                        own.addr = Some(addr);
                        self.sessions_of_old_addresses.insert(super::name(own));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn servers(backend: &'static str) -> impl Strategy<Value = Vec<Server>> {
    let one = (
        1u16..7,
        prop::sample::select(vec![READY, MAINT, FROM_CONFIG, 5, 8, 16]),
    );
    prop::collection::vec(one, 1..6).prop_map(move |rows| {
        let named = rows.into_iter().enumerate();
        named
            .map(|(at, (port, admin))| server(backend, &format!("s{at}"), port, admin))
            .collect()
    })
}

proptest! {
    #[test]
    fn two_writes_make_it_right_and_a_third_does_nothing(
        reads in servers("r"),
        has in (1u16..7, prop::sample::select(vec![READY, MAINT, 5, 8])),
        readable in prop::collection::btree_set(1u16..7, 0..6),
        master in 7u16..9,
        refuses in prop::option::of(1u16..9),
    ) {
        let mut all = reads;
        all.push(server("w", "master", has.0, has.1));
        let readable: Vec<u16> = readable.into_iter().collect();
        let (slots, pools) = ([slot(master)], [pool(&readable, master)]);
        let mut proxy = Proxy {
            state: state(all.clone()),
            sessions_of_old_addresses: BTreeSet::new(),
            refuses: refuses.map(at),
        };
        let right: Vec<SocketAddr> = if readable.is_empty() { vec![at(master)] } else { readable.iter().map(|port| at(*port)).collect() };
        for _ in 0..2 {
            for step in decide(&proxy.state, &slots, &pools).steps {
                proxy.run(&step.commands());
            }
            // From the first write on, whatever is open is right, and nobody sits on what was there before.
            for server in proxy.state.servers.iter().filter(|server| server.admin.is_ready()) {
                let addr = server.addr.unwrap();
                let is_right = if server.backend == "w" { addr == at(master) } else { right.contains(&addr) };
                prop_assert!(is_right, "{:?}", server);
            }
            prop_assert!(proxy.sessions_of_old_addresses.is_empty());
        }
        if refuses.is_none() {
            let after = decide(&proxy.state, &slots, &pools);
            prop_assert!(after.steps.is_empty(), "{:?}", after);
            let open: Vec<SocketAddr> = proxy.state.servers.iter()
                .filter(|server| server.backend == "r" && server.admin.is_ready()).filter_map(|server| server.addr).collect();
            let distinct: BTreeSet<SocketAddr> = open.iter().copied().collect();
            prop_assert_eq!(open.len(), distinct.len());
            prop_assert_eq!(open.len(), right.len().min(all.len() - 1));
            // Who had an open slot of its own still has that one.
            for (before, now) in all.iter().zip(&proxy.state.servers).filter(|(before, _)| before.backend == "r" && before.admin.is_ready()) {
                let first = all.iter().find(|server| server.backend == "r" && server.admin.is_ready() && server.addr == before.addr).unwrap();
                if right.contains(&before.addr.unwrap()) && first.name == before.name {
                    prop_assert_eq!(before.addr, now.addr);
                }
            }
        }
    }
}
