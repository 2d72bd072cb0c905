//! A master whose wrapper stands still refuses writes when no replica is left to acknowledge them.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::Duration;

use testkit::{Group, Kind, RunningGroup, ZooKeeper, eventually, http};

const SOON: Duration = Duration::from_secs(20);

/// `min-replicas-to-write` and `min-replicas-max-lag` of a node.
async fn belt(group: &RunningGroup, node: usize) -> Vec<String> {
    let mut values = Vec::new();
    for setting in ["min-replicas-to-write", "min-replicas-max-lag"] {
        let reply = group
            .redis(node)
            .command(&["CONFIG", "GET", setting])
            .await
            .unwrap();
        values.push(testkit::text(&reply));
    }
    values
}

async fn wait_belt(group: &RunningGroup, node: usize, expected: [&str; 2]) {
    eventually("the belt", SOON, async || {
        let now = belt(group, node).await;
        let right = now.iter().zip(expected).all(|(now, value)| now.ends_with(value));
        right.then_some(()).ok_or(format!("{now:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_worn_while_two_replicas_are_in_step_and_users_values_come_back() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("redis.conf");
    std::fs::write(&conf, "min-replicas-max-lag 7\nrepl-diskless-sync-delay 0\n").unwrap();
    let mut group = Group::new(&zk.hosts())
        .redis(3)
        .env(Kind::Redis, "REDIS_CONF", &conf.to_string_lossy())
        .start()
        .await;
    let master = group.master().await;
    wait_belt(&group, master, ["to-write 1", "max-lag 2"]).await;
    group.redis(master).set("taken", "1").await;
    let replica = group.replicas().await[0];
    group.redis(replica).program().terminate();
    wait_belt(&group, master, ["to-write 0", "max-lag 7"]).await;
    group.redis(master).set("taken", "2").await;
    let new = group.add_redis();
    group
        .redis(new)
        .wait_replica_of(group.redis(master).addr(), SOON)
        .await;
    wait_belt(&group, master, ["to-write 1", "max-lag 2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_sets_it_keeps_it() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("redis.conf");
    let own = dir.path().join("own.conf");
    std::fs::write(&own, "min-replicas-to-write 0\n").unwrap();
    let text = format!("include {}\nrepl-diskless-sync-delay 0\n", own.display());
    std::fs::write(&conf, text).unwrap();
    let group = Group::new(&zk.hosts())
        .redis(3)
        .env(Kind::Redis, "REDIS_CONF", &conf.to_string_lossy())
        .start()
        .await;
    let master = group.master().await;
    let looks = async || {
        let page = http::get(group.redis(master).http(), "/metrics").await.unwrap();
        let line = page
            .body
            .lines()
            .find(|line| line.starts_with("redis_zk_redis_looks_total"));
        let count: Option<u64> = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        count.unwrap()
    };
    // Others would have been given theirs by then.
    let first = looks().await;
    eventually("several looks", SOON, async || looks().await > first + 3).await;
    let now = belt(&group, master).await;
    assert!(
        now[0].ends_with("to-write 0") && now[1].ends_with("max-lag 10"),
        "{now:?}"
    );
    assert!(
        !group
            .redis(master)
            .program()
            .log()
            .contains("min-replicas-to-write changed")
    );
}
