//! Who is a ghost, for how long it must look dead, and when forgetting is allowed.

use topology::Epoch;

use super::*;
use crate::view::{Peer, Replica, Scripts};

fn addr(port: u16) -> Addr {
    Addr::new("127.0.0.1", port).unwrap()
}

fn id(n: u8) -> RunId {
    RunId::from_bytes([n; 20])
}

fn record() -> MasterRecord {
    MasterRecord {
        addr: addr(1),
        epoch: Epoch(3),
    }
}

fn living(n: u8) -> Living {
    Living {
        id: id(n),
        addr: addr(100 + u16::from(n)),
    }
}

fn own(peers: &[(u8, Reach)], replicas: &[(u16, Reach)]) -> Monitoring {
    let peer = |&(n, reach): &(u8, Reach)| Peer {
        id: id(n),
        addr: addr(100 + u16::from(n)),
        reach,
    };
    let replica = |&(port, reach): &(u16, Reach)| Replica {
        addr: addr(port),
        reach,
    };
    Monitoring {
        record: record(),
        master: Reach::Up,
        failover_in_progress: false,
        scripts: Scripts::InPlace,
        peers: peers.iter().map(peer).collect(),
        replicas: replicas.iter().map(replica).collect(),
    }
}

#[test]
fn only_what_is_down_and_nobodys_is_suspect() {
    use Reach::{Disconnected, Down, Up};
    let census = Census {
        sentinels: [living(1)].into(),
        registered: [addr(102)].into(),
        members: [addr(2)].into(),
    };
    let seen = own(
        &[(1, Down), (2, Down), (3, Down), (4, Up), (5, Disconnected)],
        &[(1, Down), (2, Down), (3, Up), (4, Disconnected)],
    );
    let expected = [
        Suspect::Peer(id(3), addr(103)),
        Suspect::Peer(id(5), addr(105)),
        Suspect::Replica(addr(4)),
    ];
    assert_eq!(suspects(&seen, &census, &record()), expected.into());
}

#[test]
fn a_ghost_must_be_seen_on_every_look_for_a_while() {
    let start = Instant::now();
    let at = |secs| start + Duration::from_secs(secs);
    let peer = Suspect::Peer(id(1), addr(101));
    let replica = Suspect::Replica(addr(4));
    let both: BTreeSet<Suspect> = [peer.clone(), replica.clone()].into();
    let mut suspicion = Suspicion::default();
    assert_eq!(suspicion.look(both.clone(), at(0)), []);
    assert_eq!(suspicion.look(both.clone(), at(9)), []);
    assert_eq!(suspicion.look(both.clone(), at(10)), std::slice::from_ref(&peer));
    assert_eq!(suspicion.look([replica.clone()].into(), at(20)), []);
    assert_eq!(
        suspicion.look(both.clone(), at(21)),
        [],
        "seen well once: the time begins anew"
    );
    assert_eq!(suspicion.look(both.clone(), at(30)), [replica]);
    suspicion.blind();
    assert_eq!(suspicion.look(both, at(99)), []);
}

#[test]
fn nothing_is_forgotten_unless_all_is_well() {
    let witness = |change: &dyn Fn(&mut Testimony)| {
        let mut says = Testimony {
            record: record(),
            master: Reach::Up,
            failover_in_progress: false,
        };
        change(&mut says);
        Witness {
            addr: addr(101),
            says: Some(says),
        }
    };
    let well = witness(&|_| ());
    assert_eq!(may_forget(&record(), true, &[]), Ok(()));
    assert_eq!(may_forget(&record(), true, std::slice::from_ref(&well)), Ok(()));
    assert_eq!(
        may_forget(&record(), false, std::slice::from_ref(&well)),
        Err(NotNow::MasterSilent)
    );
    let silent = Witness {
        addr: addr(102),
        says: None,
    };
    let rows = [
        (silent, NotNow::WitnessSilent(addr(102))),
        (
            witness(&|says| says.master = Reach::Disconnected),
            NotNow::MasterSuspected(addr(101)),
        ),
        (
            witness(&|says| says.master = Reach::Down),
            NotNow::MasterSuspected(addr(101)),
        ),
        (
            witness(&|says| says.failover_in_progress = true),
            NotNow::FailoverRunning(addr(101)),
        ),
        (
            witness(&|says| says.record.addr = addr(9)),
            NotNow::Disagreement(addr(101)),
        ),
    ];
    for (bad, reason) in rows {
        assert_eq!(may_forget(&record(), true, &[well.clone(), bad]), Err(reason));
    }
}

#[test]
fn recovered_is_exactly_the_living() {
    let others: BTreeSet<Living> = [living(1), living(2)].into();
    let members: BTreeSet<Addr> = [addr(1), addr(2)].into();
    let up = Reach::Up;
    assert!(recovered(
        &own(&[(1, up), (2, up)], &[(2, up)]),
        &others,
        &members
    ));
    assert!(!recovered(&own(&[(1, up)], &[(2, up)]), &others, &members));
    assert!(!recovered(
        &own(&[(1, up), (2, up), (3, up)], &[(2, up)]),
        &others,
        &members
    ));
    assert!(!recovered(&own(&[(1, up), (2, up)], &[]), &others, &members));
}

#[test]
fn free_identities_do_not_pile_up() {
    let free = |count: u8| surplus(&(0..count).map(id).collect()).len();
    assert_eq!([free(0), free(16), free(20)], [0, 0, 4]);
}
