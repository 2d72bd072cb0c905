//! Failovers by the Sentinels alone, and how soon the record follows.

use std::time::{Duration, Instant};

use testkit::{Redis, eventually};
use topology::Addr;

use crate::group::{DEADLINE, Group, MASTER, Watching, servers};

/// Has the Sentinels move the master, and says how long after their first announcement the record followed.
async fn forced_failover(group: &Group) -> Duration {
    let before = group.sentinels[0].master("master1").await.unwrap();
    group.wait_master(&before, DEADLINE).await;
    let mut streams = group.events().await;
    group.begin_failover("master1").await;
    let (announced, (moved, to)) = tokio::join!(
        Group::first_switch(&mut streams, &before),
        group.moved_from(&before)
    );
    let to = Addr::from_contract(&to).unwrap();
    let all: Vec<_> = group.sentinels.iter().collect();
    group.wait_sentinels(&all, &to).await;
    moved.saturating_duration_since(announced)
}

fn median(delays: &mut [Duration]) -> Duration {
    delays.sort();
    delays[delays.len() / 2]
}

#[tokio::test]
async fn a_stock_failover_is_recorded_within_milliseconds() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let watching = group.watcher().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    let before = group.state().await.unwrap();

    let mut streams = group.events().await;
    group.nodes[0].kill();
    let (announced, (moved, to)) = tokio::join!(
        Group::first_switch(&mut streams, group.nodes[0].addr()),
        group.moved_from(group.nodes[0].addr())
    );
    println!(
        "from the first +switch-master to /redis/master: {:?}",
        moved.saturating_duration_since(announced)
    );
    assert_eq!(to, group.new_master(group.nodes[0].addr()).await.contract());

    let state = group.state().await.unwrap();
    assert!(state.epoch > before.epoch, "{before:?} {state:?}");
    assert_eq!(
        (state.group, state.master.addr.contract()),
        (before.group, to.clone())
    );
    assert_eq!(group.zk.client().get("/redis/masters/master1").await, Some(to));
    let line = watching.program.wait_log("higher-epoch", DEADLINE).await;
    assert!(line.contains("master published"), "{line}");

    group.nodes[0].restart().await;
    let mut delays = Vec::new();
    for _ in 0..5 {
        delays.push(forced_failover(&group).await);
    }
    println!("from the first +switch-master to /redis/master: {delays:?}");
    assert!(median(&mut delays) < Duration::from_millis(50), "{delays:?}");
}

#[tokio::test]
#[ignore = "the number for the benchmarks: 20 failovers take about two minutes"]
async fn the_median_of_twenty_failovers() {
    let group = Group::start().await;
    let _watching = group.watcher().await;
    let mut delays = Vec::new();
    for _ in 0..20 {
        delays.push(forced_failover(&group).await);
    }
    let median = median(&mut delays);
    println!("median {median:?} of {delays:?}");
    assert!(median < Duration::from_millis(50), "{median:?}");
}

#[tokio::test]
async fn a_sentinel_dies_and_then_the_master() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let watching = group.watcher().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    // Its registration stays, as after a crash of its host: two of three are a majority still.
    group.sentinels[0].kill();
    eventually("the dead Sentinel not to be heard", DEADLINE, async || {
        watching.number("redis_zk_watcher_sentinels_subscribed").await == Some(2.0)
    })
    .await;
    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    group.wait_master(&to, Duration::from_secs(5)).await;

    // Gone from ZooKeeper: its task ends too.
    group.zk.client().delete("/redis/sentinels/sentinel-0").await;
    eventually("its registration to be forgotten", DEADLINE, async || {
        watching.number("redis_zk_watcher_sentinels_registered").await == Some(2.0)
    })
    .await;
    watching.ready().await;
}

#[tokio::test]
async fn leftovers_of_old_wrappers_do_not_stop_the_record() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    for n in 0..4_u16 {
        // Nobody listens on the lowest ports of loopback.
        group
            .register(&format!("leftover-{n}"), &format!("127.0.0.1 {}", n + 2))
            .await;
    }
    let _watching = group.watcher().await;
    // Three of seven agree with what clients read already.
    group
        .zk
        .client()
        .set(MASTER, &group.nodes[0].addr().contract())
        .await;
    eventually("the state to be recorded", DEADLINE, async || group.state().await).await;
    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    group.wait_master(&to, Duration::from_secs(6)).await;
    assert_eq!(group.state().await.unwrap().master.addr, to);
}

#[tokio::test]
async fn another_groups_failover_changes_nothing() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let _watching = group.watcher().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    let version = group.zk.client().version(MASTER).await;

    let other = Redis::start().await;
    let replica = Redis::builder().replica_of(other.addr()).start().await;
    replica.wait_replica_of(other.addr(), DEADLINE).await;
    let port = other.port().to_string();
    for sentinel in &group.sentinels {
        sentinel
            .command(&["SENTINEL", "MONITOR", "other", "127.0.0.1", &port, "2"])
            .await
            .unwrap();
    }
    group.sentinels[0].wait_knows("other", 1, 2, DEADLINE).await;
    let mut streams = group.events().await;
    group.begin_failover("other").await;
    Group::first_switch(&mut streams, other.addr()).await;
    // A real one afterwards shows that the watcher was listening, and that nothing was written before.
    assert_eq!(group.zk.client().version(MASTER).await, version);
    forced_failover(&group).await;
    assert_eq!(
        group.zk.client().version(MASTER).await,
        version.map(|version| version + 1)
    );
}

#[tokio::test]
async fn two_watchers_one_leads_and_its_death_costs_nothing() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let first = group.watcher().await;
    first.wait_leader().await;
    let second = group.watcher().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    assert_eq!(
        (first.part().await.as_str(), second.part().await.as_str()),
        ("leader", "standby")
    );

    // The dead leader's lock lingers until its session ends; the standby acts all the same.
    first.program.kill();
    let mut streams = group.events().await;
    group.sentinels[0]
        .command(&["SENTINEL", "FAILOVER", "master1"])
        .await
        .unwrap();
    let (announced, (moved, to)) = tokio::join!(
        Group::first_switch(&mut streams, group.nodes[0].addr()),
        group.moved_from(group.nodes[0].addr())
    );
    let delay = moved.saturating_duration_since(announced);
    println!("with a dead leader: {delay:?}");
    assert!(delay < Duration::from_secs(2), "{delay:?}");
    assert_eq!(to, group.new_master(group.nodes[0].addr()).await.contract());
    second.wait_leader().await;
}

#[tokio::test]
async fn all_watchers_down_during_a_failover() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let first = Watching::with(group.zk.hosts(), &[("ZK_SESSION_TIMEOUT", "30s")]);
    first.wait_leader().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    // Its lock lingers for half a minute.
    first.program.kill();
    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    let all: Vec<_> = group.sentinels.iter().collect();
    group.wait_sentinels(&all, &to).await;
    assert_eq!(
        group.zk.client().get(MASTER).await,
        Some(group.nodes[0].addr().contract())
    );

    let start = Instant::now();
    let second = Watching::start(group.zk.hosts());
    let (moved, seen) = group.moved_from(group.nodes[0].addr()).await;
    let delay = moved.saturating_duration_since(start);
    println!("from the start of a watcher to the right master: {delay:?}");
    assert!(delay < Duration::from_secs(2), "{delay:?}");
    assert_eq!(seen, to.contract());
    assert_eq!(second.part().await, "standby");
}
