//! What a running Sentinel is told, and what it is spared.

use proptest::prelude::*;
use topology::{Addr, Epoch, RunId};

use super::*;
use crate::view::Replica;

fn addr(port: u16) -> Addr {
    Addr::new("127.0.0.1", port).unwrap()
}

fn at(port: u16, epoch: u64) -> MasterRecord {
    MasterRecord {
        addr: addr(port),
        epoch: Epoch(epoch),
    }
}

fn peer(n: u8, reach: Reach) -> Peer {
    Peer {
        id: RunId::from_bytes([n; 20]),
        addr: addr(20_000 + u16::from(n)),
        reach,
    }
}

fn replica(port: u16, reach: Reach) -> Replica {
    Replica {
        addr: addr(port),
        reach,
    }
}

fn healthy(record: MasterRecord) -> Monitoring {
    Monitoring {
        record,
        master: Reach::Up,
        failover_in_progress: false,
        scripts: Scripts::InPlace,
        peers: vec![peer(1, Reach::Down), peer(2, Reach::Up)],
        replicas: vec![replica(2, Reach::Up)],
    }
}

fn view(recorded: MasterRecord, standing: Standing, own: Monitoring) -> View {
    let recorded = Recorded::Yes {
        record: recorded,
        standing,
    };
    View {
        recorded,
        own: Own::Monitoring(Box::new(own)),
        refused: 0,
    }
}

#[test]
fn the_higher_epoch_is_right() {
    use Standing::{Confirmed, NotAsked, Unconfirmed};
    let told = Keep::Announce {
        sender: peer(2, Reach::Up),
        record: at(9, 5),
    };
    let conflict = Keep::Conflict {
        recorded: at(9, 4),
        reported: at(1, 4),
    };
    let unconfirmed = Keep::Wait(Waiting::MasterUnconfirmed);
    let rows = [
        (at(1, 4), Confirmed, at(1, 4), Keep::InStep(InStep::Same)),
        (at(9, 3), Confirmed, at(1, 4), Keep::InStep(InStep::Ahead)),
        (at(1, 3), Confirmed, at(1, 4), Keep::InStep(InStep::Ahead)),
        (at(9, 4), Confirmed, at(1, 4), conflict),
        (at(9, 5), Confirmed, at(1, 4), told),
        (at(9, 5), Unconfirmed, at(1, 4), unconfirmed.clone()),
        (at(9, 5), NotAsked, at(1, 4), unconfirmed),
    ];
    for (recorded, standing, own, expected) in rows {
        let view = view(recorded, standing, healthy(own));
        assert_eq!(keep(&view), expected, "{view:?}");
    }
}

#[test]
fn an_epoch_alone_is_told_too() {
    let view = view(at(1, 5), Standing::Confirmed, healthy(at(1, 4)));
    assert_eq!(
        keep(&view),
        Keep::Announce {
            sender: peer(2, Reach::Up),
            record: at(1, 5)
        }
    );
}

#[test]
fn a_sentinel_that_cannot_be_told_is_started_again() {
    let seen = |change: &dyn Fn(&mut View, &mut Monitoring)| {
        let mut own = healthy(at(1, 4));
        let mut seen = view(at(9, 5), Standing::Confirmed, own.clone());
        change(&mut seen, &mut own);
        if matches!(seen.own, Own::Monitoring(_)) {
            seen.own = Own::Monitoring(Box::new(own));
        }
        keep(&seen)
    };
    assert_eq!(seen(&|_, own| own.peers.clear()), Keep::Rewrite(Rewrite::Alone));
    assert_eq!(
        seen(&|view, _| view.own = Own::Unaware),
        Keep::Rewrite(Rewrite::NotMonitored)
    );
    assert_eq!(
        seen(&|view, _| view.refused = REFUSALS),
        Keep::Rewrite(Rewrite::Refused)
    );
    let dead = |own: &mut Monitoring| {
        own.master = Reach::Down;
        own.replicas = vec![replica(2, Reach::Down), replica(3, Reach::Disconnected)];
    };
    assert_eq!(seen(&|_, own| dead(own)), Keep::Rewrite(Rewrite::EverythingMoved));
    // Just started: not dead, only not connected yet.
    let fresh = |own: &mut Monitoring| {
        dead(own);
        own.master = Reach::Disconnected;
    };
    assert!(matches!(seen(&|_, own| fresh(own)), Keep::Announce { .. }));
    // The new master is one of the replicas it knows.
    let known = |own: &mut Monitoring| {
        dead(own);
        own.replicas.push(replica(9, Reach::Down));
    };
    assert!(matches!(seen(&|_, own| known(own)), Keep::Announce { .. }));
}

/// The group was removed and monitored again between two looks: SENTINEL SET could not bring its scripts back.
#[test]
fn who_lost_its_scripts_is_started_again_when_nothing_else_is_to_be_done() {
    let lost = |recorded, own, failover_in_progress| {
        keep(&view(
            recorded,
            Standing::Confirmed,
            Monitoring {
                scripts: Scripts::Missing,
                failover_in_progress,
                ..healthy(own)
            },
        ))
    };
    let again = Keep::Rewrite(Rewrite::ScriptsMissing);
    assert_eq!(lost(at(1, 4), at(1, 4), false), again);
    assert_eq!(lost(at(1, 4), at(1, 4), true), Keep::InStep(InStep::Same));
    assert_eq!(lost(at(1, 3), at(1, 4), false), Keep::InStep(InStep::Ahead));
    assert!(matches!(lost(at(9, 4), at(1, 4), false), Keep::Conflict { .. }));
    assert!(matches!(lost(at(9, 5), at(1, 4), false), Keep::Announce { .. }));
}

#[test]
fn without_facts_nothing_is_done() {
    let own = || Own::Monitoring(Box::new(healthy(at(1, 4))));
    let no = |recorded| {
        keep(&View {
            recorded,
            own: own(),
            refused: 0,
        })
    };
    assert_eq!(no(Recorded::Stale), Keep::Wait(Waiting::RecordStale));
    let nobody = Recorded::No(NoRecord::Nobody);
    assert_eq!(no(nobody), Keep::Wait(Waiting::NoRecord(NoRecord::Nobody)));
    let recorded = Recorded::Yes {
        record: at(9, 9),
        standing: Standing::Confirmed,
    };
    let silent = View {
        recorded,
        own: Own::Silent,
        refused: 0,
    };
    assert_eq!(keep(&silent), Keep::Wait(Waiting::SentinelSilent));
    let unusable = View {
        own: Own::Unusable("WRONGPASS".to_owned()),
        ..silent
    };
    assert_eq!(keep(&unusable), Keep::Wait(Waiting::SentinelUnusable));
}

/// What the world looks like after the decision was carried out.
fn carried_out(mut view: View, done: Keep) -> View {
    let told = match (&view.recorded, done) {
        (_, Keep::Announce { record, .. }) => record,
        (Recorded::Yes { record, .. }, Keep::Rewrite(_)) => record.clone(),
        (_, Keep::InStep(_) | Keep::Conflict { .. } | Keep::Wait(_) | Keep::Rewrite(_)) => return view,
    };
    view.own = Own::Monitoring(Box::new(healthy(told)));
    view
}

fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![Just(Reach::Up), Just(Reach::Disconnected), Just(Reach::Down)]
}

prop_compose! {
    fn monitoring()(
        port in 1u16..4,
        epoch in 0u64..4,
        master in reach(),
        failover_in_progress: bool,
        missing: bool,
        peers in proptest::collection::vec((1u8..5, reach()), 0..4),
        replicas in proptest::collection::vec((1u16..6, reach()), 0..4),
    ) -> Monitoring {
        Monitoring {
            record: at(port, epoch),
            master,
            failover_in_progress,
            scripts: if missing { Scripts::Missing } else { Scripts::InPlace },
            peers: peers.into_iter().map(|(n, reach)| peer(n, reach)).collect(),
            replicas: replicas.into_iter().map(|(port, reach)| replica(port, reach)).collect(),
        }
    }
}

fn any_view() -> impl Strategy<Value = View> {
    let standing = prop_oneof![
        Just(Standing::Confirmed),
        Just(Standing::Unconfirmed),
        Just(Standing::NotAsked)
    ];
    let recorded = prop_oneof![
        1 => Just(Recorded::Stale),
        1 => Just(Recorded::No(NoRecord::Nobody)),
        8 => (1u16..4, 0u64..4, standing)
            .prop_map(|(port, epoch, standing)| Recorded::Yes { record: at(port, epoch), standing }),
    ];
    let own = prop_oneof![
        1 => Just(Own::Silent),
        1 => Just(Own::Unusable("a".to_owned())),
        1 => Just(Own::Unaware),
        8 => monitoring().prop_map(|own| Own::Monitoring(Box::new(own))),
    ];
    (recorded, own, 0u32..6).prop_map(|(recorded, own, refused)| View {
        recorded,
        own,
        refused,
    })
}

proptest! {
    #[test]
    fn acting_twice_changes_nothing_the_second_time(view in any_view()) {
        let first = keep(&view);
        let acted = matches!(first, Keep::Announce { .. } | Keep::Rewrite(_));
        let after = carried_out(view, first.clone());
        let second = keep(&after);
        if acted {
            prop_assert_eq!(second, Keep::InStep(InStep::Same));
        } else {
            prop_assert_eq!(second, first);
        }
    }

    #[test]
    fn a_sentinel_never_goes_back(view in any_view()) {
        let after = carried_out(view.clone(), keep(&view));
        if let (Own::Monitoring(before), Own::Monitoring(after)) = (&view.own, &after.own) {
            prop_assert!(after.record.epoch >= before.record.epoch);
            if after.record.epoch == before.record.epoch {
                prop_assert_eq!(&after.record.addr, &before.record.addr);
            }
        }
    }

    #[test]
    fn nobody_is_followed_who_does_not_say_master(view in any_view()) {
        if let Keep::Announce { record, .. } = keep(&view) {
            prop_assert_eq!(view.recorded, Recorded::Yes { record, standing: Standing::Confirmed });
        }
    }
}
