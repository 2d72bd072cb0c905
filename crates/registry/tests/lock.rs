//! Locks: one holder, and none that outlives its interest.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{LONG, Party, tree, until, wired};
use registry::{CommitError, Expected, LockError, Session, Write};
use testkit::{ZooKeeper, eventually};
use tokio::task::JoinSet;
use zkpaths::Lock;

fn dir() -> String {
    tree().lock(Lock::Failover).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_twenty_holds_it() {
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    static TURNS: AtomicUsize = AtomicUsize::new(0);
    let zk = ZooKeeper::start().await;
    let mut parties = Vec::new();
    for _ in 0..4 {
        parties.push(Party::join(&zk.hosts()).await);
    }
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let registry = parties[number % 4].registry.clone();
        tasks.spawn(async move {
            let guard = registry
                .lock(Lock::Failover, &format!("task {number}"), LONG)
                .await
                .unwrap();
            assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "alone inside");
            assert_eq!(registry.children(&tree().master()).await.unwrap().len(), 0);
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(!*guard.lost().borrow());
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            TURNS.fetch_add(1, Ordering::SeqCst);
            if number % 2 == 0 {
                guard.release().await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(TURNS.load(Ordering::SeqCst), 20);
    zk.client().wait_for_children(&dir(), 0, LONG).await;
    for party in &parties {
        eventually("the tasks to end", LONG, async || party.tasks.len() == 1).await;
    }
}

#[tokio::test]
async fn a_holder_cut_off_steps_down_before_another_holds_it() {
    let (zk, wire, first) = wired().await;
    let second = Party::join(&zk.hosts()).await;
    let guard = first.registry.lock(Lock::Failover, "first", LONG).await.unwrap();
    let mut lost = guard.lost();
    wire.cut();
    let (lost_at, held_at) = tokio::join!(
        async {
            until(&mut lost, "lost", |lost| *lost).await;
            Instant::now()
        },
        async {
            let guard = second
                .registry
                .lock(Lock::Failover, "second", LONG)
                .await
                .unwrap();
            (Instant::now(), guard)
        }
    );
    let (held_at, held) = held_at;
    assert!(lost_at < held_at, "two holders for {:?}", lost_at - held_at);
    wire.heal();
    first.registry.connected(LONG).await.unwrap();
    // The fence: what the first one writes under its lock is refused.
    let fenced = [
        Write::Check {
            path: guard.path().clone(),
            expected: Expected::Any,
        },
        Write::Set {
            path: tree().master(),
            data: b"stale".to_vec(),
            expected: Expected::Any,
        },
    ];
    let error = first.registry.commit(&fenced).await.unwrap_err();
    assert!(
        matches!(&error, CommitError::Missing { path } if path == guard.path()),
        "{error:?}"
    );
    guard.release().await;
    assert!(!*held.lost().borrow());
    assert_eq!(zk.client().children(&dir()).await.len(), 1);
}

#[tokio::test]
async fn a_lock_released_into_a_dead_connection_is_free_later() {
    let (zk, wire, first) = wired().await;
    let second = Party::join(&zk.hosts()).await;
    let guard = first.registry.lock(Lock::Failover, "first", LONG).await.unwrap();
    wire.cut();
    let begun = Instant::now();
    guard.release().await;
    assert!(
        begun.elapsed() < Duration::from_millis(2500),
        "{:?}",
        begun.elapsed()
    );
    wire.heal();
    let guard = second
        .registry
        .lock(Lock::Failover, "second", LONG)
        .await
        .unwrap();
    assert_eq!(zk.client().children(&dir()).await.len(), 1);
    guard.release().await;
}

#[tokio::test]
async fn who_does_not_wait_leaves_nothing() {
    let (zk, wire, first) = wired().await;
    let second = Party::join(&zk.hosts()).await;
    let guard = second
        .registry
        .lock(Lock::Failover, "second", LONG)
        .await
        .unwrap();
    let error = first
        .registry
        .lock(Lock::Failover, "first", Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, LockError::Deadline { holder: Some(holder), .. } if holder == "second"),
        "{error:?}"
    );
    let cancelled = first.registry.lock(Lock::Failover, "first", LONG);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), cancelled)
            .await
            .is_err()
    );
    zk.client().wait_for_children(&dir(), 1, LONG).await;
    guard.release().await;
    // Cancelled while the request is under way.
    wire.cut();
    let cancelled = first.registry.lock(Lock::Failover, "first", LONG);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), cancelled)
            .await
            .is_err()
    );
    wire.heal();
    eventually("the tasks to end", LONG, async || first.tasks.len() == 1).await;
    zk.client().wait_for_children(&dir(), 0, LONG).await;
}

#[tokio::test]
async fn a_deleted_lock_is_lost() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let guard = party.registry.lock(Lock::Failover, "who", LONG).await.unwrap();
    assert_eq!(
        zk.client().get(guard.path().as_str()).await.as_deref(),
        Some("who")
    );
    let mut lost = guard.lost();
    zk.client().delete(guard.path().as_str()).await;
    until(&mut lost, "lost", |lost| *lost).await;
    let again = party.registry.lock(Lock::Failover, "who", LONG).await.unwrap();
    guard.release().await;
    assert!(
        !*again.lost().borrow(),
        "releasing a lost lock does not touch the next one"
    );
    assert_eq!(zk.client().children(&dir()).await.len(), 1);
}

#[tokio::test]
async fn waiting_survives_an_expiry() {
    let (zk, wire, first) = wired().await;
    let second = Party::join(&zk.hosts()).await;
    let guard = second
        .registry
        .lock(Lock::Failover, "second", LONG)
        .await
        .unwrap();
    let waiting = first.registry.lock(Lock::Failover, "first", LONG);
    let meanwhile = async {
        zk.client().wait_for_children(&dir(), 2, LONG).await;
        wire.cut();
        zk.client().wait_for_children(&dir(), 1, LONG).await;
        first.wait(Session::Connecting).await;
        wire.heal();
        zk.client().wait_for_children(&dir(), 2, LONG).await;
        guard.release().await;
    };
    let (held, ()) = tokio::join!(waiting, meanwhile);
    held.unwrap().release().await;
    zk.client().wait_for_children(&dir(), 0, LONG).await;
}
