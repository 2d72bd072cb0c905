//! What a spool keeps, and what it drops.

use super::*;
use crate::identity::Identity;

fn limits(events: u64) -> Limits {
    Limits {
        events,
        age: Duration::from_secs(3600),
    }
}

fn telling(n: i64) -> Telling {
    Telling {
        arguments: vec!["+odown".to_owned(), format!("master m{n} 10.0.0.1 6379")],
        at: at(n),
        sentinel: "s1".to_owned(),
        seen: None,
        host: "h".to_owned(),
        takers: Vec::new(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn identity(n: i64) -> Identity {
    Identity {
        id: format!("id{n}"),
        epoch: Some(7),
    }
}

fn open() -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&dir.path().join("below/spool.db"), limits(100)).unwrap();
    (dir, spool)
}

/// Puts an event in and judges it for these sinks.
fn judged(spool: &mut Spool, n: i64, sinks: &[&str]) -> i64 {
    judged_by(spool, n, sinks, Sharing::Own)
}

fn judged_by(spool: &mut Spool, n: i64, sinks: &[&str], sharing: Sharing) -> i64 {
    spool.put(&telling(n)).unwrap();
    let spooled = spool.unjudged().unwrap().unwrap();
    assert_eq!(spooled.telling, telling(n));
    spool
        .judged(
            spooled.seq,
            "m",
            &Book::default(),
            &identity(n),
            &sinks.iter().copied().collect(),
            sharing,
        )
        .unwrap();
    spooled.seq
}

#[test]
fn an_event_waits_for_each_of_its_sinks_and_is_gone_when_all_have_it() {
    let (_dir, mut spool) = open();
    judged(&mut spool, 1, &["a", "b"]);
    assert_eq!(spool.waiting().unwrap(), (0, 1));
    for sink in ["a", "b"] {
        let turn = spool.next_turn(sink, at(2)).unwrap().unwrap();
        assert_eq!((turn.id.as_str(), turn.epoch, turn.tries), ("id1", Some(7), 0));
        spool.took(&turn, sink, &Outcome::Delivered, at(2)).unwrap();
        assert!(spool.has("id1", sink).unwrap());
        assert_eq!(spool.next_turn(sink, at(2)).unwrap(), None);
    }
    assert_eq!(spool.waiting().unwrap(), (0, 0));
}

#[test]
fn an_event_that_no_sink_wants_is_gone_when_it_is_judged() {
    let (_dir, mut spool) = open();
    judged(&mut spool, 1, &[]);
    assert_eq!(spool.waiting().unwrap(), (0, 0));
}

#[test]
fn one_that_fails_lets_the_others_pass_and_comes_again() {
    let (_dir, mut spool) = open();
    judged(&mut spool, 1, &["a"]);
    judged(&mut spool, 2, &["a"]);
    let first = spool.next_turn("a", at(3)).unwrap().unwrap();
    spool.begin(&first, "a").unwrap();
    let failed = Outcome::Failed {
        again: Duration::from_secs(60),
        reason: "no".to_owned(),
    };
    spool.took(&first, "a", &failed, at(3)).unwrap();
    assert_eq!(spool.rest("a").unwrap(), (1, Some(at(63))));
    let second = spool.next_turn("a", at(3)).unwrap().unwrap();
    assert_eq!(second.id, "id2");
    spool.took(&second, "a", &Outcome::Delivered, at(4)).unwrap();
    // A single failure may have been the event's own: it waits its time.
    assert_eq!(spool.next_turn("a", at(4)).unwrap(), None);
    let again = spool.next_turn("a", at(63)).unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.tries), ("id1", 1));
    spool.begin(&again, "a").unwrap();
    assert_eq!(spool.next_turn("a", at(63)).unwrap().unwrap().tries, 2);
}

#[test]
fn a_sink_that_is_back_gets_at_once_what_it_missed() {
    let (_dir, mut spool) = open();
    let failed = Outcome::Failed {
        again: Duration::from_secs(60),
        reason: "no".to_owned(),
    };
    for n in 1..4 {
        judged(&mut spool, n, &["a"]);
        let turn = spool.next_turn("a", at(4)).unwrap().unwrap();
        spool.took(&turn, "a", &failed, at(4)).unwrap();
    }
    let standing = spool.standing("a").unwrap();
    assert_eq!(
        (standing.failures, standing.pending, standing.oldest),
        (3, 3, Some(at(1)))
    );
    let turn = spool.next_turn("a", at(64)).unwrap().unwrap();
    spool.took(&turn, "a", &Outcome::Delivered, at(64)).unwrap();
    assert_eq!(spool.next_due("a").unwrap(), Some(Timestamp::UNIX_EPOCH));
    assert_eq!(spool.standing("a").unwrap().reason, None);
}

#[test]
fn too_many_and_too_old_are_dropped_and_counted() {
    let (dir, mut spool) = open();
    for n in 0..10 {
        judged(&mut spool, n, &["a"]);
    }
    drop(spool);
    let mut spool = Spool::open(&dir.path().join("below/spool.db"), limits(4)).unwrap();
    assert_eq!(spool.trim(at(20)).unwrap(), 6);
    assert_eq!(spool.next_turn("a", at(20)).unwrap().unwrap().id, "id6");
    assert_eq!(spool.counter(Counter::Dropped).unwrap(), 6);
    assert_eq!(
        spool.trim(at(3609)).unwrap(),
        3,
        "those of the seconds 6 to 8 are over an hour old"
    );
    assert_eq!(spool.waiting().unwrap(), (0, 1));
    // Without anybody who trims.
    for n in 10..30 {
        spool.put(&telling(n)).unwrap();
    }
    let (unjudged, pending) = spool.waiting().unwrap();
    assert!(unjudged + pending <= 5, "{unjudged} {pending}");
    assert_eq!(spool.counter(Counter::Dropped).unwrap() + unjudged + pending, 30);
}

#[test]
fn a_sink_that_is_not_named_holds_up_nobody_and_loses_nothing() {
    let (_dir, mut spool) = open();
    judged(&mut spool, 1, &["a", "gone"]);
    let lacked = spool.lacked_by_others(&["a"]).unwrap();
    assert_eq!(lacked.into_iter().collect::<Vec<_>>(), [("gone".to_owned(), 1)]);
    let turn = spool.next_turn("a", at(2)).unwrap().unwrap();
    spool.took(&turn, "a", &Outcome::Repeated, at(2)).unwrap();
    assert!(!spool.anything_for(&["a"]).unwrap() && spool.anything_for(&["gone"]).unwrap());
    assert_eq!(spool.waiting().unwrap(), (0, 1));
}

#[test]
fn what_nobody_wants_stays_until_the_shared_book_has_heard_of_it() {
    let (_dir, mut spool) = open();
    let seq = judged_by(&mut spool, 1, &[], Sharing::Store);
    assert_eq!(spool.unshared().unwrap().unwrap().seq, seq);
    assert_eq!(spool.waiting().unwrap(), (0, 0), "and nobody waits for it");
    spool.share(seq, "shared", None).unwrap();
    assert_eq!(spool.unshared().unwrap(), None);
    // Without a store any more there is nothing to wait for either.
    judged_by(&mut spool, 2, &[], Sharing::Store);
    judged_by(&mut spool, 3, &["a"], Sharing::Store);
    spool.own_book_only().unwrap();
    assert_eq!(spool.unshared().unwrap(), None);
    assert_eq!(
        spool.next_turn("a", at(4)).unwrap().unwrap().shared.as_deref(),
        Some("id3")
    );
}

#[test]
fn what_was_delivered_without_the_store_stays_until_the_store_knows() {
    let (_dir, mut spool) = open();
    let seq = judged_by(&mut spool, 1, &["a"], Sharing::Store);
    let turn = spool.next_turn("a", at(2)).unwrap().unwrap();
    spool.took(&turn, "a", &Outcome::DeliveredAlone, at(2)).unwrap();
    let (spooled, shared, sink) = spool.alone().unwrap().unwrap();
    assert_eq!((spooled.seq, shared, sink.as_str()), (seq, None, "a"));
    spool.share(seq, "shared", Some(7)).unwrap();
    assert_eq!(spool.alone().unwrap().unwrap().1.as_deref(), Some("shared"));
    spool.known(seq, "a").unwrap();
    assert_eq!(spool.waiting().unwrap(), (0, 0));
}

#[test]
fn a_clock_that_goes_back_puts_nothing_off() {
    let (_dir, mut spool) = open();
    judged(&mut spool, 1, &["a"]);
    let turn = spool.next_turn("a", at(3)).unwrap().unwrap();
    let failed = Outcome::Failed {
        again: Duration::from_secs(60),
        reason: "no".to_owned(),
    };
    spool.took(&turn, "a", &failed, at(100_000)).unwrap();
    assert!(spool.next_turn("a", at(100_030)).unwrap().is_none());
    assert!(spool.next_turn("a", at(3)).unwrap().is_some());
}

#[test]
fn what_nobody_can_read_stops_nobody() {
    let (_dir, mut spool) = open();
    spool.put(&telling(1)).unwrap();
    spool
        .write("test", |tx| {
            tx.execute("UPDATE event SET body = '{\"from\": \"the future\"}'", [])
                .map(drop)
        })
        .unwrap();
    spool.put(&telling(2)).unwrap();
    assert_eq!(spool.unjudged().unwrap().unwrap().telling, telling(2));
    assert_eq!(spool.counter(Counter::Unreadable).unwrap(), 1);
}

#[test]
fn a_file_that_is_no_spool_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    std::fs::write(&path, "this is no database, however long it may be".repeat(100)).unwrap();
    let Err(error) = Spool::open(&path, limits(4)) else {
        panic!("it was opened")
    };
    let told = crate::call::chain(&error);
    assert!(
        told.contains("spool.db") && told.contains("not a database"),
        "{told}"
    );
}

#[test]
fn the_owner_stays_the_same() {
    let (dir, mut spool) = open();
    let owner = spool.owner().unwrap();
    let mut again = Spool::open(&dir.path().join("below/spool.db"), limits(4)).unwrap();
    assert_eq!(again.owner().unwrap(), owner);
}
