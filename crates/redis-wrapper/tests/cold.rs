//! What a wrapper remembers of its disk, and what it keeps aside.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use redis_wrapper::salvage::space;
use testkit::{Exit, Group, Kind, RunningGroup, ZooKeeper, eventually, http};
use zkpaths::{Node, Stopped};

const SOON: Duration = Duration::from_secs(20);

async fn nodes(zk: &ZooKeeper) -> Vec<Node> {
    let mut nodes = Vec::new();
    for child in zk.client().children("/redis/nodes").await {
        let data = zk.client().get(&format!("/redis/nodes/{child}")).await.unwrap();
        nodes.push(Node::decode(data.as_bytes()).unwrap());
    }
    nodes
}

fn node_id(data: &Path) -> String {
    std::fs::read_to_string(data.join(".redis-wrapper.node"))
        .unwrap()
        .trim()
        .to_owned()
}

/// A replica that has just made its first copy has it on its disk a moment later, and says so then.
async fn remembered_as_they_are(zk: &ZooKeeper, group: &RunningGroup, master: usize) {
    eventually("both nodes to be remembered as they are", SOON, async || {
        let node = group.redis(master);
        let told = topology::Point {
            id: node.info("master_replid").await.unwrap().parse().unwrap(),
            offset: node.info("master_repl_offset").await.unwrap().parse().unwrap(),
        };
        let nodes = nodes(zk).await;
        let right = nodes
            .iter()
            .filter(|node| node.point == told && node.stopped == Stopped::No);
        if right.count() == 2 {
            Ok(())
        } else {
            Err(format!("{told:?}, {nodes:?}"))
        }
    })
    .await;
}

async fn put(group: &RunningGroup, index: usize, keys: std::ops::Range<u32>) {
    for key in keys {
        group.redis(index).set(&format!("key-{key}"), "value").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_remembered_with_its_offset_and_whether_it_was_stopped_cleanly() {
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(2).start().await;
    let (master, replica) = (group.master().await, group.replicas().await[0]);
    put(&group, master, 0..10).await;
    let id = node_id(&group.redis(replica).data_dir());
    remembered_as_they_are(&zk, &group, master).await;
    group.redis(replica).program().terminate();
    assert_eq!(
        group.redis(replica).program().wait_exit(SOON).await,
        Exit::Code(0)
    );
    group.redis(master).program().kill_tree();
    for node in nodes(&zk).await {
        let clean = node.id.to_string() == id;
        assert_eq!(node.stopped == Stopped::Clean, clean, "{node:?}");
    }
    let before = group.redis(replica).data_dir();
    group.redis(replica).program().restart();
    group.wait_settled(SOON).await;
    assert_eq!(node_id(&before), id, "it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_64_nodes_are_remembered_and_the_longest_silent_is_forgotten_first() {
    let zk = ZooKeeper::start().await;
    for n in 0..70u64 {
        let node = Node {
            id: uuid::Uuid::from_u128(n.into()),
            addr: "127.0.0.1:1".parse().unwrap(),
            point: topology::Point {
                id: topology::ReplicationId::from_bytes([1; 20]),
                offset: 0,
            },
            branches: Vec::new(),
            append_only: None,
            stopped: Stopped::No,
            at_ms: 1000 + n,
        };
        let bytes = String::from_utf8(node.encode()).unwrap();
        zk.client()
            .create(&format!("/redis/nodes/{}", node.id), &bytes)
            .await;
    }
    let group = Group::new(&zk.hosts()).redis(1).start().await;
    zk.client().wait_for_children("/redis/nodes", 64, SOON).await;
    let left = nodes(&zk).await;
    let id = node_id(&group.redis(0).data_dir());
    assert!(left.iter().any(|node| node.id.to_string() == id));
    let oldest = left
        .iter()
        .filter(|node| node.id.to_string() != id)
        .map(|node| node.at_ms)
        .min();
    assert_eq!(oldest, Some(1007));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_alone_waits_only_for_others_that_were_there() {
    let zk = ZooKeeper::start().await;
    let mut group = Group::new(&zk.hosts()).redis(1).start().await;
    put(&group, 0, 0..3).await;
    for _ in 0..2 {
        let data = group.redis(0).data_dir();
        group.redis(0).program().terminate();
        group.redis(0).program().wait_exit(SOON).await;
        let _ = group.take_redis(0);
        let start = Instant::now();
        group.add_redis_at(&data, &[]);
        group.wait_settled(SOON).await;
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        assert_eq!(group.redis(0).get("key-2").await.as_deref(), Some("value"));
    }
    let log = group.redis(0).program().log();
    assert!(log.contains("disk=Alone"), "{log}");
}

/// A directory on a file system with a tenth of it to spare.
fn roomy() -> tempfile::TempDir {
    let usual = std::env::temp_dir();
    let found = [usual.as_path(), Path::new("/dev/shm"), Path::new("/var/tmp")]
        .into_iter()
        .find(|dir| space(dir).is_ok_and(|space| space.free > space.total / 8));
    tempfile::tempdir_in(found.expect("a disk that is not full")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_loser_has_is_kept_aside_and_what_all_have_is_not() {
    let zk = ZooKeeper::start().await;
    let disk = roomy();
    let mut group = Group::new(&zk.hosts()).launch();
    for name in ["one", "two"] {
        let data = disk.path().join(name);
        std::fs::create_dir(&data).unwrap();
        group.add_redis_at(&data, &[]);
    }
    group.wait_settled(SOON).await;
    let (master, replica) = (group.master().await, group.replicas().await[0]);
    put(&group, master, 0..10).await;
    remembered_as_they_are(&zk, &group, master).await;
    group.redis(replica).program().kill_tree();
    // Acknowledged by the master alone, a moment before it dies.
    put(&group, master, 10..20).await;
    group.redis(master).program().kill_tree();
    let loser = group.redis(master).data_dir();
    group.redis(replica).program().restart();
    // Nobody else comes, so it serves in the end.
    assert_eq!(group.wait_settled(SOON).await, replica);
    assert_eq!(group.redis(replica).get("key-10").await, None);
    group.redis(master).program().restart();
    group.wait_settled(SOON).await;
    assert_eq!(group.redis(master).get("key-10").await, None);
    let log = group.redis(master).program().log();
    assert!(
        log.contains("kept aside") && log.contains("reason=MasterHasLess"),
        "{log}"
    );
    let kept: Vec<_> = std::fs::read_dir(loser.join("salvage"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let commands = std::fs::read(kept[0].path().join("appendonlydir/appendonly.aof.1.incr.aof")).unwrap();
    assert!(String::from_utf8_lossy(&commands).contains("key-19"));
    let metrics = http::get(group.redis(master).http(), "/metrics")
        .await
        .unwrap()
        .body;
    assert!(metrics.contains("redis_zk_redis_salvages_total 1"), "{metrics}");
    // The winner is a replica now and then, and loses nothing by that.
    let (master, replica) = (replica, master);
    put(&group, master, 20..30).await;
    remembered_as_they_are(&zk, &group, master).await;
    for index in [replica, master] {
        group.redis(index).program().kill_tree();
        group.redis(index).program().restart();
        group.wait_settled(SOON).await;
    }
    let winner = group.redis(master).data_dir();
    let log = group.redis(master).program().log();
    assert!(!winner.join("salvage").exists(), "{log}");
    assert_eq!(std::fs::read_dir(loser.join("salvage")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_an_rdb_resynchronises_partially_with_the_winner() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("redis.conf");
    std::fs::write(
        &template,
        "save 3600 1\nappendonly no\nrepl-diskless-sync-delay 0\n",
    )
    .unwrap();
    let group = Group::new(&zk.hosts())
        .redis(2)
        .env(Kind::Redis, "REDIS_CONF", template.to_str().unwrap());
    let mut group = group.start().await;
    let master = group.master().await;
    put(&group, master, 0..10).await;
    group.redis(master).command(&["WAIT", "1", "2000"]).await.unwrap();
    let data: Vec<_> = group.all_redis().iter().map(testkit::Node::data_dir).collect();
    // The master last, so that the replica has nothing that the master has not.
    for index in [1 - master, master] {
        group.redis(index).program().terminate();
        group.redis(index).program().wait_exit(SOON).await;
    }
    for index in [1, 0] {
        let _ = group.take_redis(index);
    }
    // The replica first: it must let the master go first, whatever that has more.
    for index in [1 - master, master] {
        group.add_redis_at(&data[index], &[]);
    }
    let winner = group.wait_settled(SOON).await;
    assert_eq!(group.redis(winner).get("key-9").await.as_deref(), Some("value"));
    let full = group.redis(winner).info("sync_full").await.unwrap();
    let partial = group.redis(winner).info("sync_partial_ok").await.unwrap();
    let log = group.redis(1 - winner).program().log();
    // A PING that only one of them has seen makes the copy a full one.
    assert!(
        partial == "1" || full == "1",
        "partial {partial}, full {full}: {log}"
    );
    assert!(!data.iter().any(|dir| dir.join("salvage").exists()), "{log}");
}
