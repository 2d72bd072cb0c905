//! ZooKeeper goes away: no Redis and no Sentinel notices.

use std::time::Duration;

use testkit::{Ensemble, Group, Kind, Need, RunningGroup, ZooKeeper, eventually, http, require, soak};
use topology::Role;

const LONG: Duration = Duration::from_secs(60);

/// What must not change: who is master, and the processes.
async fn standing(group: &RunningGroup) -> (usize, Vec<Option<u32>>) {
    let redis = group.all_redis().iter().map(|node| node.program().child_pid());
    let sentinels = group
        .all_sentinels()
        .iter()
        .map(|node| node.program().child_pid());
    (group.master().await, redis.chain(sentinels).collect())
}

async fn everything_is_registered(group: &RunningGroup) {
    group
        .zk()
        .wait_for_children(&group.path("members"), 3, LONG)
        .await;
    group
        .zk()
        .wait_for_children(&group.path("sentinels"), 3, LONG)
        .await;
    group.wait_settled(LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zookeeper_away_for_long_changes_no_role() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(2)
        .start()
        .await;
    let before = standing(&group).await;
    let away = Duration::from_secs(if soak::rounds(1, 2) == 1 { 12 } else { 30 });
    zk.kill();
    let since = tokio::time::Instant::now();
    eventually("the outage to be over", away + LONG, async || {
        for node in group.all_redis() {
            let health = http::get(node.http(), "/healthz").await.unwrap();
            assert_eq!(health.status, 200, "{}", health.body);
            assert!(node.role().await.is_some());
        }
        for node in group.all_sentinels() {
            assert_eq!(http::get(node.http(), "/healthz").await.unwrap().status, 200);
        }
        since.elapsed() > away
    })
    .await;
    zk.restart().await;
    everything_is_registered(&group).await;
    assert_eq!(standing(&group).await, before);
    soak::report(
        "ZooKeeper killed and back",
        1,
        &format!("away {away:?}; no role and no process changed"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_an_ensembles_leader_changes_nothing() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let ensemble = Ensemble::start(3).await;
    let group = Group::new(&ensemble.hosts()).redis(3).sentinels(3).watchers(1);
    let group = group.env(Kind::Sentinel, "DOWN_AFTER", "1500ms").start().await;
    let rounds = soak::rounds(1, 10);
    for _ in 0..rounds {
        let before = standing(&group).await;
        let leader = ensemble.leader().await;
        ensemble.kill(leader);
        ensemble.leader().await;
        everything_is_registered(&group).await;
        assert_eq!(standing(&group).await, before);
        ensemble.restart(leader).await;
    }
    let old = group.master().await;
    assert_eq!(group.redis(old).role().await, Some(Role::Master));
    soak::report(
        "an ensemble's leader killed",
        rounds,
        "no role and no process changed",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_dies_while_zookeeper_is_away_is_replaced_by_the_sentinels_and_that_is_adopted() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(2)
        .start()
        .await;
    let rounds = soak::rounds(1, 10);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let old = group.wait_settled(LONG).await;
        let writer = group.writer().start();
        writer.wait_write(LONG).await;
        zk.kill();
        let moment = std::time::Instant::now();
        group.redis(old).program().kill_tree();
        let elsewhere = async || writer.master().filter(|now| now != group.redis(old).addr());
        let new = eventually("writes elsewhere", LONG, elsewhere).await;
        zk.restart().await;
        group.redis(old).program().restart();
        let settled = group.wait_settled(LONG).await;
        assert_eq!(
            *group.redis(settled).addr(),
            new,
            "what the Sentinels did is adopted"
        );
        times.push(writer.stop().away_after(moment).unwrap());
    }
    soak::report(
        "ZooKeeper away, master killed: the Sentinels' failover, without writes",
        rounds,
        &soak::spread(&times),
    );
}
