//! Every server starts, dies, and comes back; nothing of it is left after its handle is gone.

use std::path::Path;
use std::time::Duration;

use testkit::{Ensemble, Exit, Launch, Need, Process, Redis, Sentinel, ZooKeeper, eventually, require};
use topology::Role;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn zookeeper_keeps_port_and_data_over_a_kill() {
    if !require(&[Need::ZooKeeper]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let client = zk.client();
    assert_eq!(client.get("/redis/master").await, None);
    client.set("/redis/master", "10.0.0.7 6379").await;
    client.create_ephemeral("/redis/here", "").await;
    assert!(client.ephemeral_owner("/redis/here").await.is_some());
    assert_eq!(client.ephemeral_owner("/redis/master").await, None);
    assert_eq!(client.children("/redis").await, ["here", "master"]);

    let hosts = zk.hosts();
    zk.kill();
    assert_eq!(zk.process().exited(), Some(Exit::Signal(9)));
    assert_eq!(zk.mode().await, None);
    zk.restart().await;
    assert_eq!(zk.hosts(), hosts);
    client
        .wait_for_data("/redis/master", "10.0.0.7 6379", DEADLINE)
        .await;

    client.delete("/redis/master").await;
    client.delete("/redis/master").await;
    assert_eq!(
        client
            .wait_for("/redis/master", DEADLINE, |data| data.is_none())
            .await,
        None
    );
}

#[tokio::test]
async fn zookeeper_can_be_halted() {
    if !require(&[Need::ZooKeeper]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    zk.stop();
    assert_eq!(zk.mode().await, None);
    zk.cont();
    eventually("the halted server to go on", DEADLINE, async || zk.mode().await).await;
}

#[tokio::test]
async fn ensemble_survives_the_death_of_its_leader() {
    if !require(&[Need::ZooKeeper]) {
        return;
    }
    let ensemble = Ensemble::start(3).await;
    ensemble.client().set("/redis/master", "a 1").await;
    let leader = ensemble.leader().await;
    ensemble.kill(leader);
    assert_ne!(ensemble.leader().await, leader);
    ensemble.client().set("/redis/master", "b 2").await;
    ensemble.restart(leader).await;
    assert_eq!(
        ensemble.client().get("/redis/master").await.as_deref(),
        Some("b 2")
    );
}

#[tokio::test]
async fn redis_and_its_replica_come_back_on_their_ports() {
    if !require(&[Need::Redis]) {
        return;
    }
    let master = Redis::builder().password("with space").start().await;
    let replica = Redis::builder()
        .password("with space")
        .replica_of(master.addr())
        .line("replica-priority 7")
        .start()
        .await;
    replica.wait_replica_of(master.addr(), DEADLINE).await;
    assert_eq!(master.role().await, Some(Role::Master));
    assert_eq!(replica.info("slave_priority").await.as_deref(), Some("7"));
    master.set("key", "value").await;
    eventually("the replica to have the key", DEADLINE, async || {
        replica.get("key").await
    })
    .await;

    master.kill();
    assert_eq!(master.role().await, None);
    eventually("the link to break", DEADLINE, async || {
        replica.info("master_link_status").await.as_deref() == Some("down")
    })
    .await;
    master.restart().await;
    replica.wait_replica_of(master.addr(), DEADLINE).await;
    assert_eq!(master.get("key").await, None, "nothing was saved");
}

#[tokio::test]
async fn sentinels_find_each_other_and_fail_over() {
    if !require(&[Need::Redis, Need::Sentinel]) {
        return;
    }
    let master = Redis::start().await;
    let replica = Redis::builder().replica_of(master.addr()).start().await;
    replica.wait_replica_of(master.addr(), DEADLINE).await;
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        sentinels.push(Sentinel::start("master1", master.addr(), 2).await);
    }
    for sentinel in &sentinels {
        sentinel.wait_knows("master1", 1, 2, DEADLINE).await;
    }
    master.kill();
    eventually("the replica to be master", DEADLINE, async || {
        replica.role().await == Some(Role::Master)
    })
    .await;
    for sentinel in &sentinels {
        eventually("the Sentinels to say so", DEADLINE, async || {
            sentinel.master("master1").await.as_ref() == Some(replica.addr())
        })
        .await;
    }
    sentinels[0].kill();
    sentinels[0].restart().await;
    assert_eq!(
        sentinels[0].master("master1").await.as_ref(),
        Some(replica.addr())
    );
}

#[tokio::test]
async fn nothing_is_left_after_drop() {
    let dir = tempfile::tempdir().unwrap();
    // The grandchild ignores what it can, leaves its process group, and is an orphan from the start.
    let script = "trap '' TERM HUP; (set -m; (trap '' TERM HUP; echo grandchild; exec sleep 1000) &) ; exec sleep 1000";
    let process = Process::spawn(Launch {
        name: "a stubborn family".to_owned(),
        program: "/bin/bash".into(),
        args: ["-c", script].map(Into::into).to_vec(),
        env: Vec::new(),
        log: dir.path().join("log"),
        dir: dir.path().to_owned(),
    });
    process.wait_log("grandchild", DEADLINE).await;
    let tree = process.tree();
    assert_eq!(tree.len(), 2, "{tree:?}");
    process.kill();
    assert_eq!(
        process.tree().len(),
        1,
        "the orphan lives on after its parent's death"
    );
    drop(process);
    for pid in tree {
        let state = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
        assert!(
            state.as_deref().map_or(true, |state| state.contains(") Z ")),
            "{pid} is alive: {state:?}"
        );
    }
}

#[tokio::test]
async fn exit_code_and_output_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::spawn(Launch {
        name: "a program".to_owned(),
        program: "/bin/sh".into(),
        args: ["-c", "echo out; echo err >&2; env; exit 42"]
            .map(Into::into)
            .to_vec(),
        env: vec![("ONLY".to_owned(), "this".to_owned())],
        log: dir.path().join("log"),
        dir: dir.path().to_owned(),
    });
    assert_eq!(process.wait_exit(DEADLINE).await, Exit::Code(42));
    let log = process.log();
    for line in ["out", "err", "ONLY=this"] {
        assert!(log.lines().any(|seen| seen == line), "{log}");
    }
    assert!(!log.contains("CARGO"), "{log}");
}
