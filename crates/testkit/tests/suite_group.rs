//! A whole group finds its master, loses it, and works again.

use std::time::{Duration, Instant};

use testkit::{Group, Kind, Need, ZooKeeper, require};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn redis_nodes_alone_agree_on_one_master() {
    if !require(&[Need::ZooKeeper, Need::Redis]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let mut group = Group::new(&zk.hosts()).redis(2).start().await;
    group.add_redis();
    let master = group.wait_settled(DEADLINE).await;
    assert_eq!(group.replicas().await.len(), 2);
    let node = group.redis(master);
    assert!(node.program().child_pid().is_some());
    assert_eq!(
        group.zk().get(&group.path("master")).await,
        Some(node.addr().contract())
    );
}

#[tokio::test]
async fn group_survives_the_death_of_its_master() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(2)
        .env(Kind::Sentinel, "DOWN_AFTER", "1500ms")
        .start()
        .await;
    let old = group.master().await;
    let writer = group.writer().start();
    writer.wait_write(DEADLINE).await;

    let killed = Instant::now();
    group.redis(old).program().kill_tree();
    let new = group.wait_settled(DEADLINE).await;
    assert_ne!(new, old);
    writer.wait_write(DEADLINE).await;
    let written = writer.stop();
    assert!(
        written
            .away_after(killed)
            .is_some_and(|away| away < Duration::from_secs(10))
    );

    group.redis(old).program().restart();
    assert_eq!(
        group.wait_settled(DEADLINE).await,
        new,
        "the old master is a replica"
    );
}
