//! Tables, and worlds of failovers that three Sentinels tell.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::reconfiguration::Reconfiguration;

fn call(event: &str, text: &str) -> Call {
    Call::Notice(Notice::read(event, text))
}

fn moved(role: &str, from: &str, to: &str) -> Call {
    let (from, to): (Addr, Addr) = (from.parse().unwrap(), to.parse().unwrap());
    Call::Reconfiguration(Reconfiguration {
        pod: "m1".to_owned(),
        role: role.to_owned(),
        state: "start".to_owned(),
        from,
        to,
    })
}

fn seen(master: &str, epoch: u64) -> Seen {
    Seen {
        master: master.to_owned(),
        epoch,
        vote: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// Tells one thing, and gives the identity.
fn tell(book: &mut Book, second: i64, sentinel: &str, call: &Call, seen: Option<&Seen>) -> String {
    let report = Report {
        call,
        at: at(second),
        sentinel,
        seen,
    };
    judge(book, &report).id
}

const A: &str = "10.0.0.1:6379";
const B: &str = "10.0.0.2:6379";

#[test]
fn a_failover_is_one_event_for_its_leader_and_its_observers() {
    let mut book = Book::default();
    let leader = tell(&mut book, 0, "s1", &moved("leader", A, B), Some(&seen(B, 7)));
    let observer = tell(&mut book, 1, "s2", &moved("observer", A, B), Some(&seen(B, 7)));
    // It was called, and by the time it was asked the next failover was over.
    let late = tell(&mut book, 9, "s3", &moved("observer", A, B), Some(&seen(A, 8)));
    assert_eq!(leader, format!("m1/e7/failover/{B}"));
    assert_eq!((&observer, &late), (&leader, &leader));
    // An announced switch back, and forth again: three failovers.
    let back = tell(&mut book, 10, "s1", &moved("observer", B, A), Some(&seen(A, 8)));
    let forth = tell(&mut book, 11, "s1", &moved("observer", A, B), Some(&seen(B, 9)));
    assert_eq!(BTreeSet::from([&leader, &back, &forth]).len(), 3);
}

#[test]
fn a_failover_told_by_one_who_cannot_be_asked_is_the_same_one() {
    let mut book = Book::default();
    let known = tell(&mut book, 0, "s1", &moved("leader", A, B), Some(&seen(B, 7)));
    let unknown = tell(&mut book, 1, "s2", &moved("observer", A, B), None);
    assert_eq!(known, unknown);
    // The other way round: what is not known first is learned later.
    let mut book = Book::default();
    let unknown = tell(&mut book, 0, "s2", &moved("observer", A, B), None);
    let known = tell(&mut book, 1, "s1", &moved("leader", A, B), Some(&seen(B, 7)));
    assert_eq!(known, unknown);
}

#[test]
fn a_condition_that_comes_and_goes_is_counted_and_a_repeated_call_is_not() {
    let mut book = Book::default();
    let down = call("+odown", "master m1 10.0.0.1 6379 #quorum 2/2");
    let up = call("-odown", "master m1 10.0.0.1 6379");
    let seen = seen(A, 3);
    let mut by = |second, sentinel, call| tell(&mut book, second, sentinel, call, Some(&seen));
    let first = by(0, "s1", &down);
    assert_eq!(first, format!("m1/e3/+odown/master/{A}/1"));
    assert_eq!(by(1, "s2", &down), first, "another Sentinel");
    assert_eq!(
        by(30, "s1", &down),
        first,
        "Sentinel repeats a call that was killed"
    );
    let over = by(40, "s1", &up);
    assert_eq!(over, format!("m1/e3/-odown/master/{A}/1"));
    let second = by(50, "s1", &down);
    assert_eq!(second, format!("m1/e3/+odown/master/{A}/2"), "it is down again");
    // The other Sentinel saw both as one: for it this is the first, and its end the end of the first.
    assert_eq!(by(60, "s2", &up), over);
    // Its next one is the second, as everybody's.
    assert_eq!(by(70, "s2", &down), second);
}

#[test]
fn an_outage_that_another_sentinel_sees_later_is_another_one() {
    let mut book = Book::default();
    let down = call("+odown", "master m1 10.0.0.1 6379 #quorum 2/2");
    let up = call("-odown", "master m1 10.0.0.1 6379");
    let seen = seen(A, 3);
    let mut by = |second, sentinel, call| tell(&mut book, second, sentinel, call, Some(&seen));
    let first = by(0, "s1", &down);
    by(10, "s1", &up);
    let second = by(25, "s2", &down);
    assert_ne!(second, first);
    assert_eq!(by(26, "s3", &down), second);
    // And one of the next day by a Sentinel that was never there before, while one that died has never said that it is over.
    assert_ne!(by(90_000, "s4", &down), second);
}

#[test]
fn without_any_epoch_a_second_failover_to_the_same_node_is_another_one() {
    let mut book = Book::default();
    let mut by = |second, from, to| tell(&mut book, second, "s1", &moved("observer", from, to), None);
    let ids = [by(0, A, B), by(5, B, A), by(10, A, B)];
    assert_eq!(BTreeSet::from(ids.clone()).len(), 3, "{ids:?}");
}

#[test]
fn a_group_made_anew_has_its_epochs_again() {
    let mut book = Book::default();
    let mut by = |second, sentinel| {
        tell(
            &mut book,
            second,
            sentinel,
            &moved("observer", A, B),
            Some(&seen(B, 1)),
        )
    };
    let first = by(0, "s1");
    assert_eq!(
        by(4 * 3600, "s2"),
        first,
        "a call that Sentinel repeated to the end"
    );
    assert_ne!(by(10 * 3600, "s9"), first);
}

#[test]
fn every_sentinels_attempt_is_its_own() {
    let mut book = Book::default();
    let tried = call("+try-failover", "master m1 10.0.0.1 6379");
    let seen = seen(A, 3);
    let first = tell(&mut book, 0, "s1", &tried, Some(&seen));
    assert_ne!(tell(&mut book, 11, "s2", &tried, Some(&seen)), first);
    assert_ne!(tell(&mut book, 30, "s1", &tried, Some(&seen)), first);
}

#[test]
fn an_end_told_without_a_name_ends_it_too() {
    let mut book = Book::default();
    let down = call("+sdown", "master m1 10.0.0.1 6379");
    let up = call("-sdown", "master m1 10.0.0.1 6379");
    let seen = seen(A, 3);
    let first = tell(&mut book, 0, "s1", &down, Some(&seen));
    // It could not be asked for its run id just then.
    tell(&mut book, 20, "host/127.0.0.1:26379", &up, Some(&seen));
    assert_ne!(tell(&mut book, 60, "s1", &down, Some(&seen)), first);
}

#[test]
fn a_sentinel_that_begins_anew_has_forgotten_whom_it_held_for_down() {
    let mut book = Book::default();
    let down = call("+sdown", "slave 10.0.0.2:6379 10.0.0.2 6379 @ m1 10.0.0.1 6379");
    let begun = call("+monitor", "master m1 10.0.0.1 6379 quorum 2");
    let seen = seen(A, 3);
    let first = tell(&mut book, 0, "s1", &down, Some(&seen));
    tell(&mut book, 20, "s1", &begun, Some(&seen));
    assert_ne!(tell(&mut book, 30, "s1", &down, Some(&seen)), first);
}

#[test]
fn failed_attempts_are_told_apart_by_their_votes() {
    let mut book = Book::default();
    let abort = call("-failover-abort-no-good-slave", "master m1 10.0.0.1 6379");
    let voted = |vote| Seen {
        vote: Some(vote),
        ..seen(A, 3)
    };
    let first = tell(&mut book, 0, "s1", &abort, Some(&voted(4)));
    assert_eq!(tell(&mut book, 30, "s1", &abort, Some(&voted(4))), first);
    assert_ne!(tell(&mut book, 31, "s1", &abort, Some(&voted(5))), first);
    assert_ne!(
        tell(&mut book, 32, "s2", &abort, Some(&voted(4))),
        first,
        "one of another Sentinel"
    );
}

#[test]
fn what_ends_a_reign_is_told_once_in_it() {
    let mut book = Book::default();
    let end = call("+failover-end", "master m1 10.0.0.1 6379");
    let update = |id| {
        call(
            "+config-update-from",
            &format!("sentinel {id} 10.0.0.9 26379 @ m1 10.0.0.1 6379"),
        )
    };
    let before = tell(
        &mut book,
        0,
        "s1",
        &call("+odown", "master m1 10.0.0.1 6379"),
        Some(&seen(A, 3)),
    );
    assert!(before.starts_with("m1/e3/"), "{before}");
    // Asked after the switch.
    let first = tell(&mut book, 1, "s1", &end, Some(&seen(B, 4)));
    assert_eq!(first, format!("m1/e3/+failover-end/{A}"));
    let one = tell(&mut book, 1, "s2", &update("s1"), Some(&seen(B, 4)));
    assert_eq!(tell(&mut book, 2, "s3", &update("s2"), Some(&seen(B, 4))), one);
}

#[test]
fn what_belongs_to_no_group_is_each_sentinels_own() {
    let mut book = Book::default();
    // Two groups of Sentinels may share a store, and be at the same epoch.
    for (event, text) in [("+new-epoch", "12"), ("+vote-for-leader", "3348dd 12")] {
        let said = call(event, text);
        let first = tell(&mut book, 0, "s1", &said, None);
        assert_eq!(tell(&mut book, 100, "s1", &said, None), first, "a repeated call");
        assert_ne!(tell(&mut book, 1, "s2", &said, None), first);
    }
    let tilt = call("+tilt", "#tilt mode entered");
    let first = tell(&mut book, 0, "s1", &tilt, None);
    assert_eq!(tell(&mut book, 1, "s1", &tilt, None), first, "a repeated call");
    assert_ne!(tell(&mut book, 100, "s1", &tilt, None), first, "again");
}

#[test]
fn a_book_stays_small_and_survives_being_written() {
    let mut book = Book::default();
    for n in 0..5000 {
        let text = format!("slave 10.0.0.2:{n} 10.0.0.2 6379 @ m1 10.0.0.1 {}", n % 200 + 1);
        tell(&mut book, n, "s1", &call("+sdown", &text), None);
    }
    let body = serde_json::to_string(&book).unwrap();
    assert!(body.len() < 600_000, "{}", body.len());
    assert_eq!(serde_json::from_str::<Book>(&body).unwrap(), book);
}

/// A world of failovers between three nodes, in epochs that grow, told by three Sentinels: each in order, each event by as many as see it, each
/// asked while the reign is the current one or, being late, the next.
#[derive(Debug, Clone)]
struct Told {
    /// Which failover.
    which: usize,
    event: &'static str,
    late: bool,
}

/// Reigns as nodes and epochs, what each Sentinel tells, and the order in which they do.
type World = (Vec<(usize, u64)>, Vec<Vec<Told>>, Vec<usize>);

fn worlds() -> impl Strategy<Value = World> {
    let steps = proptest::collection::vec((1..3_usize, 1..3_u64), 2..8);
    let reigns = steps.prop_map(|steps| {
        let mut reigns = vec![(0, 1)];
        for (step, grown) in steps {
            let &(node, epoch) = reigns.last().unwrap();
            reigns.push(((node + step) % 3, epoch + grown));
        }
        reigns
    });
    reigns.prop_flat_map(|reigns| {
        let n = reigns.len();
        let of_one = proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), n - 1)
            .prop_map(|seen| {
                let mut told = Vec::new();
                for (at, (odown, odown_late, switch_late)) in seen.into_iter().enumerate() {
                    if odown {
                        told.push(Told {
                            which: at,
                            event: "+odown",
                            late: odown_late,
                        });
                    }
                    told.push(Told {
                        which: at + 1,
                        event: "failover",
                        late: switch_late,
                    });
                }
                told
            });
        let sentinels = proptest::collection::vec(of_one, 3);
        let order = proptest::collection::vec(0..3_usize, 64);
        (Just(reigns), sentinels, order)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Never are two events taken for one, however late the Sentinels are asked and in whatever order they tell.
    #[test]
    fn no_event_is_taken_for_another((reigns, sentinels, order) in worlds()) {
        let mut ids: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for (id, which, event) in run(&reigns, &sentinels, &order) {
            let known = *ids.entry(id.clone()).or_insert((which, event));
            prop_assert_eq!(known, (which, event), "{}", id);
        }
    }

    /// Where the Sentinels are asked in time, each event is one event.
    #[test]
    fn asked_in_time_each_event_is_one((reigns, mut sentinels, order) in worlds()) {
        for told in sentinels.iter_mut().flatten() {
            told.late = false;
        }
        let mut events: BTreeMap<(usize, &str), String> = BTreeMap::new();
        for (id, which, event) in run(&reigns, &sentinels, &order) {
            let known = events.entry((which, event)).or_insert_with(|| id.clone());
            prop_assert_eq!(&*known, &id);
        }
    }

    #[test]
    fn judging_again_gives_the_same((reigns, sentinels, order) in worlds(), again in any::<bool>()) {
        let once = run_with(&reigns, &sentinels, &order, 1);
        let twice = run_with(&reigns, &sentinels, &order, if again { 2 } else { 3 });
        prop_assert_eq!(once, twice);
    }
}

fn run(
    reigns: &[(usize, u64)],
    sentinels: &[Vec<Told>],
    order: &[usize],
) -> Vec<(String, usize, &'static str)> {
    run_with(reigns, sentinels, order, 1)
}

fn run_with(
    reigns: &[(usize, u64)],
    sentinels: &[Vec<Told>],
    order: &[usize],
    times: usize,
) -> Vec<(String, usize, &'static str)> {
    let node = |at: usize| format!("10.0.0.{}:6379", reigns[at].0 + 1);
    let mut book = Book::default();
    let mut left: Vec<_> = sentinels.iter().map(|told| told.iter().peekable()).collect();
    let mut ids = Vec::new();
    // In the order drawn, and then whoever has something left.
    for sentinel in order.iter().copied().chain((0..3).cycle().take(300)) {
        let Some(told) = left[sentinel].next() else {
            continue;
        };
        let asked_at = (told.which + usize::from(told.late)).min(reigns.len() - 1);
        let seen = seen(&node(asked_at), reigns[asked_at].1);
        let call = match told.event {
            "failover" => moved("observer", &node(told.which - 1), &node(told.which)),
            _ => call(
                "+odown",
                &format!("master m1 {}", node(told.which).replace(':', " ")),
            ),
        };
        let second = i64::try_from(told.which).unwrap() * 1000;
        for _ in 1..times {
            tell(&mut book, second, &format!("s{sentinel}"), &call, Some(&seen));
        }
        let id = tell(&mut book, second, &format!("s{sentinel}"), &call, Some(&seen));
        ids.push((id, told.which, told.event));
    }
    ids
}
