//! Sentinels and Redis nodes that come back somewhere else.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use testkit::{Group, Kind, Need, RunningGroup, ZooKeeper, eventually, require, soak};

const LONG: Duration = Duration::from_secs(90);

async fn group(zk: &ZooKeeper) -> RunningGroup {
    let group = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(1);
    group.env(Kind::Sentinel, "DOWN_AFTER", "1500ms").start().await
}

/// Whether every living Sentinel counts exactly the living ones, has a quorum, and ZooKeeper lists no other.
async fn counts_are_right(group: &RunningGroup) -> Result<(), String> {
    let living: Vec<_> = group
        .all_sentinels()
        .iter()
        .filter(|node| node.is_alive())
        .collect();
    for sentinel in &living {
        let others = sentinel.field(group.name(), "num-other-sentinels").await;
        let right = (living.len() - 1).to_string();
        if others.as_deref() != Some(right.as_str()) {
            return Err(format!(
                "{} counts {others:?} others, not {right}",
                sentinel.addr()
            ));
        }
        let quorum = sentinel.command(&["SENTINEL", "CKQUORUM", group.name()]).await;
        quorum.map_err(|error| format!("{}: {error}", sentinel.addr()))?;
    }
    let parent = group.path("sentinels");
    let mut registered = BTreeSet::new();
    for child in group.zk().children(&parent).await {
        registered.extend(group.zk().get(&format!("{parent}/{child}")).await);
    }
    let right: BTreeSet<String> = living.iter().map(|node| node.addr().contract()).collect();
    if registered == right {
        Ok(())
    } else {
        Err(format!("registered {registered:?}, living {right:?}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_that_move_one_after_the_other_leave_no_ghosts() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let mut group = group(&zk).await;
    let rounds = soak::rounds(3, 20);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        group.take_sentinel(0).program().kill_tree();
        group.add_sentinel();
        group.wait_settled(LONG).await;
        eventually("every Sentinel to count the living", LONG, async || {
            counts_are_right(&group).await
        })
        .await;
        times.push(start.elapsed());
    }
    let old = group.master().await;
    group.redis(old).program().kill_tree();
    assert_ne!(group.wait_settled(LONG).await, old, "failover works afterwards");
    let identities = zk.client().children("/redis/identities").await.len();
    assert!(identities <= 4, "{identities} identities for 3 Sentinels");
    let seen = format!("counts right after {}; failover works", soak::spread(&times));
    soak::report("Sentinel killed and started on a new port", rounds, &seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_redis_nodes_on_new_ports_are_a_group_again() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let mut group = group(&zk).await;
    let rounds = soak::rounds(1, 10);
    let mut times = Vec::new();
    for _ in 0..rounds {
        for index in (0..3).rev() {
            group.take_redis(index).program().kill_tree();
        }
        let start = Instant::now();
        for _ in 0..3 {
            group.add_redis();
        }
        group.wait_settled(LONG).await;
        times.push(start.elapsed());
        // The Sentinels must be able to fail over again, or the group only looks well.
        let old = group.master().await;
        group.redis(old).program().kill_tree();
        assert_ne!(group.wait_settled(LONG).await, old);
        group.redis(old).program().restart();
        group.wait_settled(LONG).await;
    }
    soak::report(
        "all Redis nodes killed and started on new ports: works again",
        rounds,
        &soak::spread(&times),
    );
    assert!(
        times.iter().all(|time| *time < Duration::from_secs(15)),
        "{times:?}"
    );
}

/// Takes more than a minute, so only a soak waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn registrations_of_dead_sentinels_go_and_no_others() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) || soak::rounds(0, 1) == 0 {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(1).sentinels(2).start().await;
    let parent = group.path("sentinels");
    let at = |name: &str| format!("{parent}/{name}");
    let nobody = format!("127.0.0.1 {}", testkit::ports::free());
    // What old wrappers left: one that is dead, and one that lives, for all that anybody can tell.
    let living = group.redis(0).addr().contract();
    group.zk().create(&at("legacy-dead"), &nobody).await;
    group.zk().create(&at("legacy-living"), &living).await;
    // What cannot be reached from here, and has an owner who lives.
    group.zk().create_ephemeral(&at("owned"), &nobody).await;
    let start = Instant::now();
    group
        .zk()
        .wait_for(&at("legacy-dead"), Duration::from_secs(150), |data| {
            data.is_none()
        })
        .await;
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(60), "{took:?}");
    assert_eq!(group.zk().get(&at("legacy-living")).await, Some(living));
    assert_eq!(group.zk().get(&at("owned")).await, Some(nobody));
    soak::report("a dead registration is removed", 1, &soak::spread(&[took]));
}
