//! The choice: a table, and what holds for any set of nodes.

use std::collections::BTreeMap;

use instance::{Probe, Snapshot};
use proptest::prelude::*;
use registry::Version;
use topology::{Epoch, Replication, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Further, Known, Phase, RecordedMaster, State};

use super::*;
use crate::Warrant;

const OLD: u8 = 1;
const OURS: u8 = 99;

fn addr(n: u8) -> Addr {
    format!("10.0.0.{n}:6379").parse().unwrap()
}

/// What one replica says of itself.
#[derive(Debug, Clone, Copy)]
struct Says {
    offset: i64,
    priority: u32,
    lineage: u8,
    link_down_s: u64,
    syncing: bool,
}

const GOOD: Says = Says {
    offset: 100,
    priority: 100,
    lineage: OURS,
    link_down_s: 0,
    syncing: false,
};

fn replica(n: u8, says: Says) -> Probe {
    Probe::Answered(Box::new(Snapshot {
        run_id: RunId::from_bytes([n; 20]),
        process_id: None,
        server_version: "7.0.15".to_owned(),
        replication: Replication {
            role: Role::Replica { of: addr(50) },
            id: ReplicationId::from_bytes([says.lineage; 20]),
            second_id: ReplicationId::from_bytes([0; 20]),
            second_offset: -1,
            offset: says.offset,
            link: Some(LinkStatus::Down),
            link_down_s: says.link_down_s,
            syncing: says.syncing,
            priority: says.priority,
            connected_replicas: 0,
        },
    }))
}

/// Node 1 was master; the others are numbered from 2.
fn view(replicas: &[Says]) -> View {
    let numbered = replicas.iter().zip(OLD + 1..);
    let nodes: BTreeMap<Addr, Probe> = numbered.map(|(says, n)| (addr(n), replica(n, *says))).collect();
    let state = State {
        group: Uuid::from_u128(7),
        name: "master1".parse().unwrap(),
        epoch: Epoch(4),
        master: RecordedMaster {
            addr: addr(OLD),
            run_id: None,
        },
        phase: Phase::Settled,
        cause: Cause::FirstStart,
        since_ms: 0,
        replaces: None,
        known: Some(Known {
            id: ReplicationId::from_bytes([OURS; 20]),
            offset: 10,
        }),
        further: Further::default(),
    };
    View {
        name: "master1".parse().unwrap(),
        recorded: Some((state, Version(3))),
        sentinels: Vec::new(),
        registered_sentinels: 3,
        nodes,
        lease: None,
        paused: None,
        group_size: replicas.len() + 1,
        unheard: 0,
    }
}

fn chosen(replicas: &[Says], durability: Durability) -> Result<Choice, WhyNoChoice> {
    choose(&view(replicas), &addr(OLD), &without([]), durability)
}

/// An attempt in which these did not obey.
fn without(failed: impl IntoIterator<Item = Addr>) -> Attempt {
    Attempt {
        failed: failed.into_iter().collect(),
        ..Attempt::new(Warrant::Refused { master: addr(OLD) })
    }
}

fn better(offset: i64) -> Says {
    Says { offset, ..GOOD }
}

#[test]
fn who_lost_the_master_long_before_the_others_comes_last_whatever_its_priority() {
    let stale = |link_down_s| Says {
        priority: 10,
        link_down_s,
        ..GOOD
    };
    let choice = |link_down_s| chosen(&[stale(link_down_s), GOOD], Durability::Async).unwrap();
    assert_eq!(choice(3_600).candidate.addr, addr(3));
    assert_eq!(choice(3_600).behind.len(), 1, "and still before nobody");
    assert_eq!(choice(STALE_S).candidate.addr, addr(2), "preferred");
}

#[test]
fn quorum_promotes_nobody_who_lacks_what_another_was_seen_to_have() {
    let vetoed = Says {
        priority: 0,
        ..better(300)
    };
    let why = chosen(&[vetoed, GOOD], Durability::Quorum).unwrap_err();
    let expected = WhyNoChoice::OthersHaveMore {
        best: addr(3),
        ahead: addr(2),
    };
    assert_eq!(why, expected);
    let choice = chosen(&[vetoed, GOOD], Durability::Async).unwrap();
    assert_eq!(choice.candidate.addr, addr(3), "no promise was made");
    let equal = Says { priority: 0, ..GOOD };
    let choice = chosen(&[equal, GOOD], Durability::Quorum).unwrap();
    assert_eq!(choice.candidate.addr, addr(3), "it has everything");
}

#[test]
fn quorum_does_not_take_the_next_one_when_the_farthest_does_not_obey() {
    let failed = without([addr(2)]);
    let of = |replicas: &[Says]| choose(&view(replicas), &addr(OLD), &failed, Durability::Quorum);
    let why = of(&[better(300), GOOD]).unwrap_err();
    assert!(matches!(why, WhyNoChoice::OthersHaveMore { .. }), "{why}");
    assert_eq!(of(&[GOOD, GOOD]).unwrap().candidate.addr, addr(3));
}

#[test]
fn a_vetoed_node_of_another_lineage_holds_no_confirmed_write() {
    let foreign = Says {
        priority: 0,
        lineage: 7,
        ..better(900)
    };
    let why = chosen(&[foreign, GOOD], Durability::Quorum).unwrap_err();
    let counted = matches!(
        why,
        WhyNoChoice::NotEnoughSeen {
            seen: 1,
            needed: 2,
            ..
        }
    );
    assert!(counted, "{why}");
}

prop_compose! {
    fn any_says()(
        offset in 0i64..5,
        priority in prop_oneof![Just(0u32), Just(1), Just(100)],
        lineage in prop_oneof![3 => Just(OURS), 1 => Just(7u8)],
        syncing in proptest::bool::weighted(0.1),
    ) -> Says {
        Says { offset, priority, lineage, syncing, link_down_s: 0 }
    }
}

fn any_durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::Async), Just(Durability::Quorum)]
}

proptest! {
    #[test]
    fn who_is_chosen_is_fit_and_nobody_fit_is_better(
        replicas in proptest::collection::vec(any_says(), 1..5),
        durability in any_durability(),
    ) {
        if let Ok(choice) = chosen(&replicas, durability) {
            let best = &choice.candidate;
            prop_assert!(best.priority > 0 && best.usable);
            prop_assert!(best.lineage.includes(&ReplicationId::from_bytes([OURS; 20])));
            for other in &choice.behind {
                let behind = match durability {
                    Durability::Async => (best.priority, Reverse(best.offset), &best.run_id)
                        < (other.priority, Reverse(other.offset), &other.run_id),
                    Durability::Quorum => best.offset >= other.offset,
                };
                prop_assert!(behind, "{best:?} {other:?}");
            }
            prop_assert_eq!(1 + choice.behind.len() + choice.excluded.len(), replicas.len());
        }
    }

    /// The order is total: of any two nodes the same one wins, whoever else is there and in whatever order they are named.
    #[test]
    fn the_better_of_two_stays_better_among_others(
        one in any_says(), other in any_says(), third in any_says(),
    ) {
        let of_two = chosen(&[one, other], Durability::Async);
        let of_three = chosen(&[one, other, third], Durability::Async);
        if let (Ok(two), Ok(three)) = (of_two, of_three) {
            let third_wins = three.candidate.addr == addr(4);
            prop_assert!(third_wins || three.candidate.addr == two.candidate.addr);
        }
    }

    /// Nodes change their places: the answer changes only where all else is equal, and then by the run id.
    #[test]
    fn what_wins_does_not_depend_on_where_it_stands(
        mut replicas in proptest::collection::vec(any_says(), 1..5),
        durability in any_durability(),
    ) {
        let before = chosen(&replicas, durability);
        replicas.reverse();
        let after = chosen(&replicas, durability);
        prop_assert_eq!(before.is_ok(), after.is_ok());
        if let (Ok(before), Ok(after)) = (before, after) {
            let facts = |choice: &Choice| (choice.candidate.priority, choice.candidate.offset);
            prop_assert_eq!(facts(&before), facts(&after));
        }
    }

    #[test]
    fn an_empty_node_is_never_chosen_before_one_with_data(
        with_data in 2i64..1000, priority in 1u32..200, durability in any_durability(),
    ) {
        // An empty one has a lineage of its own.
        let empty = Says { offset: 1, lineage: 8, priority: 1, syncing: false, link_down_s: 0 };
        let good = Says { priority, ..better(with_data) };
        for replicas in [[empty, good], [good, empty]] {
            if let Ok(choice) = chosen(&replicas, durability) {
                prop_assert_eq!(choice.candidate.offset, with_data);
            }
        }
        prop_assert!(chosen(&[empty, empty], durability).is_err());
    }

    /// Any write that the master and `group / 2` replicas have is on whoever is chosen.
    #[test]
    fn quorum_keeps_every_confirmed_write(
        offsets in proptest::collection::vec((0i64..6, proptest::bool::ANY, any::<bool>()), 1..6),
        failed in proptest::collection::btree_set(2u8..8, 0..2),
    ) {
        let replicas: Vec<Says> = offsets.iter().map(|(offset, vetoed, _)| Says {
            priority: if *vetoed { 0 } else { 100 },
            ..better(10 + offset)
        }).collect();
        let mut view = view(&replicas);
        let group = replicas.len() + 1;
        for ((_, _, silent), n) in offsets.iter().zip(OLD + 1..) {
            if *silent {
                view.nodes.insert(addr(n), Probe::Unreachable);
            }
        }
        let failed = without(failed.into_iter().map(addr));
        if let Ok(choice) = choose(&view, &addr(OLD), &failed, Durability::Quorum) {
            // The farthest point that so many replicas have, whether they answer or not.
            let mut all: Vec<i64> = replicas.iter().map(|says| says.offset).collect();
            all.sort_unstable_by_key(|offset| Reverse(*offset));
            let confirmed = all[group / 2 - 1];
            prop_assert!(choice.candidate.offset >= confirmed, "{} < {confirmed}", choice.candidate.offset);
        }
    }
}
