//! The role moves, once, to the best node, and everybody agrees.

use failover::{OldMaster, Outcome, Stop, Warrant};
use testkit::eventually;
use topology::Role;
use zkpaths::{Cause, Failover};

use crate::group::{Group, LONG, addr_of, moved, servers};

#[tokio::test]
async fn a_dead_master_is_replaced_within_milliseconds_and_again() {
    if !servers() {
        return;
    }
    let group = Group::start(2, 3).await;
    let party = group.party("node 1").await;
    party.mover.warm_up().await.unwrap();
    let warrant = group.died(0);
    group.nodes[0].kill();
    let first = moved(party.run(warrant.clone()).await);
    assert_eq!((&first.from, first.old), (addr_of(&group, 0), OldMaster::Gone));
    println!("first: {:?}", first.timings);
    let master = group.agreed().await;
    assert_eq!(addr_of(&group, master), &first.record.addr);
    let state = group.state().await;
    assert_eq!((state.cause, state.epoch), (Cause::Died, first.record.epoch));
    let history = group.zk.client().children("/redis/history").await;
    let entry = group
        .zk
        .client()
        .get(&format!("/redis/history/{}", history[0]))
        .await
        .unwrap();
    let entry = Failover::decode(entry.as_bytes()).unwrap();
    assert_eq!(&entry.to, &first.record.addr);
    // The slowest of three is not waited for.
    assert!(entry.votes.0 >= 2 && entry.votes.1 == 3, "{entry:?}");
    assert_eq!(
        entry.candidates.iter().filter(|c| c.verdict == "chosen").count(),
        1
    );

    // The same proof again: somebody moved on, nothing happens.
    let again = party.run(warrant).await;
    assert!(
        matches!(again, Outcome::Stopped(Stop::EpochMovedOn(_))),
        "{again:?}"
    );

    // A second crash right after the first: no cool-down.
    group.nodes[master].kill();
    let second = moved(party.run(group.died(master)).await);
    println!("second: {:?}", second.timings);
    assert!(second.record.epoch > first.record.epoch);
    group.agreed().await;
}

#[tokio::test]
async fn a_master_that_answers_is_left_alone() {
    if !servers() {
        return;
    }
    let group = Group::start(1, 3).await;
    let party = group.party("node 1").await;
    let master = addr_of(&group, 0).clone();
    for warrant in [
        Warrant::Refused {
            master: master.clone(),
        },
        Warrant::LeaseOver {
            master: master.clone(),
        },
    ] {
        let outcome = party.run(warrant).await;
        assert!(
            matches!(outcome, Outcome::Stopped(Stop::MasterAnswers(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(group.agreed().await, 0);
}

#[tokio::test]
async fn two_at_once_move_it_once() {
    if !servers() {
        return;
    }
    let group = Group::start(2, 3).await;
    let (a, b) = tokio::join!(group.party("a"), group.party("b"));
    let warrant = group.died(0);
    group.nodes[0].kill();
    let refused = Warrant::Refused {
        master: addr_of(&group, 0).clone(),
    };
    let outcomes = tokio::join!(a.run(warrant), b.run(refused));
    let count = [&outcomes.0, &outcomes.1]
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Moved(_)))
        .count();
    assert_eq!(count, 1, "{outcomes:?}");
    group.agreed().await;
}

#[tokio::test]
async fn without_a_majority_of_sentinels_it_is_left_to_them() {
    if !servers() {
        return;
    }
    let group = Group::start(1, 3).await;
    let party = group.party("a").await;
    group.sentinels[0].kill();
    group.sentinels[1].stop();
    group.nodes[0].kill();
    let outcome = party.run(group.died(0)).await;
    assert!(
        matches!(
            outcome,
            Outcome::Stopped(Stop::TooFewSentinels {
                answering: 1,
                needed: 2
            })
        ),
        "{outcome:?}"
    );
    assert_eq!(
        group.nodes[1].role().await,
        Some(Role::Replica {
            of: addr_of(&group, 0).clone()
        })
    );
    group.sentinels[1].cont();
}

#[tokio::test]
async fn a_handover_loses_nothing_and_copies_nothing() {
    if !servers() {
        return;
    }
    let group = Group::start(2, 3).await;
    let party = group.party("node 0").await;
    party.mover.warm_up().await.unwrap();
    let full_before = full_resyncs(&group).await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let addr = group.nodes[0].addr().clone();
        writers.spawn(async move { (n, write(addr, n).await) });
    }
    let busy = || async {
        group.nodes[0]
            .get("w3")
            .await
            .is_some_and(|count| count.len() > 1)
    };
    eventually("the writers write", LONG, busy).await;
    let master = addr_of(&group, 0).clone();
    let done = moved(party.run(Warrant::Handover { master }).await);
    println!("handover: {:?}", done.timings);
    assert_eq!(done.old, OldMaster::Relieved);
    let new = group.agreed().await;
    while let Some(writer) = writers.join_next().await {
        let (n, count) = writer.unwrap();
        assert!(count > 1, "writer {n} wrote {count}");
        let kept = group.nodes[new].get(&format!("w{n}")).await.unwrap();
        assert!(
            kept.parse::<u64>().unwrap() >= count,
            "writer {n}: {kept} of {count} kept"
        );
    }
    group.in_sync().await;
    assert_eq!(full_resyncs(&group).await, full_before, "full resynchronisations");
}

/// Counts up one key until it is refused; returns the last number that was acknowledged.
async fn write(addr: topology::Addr, n: usize) -> u64 {
    let client = testkit::RedisClient::new(&addr, None);
    let mut last = 0;
    for value in 1_u64.. {
        let done = client
            .command(&["SET", &format!("w{n}"), &value.to_string()])
            .await;
        if done.is_err() {
            break;
        }
        last = value;
    }
    last
}

async fn full_resyncs(group: &Group) -> u64 {
    let mut sum = 0;
    for node in &group.nodes {
        sum += node.info("sync_full").await.unwrap().parse::<u64>().unwrap();
    }
    sum
}
