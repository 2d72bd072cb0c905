//! What is a proof: a table, and what holds for any evidence.

use proptest::prelude::*;
use registry::Version;
use topology::{Epoch, RunId};
use zkpaths::Lease;

use super::*;

fn master() -> Addr {
    "10.0.0.1:6379".parse().unwrap()
}

fn lease(unchanged_ms: u64) -> LeaseSeen {
    LeaseSeen {
        lease: Lease {
            holder: master(),
            run_id: RunId::from_bytes([1; 20]),
            epoch: Epoch(4),
            lease_ms: 1_500,
            at_ms: 0,
        },
        version: Version(9),
        unchanged_for: Duration::from_millis(unchanged_ms),
    }
}

/// Nobody listens, two of three Sentinels have lost it.
fn refused() -> Evidence {
    Evidence {
        master: master(),
        last: LastTry::Refused,
        refused: REFUSALS,
        sentinels: 3,
        quorum: 2,
        lost_by: 2,
        down_by: 0,
        silent_for: 0,
        lease: None,
    }
}

/// Nobody answers, and its lease is not renewed.
fn cut() -> Evidence {
    Evidence {
        last: LastTry::Unreachable,
        refused: 0,
        lost_by: 0,
        silent_for: 2,
        lease: Some(lease(750)),
        ..refused()
    }
}

#[test]
fn what_proves_that_the_master_is_gone() {
    let died = || Ok(Warrant::Refused { master: master() });
    let over = || Ok(Warrant::LeaseOver { master: master() });
    for (what, seen, expected) in [
        ("refused, corroborated", refused(), died()),
        (
            "refused once",
            Evidence {
                refused: 1,
                ..refused()
            },
            Err(NoWarrant::RefusedOnce),
        ),
        (
            "one of three has lost it",
            Evidence {
                lost_by: 1,
                ..refused()
            },
            Err(NoWarrant::SentinelsReachIt),
        ),
        (
            "no sentinel exists: the lock decides",
            Evidence {
                sentinels: 0,
                lost_by: 0,
                ..refused()
            },
            died(),
        ),
        (
            "it answers",
            Evidence {
                last: LastTry::Answered,
                ..refused()
            },
            Err(NoWarrant::Answers),
        ),
        ("cut off", cut(), over()),
        (
            "renewed lately",
            Evidence {
                lease: Some(lease(749)),
                ..cut()
            },
            Err(NoWarrant::LeaseIsRenewed),
        ),
        (
            "the sentinels reach it",
            Evidence {
                silent_for: 1,
                ..cut()
            },
            Err(NoWarrant::SentinelsReachIt),
        ),
        (
            "no lease",
            Evidence { lease: None, ..cut() },
            Err(NoWarrant::NoLease),
        ),
        (
            "no lease, held for down",
            Evidence {
                lease: None,
                down_by: 2,
                ..cut()
            },
            over(),
        ),
        (
            "no lease, and no sentinel to hold it for down",
            Evidence {
                lease: None,
                sentinels: 0,
                quorum: 1,
                down_by: 1,
                ..cut()
            },
            Err(NoWarrant::NoLease),
        ),
    ] {
        assert_eq!(warrant(&seen), expected, "{what}");
    }
}

fn any_last() -> impl Strategy<Value = LastTry> {
    prop_oneof![
        Just(LastTry::Answered),
        Just(LastTry::Refused),
        Just(LastTry::Unreachable)
    ]
}

prop_compose! {
    fn any_evidence()(
        last in any_last(),
        refused in 0u32..4,
        (sentinels, quorum) in (0usize..6, 1usize..5),
        (lost_by, down_by, silent_for) in (0usize..6, 0usize..6, 0usize..6),
        lease in proptest::option::of((0u64..3_000).prop_map(lease)),
    ) -> Evidence {
        Evidence { master: master(), last, refused, sentinels, quorum, lost_by, down_by, silent_for, lease }
    }
}

proptest! {
    /// Whoever has a warrant has asked, was not answered, and a majority of the Sentinels says the same, where there are any.
    #[test]
    fn nobody_acts_on_less(seen in any_evidence()) {
        if let Ok(warrant) = warrant(&seen) {
            let needed = majority(seen.sentinels, seen.quorum);
            prop_assert_ne!(seen.last, LastTry::Answered);
            let alone = seen.sentinels == 0 && seen.last == LastTry::Refused;
            prop_assert!(alone || seen.lost_by.max(seen.silent_for).max(seen.down_by) >= needed);
            prop_assert_eq!(warrant.master(), Some(&master()));
            let expected = if seen.last == LastTry::Refused { "listens" } else { "reaches" };
            prop_assert!(warrant.to_string().contains(expected));
            if let (LastTry::Unreachable, Some(lease)) = (seen.last, &seen.lease) {
                prop_assert!(lease.unchanged_for >= lease.lease.length() / 2);
            }
        }
    }

    /// What proves it goes on proving it when more of the same is seen.
    #[test]
    fn more_of_it_is_no_less_of_a_proof(seen in any_evidence(), more in 0usize..3) {
        if warrant(&seen).is_ok() {
            let worse = Evidence {
                refused: seen.refused + 1,
                lost_by: seen.lost_by + more,
                down_by: seen.down_by + more,
                silent_for: seen.silent_for + more,
                ..seen.clone()
            };
            prop_assert_eq!(warrant(&worse), warrant(&seen));
        }
    }
}
