//! How a group of redis-wrappers finds its master, without any Sentinel.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::Duration;

use testkit::{Exit, Group, Program, RedisClient, RunningGroup, ZooKeeper, eventually, ports};
use topology::{Addr, Epoch, Role};
use zkpaths::{Phase, State};

const SOON: Duration = Duration::from_secs(20);

async fn group(zk: &ZooKeeper, redis: usize) -> RunningGroup {
    Group::new(&zk.hosts()).redis(redis).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_started_together_have_one_master() {
    let zk = ZooKeeper::start().await;
    let group = group(&zk, 8).await;
    let master = group.master().await;
    let named = zk.client().get("/redis/master").await.unwrap();
    assert_eq!(named, group.redis(master).addr().contract());
    assert_eq!(zk.client().get("/redis/masters/master1").await.unwrap(), named);
    let claims = group
        .all_redis()
        .iter()
        .filter(|node| node.program().log().contains("role=\"master\""));
    assert_eq!(claims.count(), 1, "one node alone ever decided to be master");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_master_never_erases_its_replicas() {
    let zk = ZooKeeper::start().await;
    let group = group(&zk, 3).await;
    let old = group.master().await;
    for key in 0..100 {
        group.redis(old).set(&format!("key-{key}"), "value").await;
    }
    group.redis(old).command(&["WAIT", "2", "2000"]).await.unwrap();
    // It loses its memory and comes back at its old address at once: the empty restart that wipes a group.
    let node = group.redis(old);
    node.program().kill_tree();
    let data = zk_data_dir(&group, old);
    std::fs::remove_dir_all(data.join("appendonlydir")).unwrap();
    let _ = std::fs::remove_file(data.join("dump.rdb"));
    node.program().restart();
    let new = group.wait_settled(SOON).await;
    assert_ne!(new, old);
    for node in group.all_redis() {
        assert_eq!(
            node.get("key-99").await.as_deref(),
            Some("value"),
            "{}",
            node.addr()
        );
    }
    // Whoever comes first has another promoted: the master itself, which never resumes, or a neighbour.
    let log = group.redis(old).program().log();
    let by_itself = log.contains("reason=NeverResume");
    assert!(by_itself || log.contains("reason=LiveMaster"), "{log}");
}

fn zk_data_dir(group: &RunningGroup, index: usize) -> std::path::PathBuf {
    let env = &group.redis(index).program().launch().env;
    env.iter()
        .find(|(name, _)| name == "DATA_DIR")
        .map(|(_, value)| value.into())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_master_is_never_writable_beside_the_new_one() {
    let zk = ZooKeeper::start().await;
    let group = group(&zk, 2).await;
    let old = group.master().await;
    group.redis(old).set("before", "1").await;
    group.redis(old).command(&["WAIT", "1", "2000"]).await.unwrap();
    group.redis(old).program().kill_tree();
    // Somebody promotes the other one by hand; nobody has told ZooKeeper yet.
    let new = &group.redis(1 - old);
    new.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    group.redis(old).program().restart();
    let probing = async {
        let mut accepted = 0;
        loop {
            let answer = group.redis(old).command(&["SET", "probe", "1"]).await;
            accepted += usize::from(answer.is_ok());
            if group.redis(old).role().await
                == Some(Role::Replica {
                    of: new.addr().clone(),
                })
            {
                return accepted;
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON, probing).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_master_resumes_with_its_data_and_a_moved_one_takes_over() {
    let zk = ZooKeeper::start().await;
    let mut group = group(&zk, 1).await;
    group.redis(0).set("key", "value").await;
    group.redis(0).program().terminate();
    assert_eq!(group.redis(0).program().wait_exit(SOON).await, Exit::Code(0));
    group.redis(0).program().restart();
    group.wait_settled(SOON).await;
    assert_eq!(group.redis(0).get("key").await.as_deref(), Some("value"));
    group.redis(0).program().kill_tree();
    let moved = group.add_redis();
    assert_eq!(group.wait_settled(SOON).await, moved);
    assert!(
        group
            .redis(moved)
            .program()
            .log()
            .contains("reason=RecordedIsGone")
    );
    let state = zk.client().get("/redis/state").await.unwrap();
    assert!(
        state.contains("\"epoch\":1") && state.contains("\"cause\":\"take-over\""),
        "{state}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_follows_the_wrong_node_is_put_right() {
    let zk = ZooKeeper::start().await;
    let group = group(&zk, 3).await;
    let master = group.master().await;
    let replicas = group.replicas().await;
    let wrong = group.redis(replicas[0]).addr().clone();
    let stray = group.redis(replicas[1]);
    stray
        .command(&["REPLICAOF", wrong.host(), &wrong.port().to_string()])
        .await
        .unwrap();
    stray.wait_replica_of(group.redis(master).addr(), SOON).await;
    stray.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    stray.wait_replica_of(group.redis(master).addr(), SOON).await;
    assert!(stray.program().log().contains("NoLongerMaster"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_redis_zk_group_is_joined_and_its_tree_kept() {
    let zk = ZooKeeper::start().await;
    let master = testkit::Redis::start().await;
    zk.client().create("/redis", "").await;
    zk.client()
        .create("/redis/master", &master.addr().contract())
        .await;
    zk.client()
        .create("/redis/master/0123__lock__0000000000", "master-update")
        .await;
    let group = Group::new(&zk.hosts()).redis(2).launch();
    for node in group.all_redis() {
        node.wait_replica_of(master.addr(), SOON).await;
    }
    assert_eq!(
        zk.client().get("/redis/master").await.unwrap(),
        master.addr().contract()
    );
    assert_eq!(zk.client().children("/redis/master").await.len(), 1);
    eventually("both registered", SOON, async || {
        zk.client().children("/redis/members").await.len() == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zookeeper_that_lost_its_data_does_not_cost_the_group_its_own() {
    let zk = ZooKeeper::start().await;
    let mut group = group(&zk, 2).await;
    let master = group.master().await;
    let addr = group.redis(master).addr().clone();
    group.redis(master).set("precious", "1").await;
    group.redis(master).command(&["WAIT", "1", "2000"]).await.unwrap();
    zk.kill();
    zk.wipe();
    // An empty node is there first, and finds a tree without anybody.
    let newcomer = group.add_redis();
    zk.restart().await;
    eventually("the group to be whole under its own master", SOON, async || {
        let first = group.redis(newcomer).role().await;
        if first != Some(Role::Replica { of: addr.clone() }) {
            return Err(format!(
                "newcomer {first:?}; its log ends:\n{}",
                group.redis(newcomer).program().log_tail()
            ));
        }
        Ok(())
    })
    .await;
    assert_eq!(group.wait_settled(SOON).await, master);
    for node in group.all_redis() {
        assert_eq!(
            node.get("precious").await.as_deref(),
            Some("1"),
            "{}",
            node.addr()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_deleted_by_an_operator_is_put_back() {
    let zk = ZooKeeper::start().await;
    let group = group(&zk, 2).await;
    let master = group.master().await;
    for path in [
        "/redis/masters/master1",
        "/redis/masters",
        "/redis/state",
        "/redis/master",
    ] {
        zk.client().delete(path).await;
    }
    let named = group.redis(master).addr().contract();
    zk.client().wait_for_data("/redis/master", &named, SOON).await;
    assert_eq!(group.wait_settled(SOON).await, master);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_held_by_a_script_is_joined() {
    let zk = ZooKeeper::start().await;
    let mut group = group(&zk, 1).await;
    let master = group.redis(0).addr().clone();
    let threshold = ["CONFIG", "SET", "busy-reply-threshold", "50"];
    group.redis(0).command(&threshold).await.unwrap();
    let client = RedisClient::new(&master, None);
    let held = client.command(&["EVAL", "while true do end", "0"]);
    let joined = join_a_busy_master(&mut group, &master);
    let (held, ()) = tokio::join!(held, joined);
    held.unwrap_err();
    assert_eq!(group.wait_settled(SOON).await, 0);
}

async fn join_a_busy_master(group: &mut RunningGroup, master: &Addr) {
    eventually("a busy master", SOON, async || {
        let answer = group.redis(0).command(&["PING"]).await;
        answer.is_err_and(|error| error.code() == Some("BUSY"))
    })
    .await;
    let newcomer = group.add_redis();
    let program = group.redis(newcomer).program();
    let line = program.wait_log("role decided", SOON).await;
    assert!(
        line.contains("MasterIsBusy") && line.contains(&master.to_string()),
        "{line}"
    );
    program.wait_log("redis serves role=\"replica\"", SOON).await;
    group.redis(0).command(&["SCRIPT", "KILL"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_does_not_let_us_in_is_quoted() {
    let zk = ZooKeeper::start().await;
    let master = testkit::Redis::builder().password("hush").start().await;
    zk.client().create("/redis", "").await;
    zk.client()
        .create("/redis/master", &master.addr().contract())
        .await;
    let group = Group::new(&zk.hosts()).redis(1).launch();
    let program = group.redis(0).program();
    let patience = Duration::from_secs(50);
    assert_eq!(program.wait_exit(patience).await, Exit::Code(64));
    let log = program.log();
    let error = log.lines().find(|line| line.contains("ERROR")).unwrap();
    assert!(error.contains("NOAUTH HELLO must be called"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_overtaken_is_given_up_before_anybody_hears_of_it() {
    let zk = ZooKeeper::start().await;
    let other = testkit::Redis::start().await;
    let port = ports::free();
    // A server that takes its time.
    let dir = tempfile::tempdir().unwrap();
    let (script, gate) = (dir.path().join("slow-redis"), dir.path().join("go"));
    let text = format!(
        "#!/bin/sh\nuntil [ -e {} ]; do sleep 0.02; done\nexec redis-server \"$@\"\n",
        gate.display()
    );
    std::fs::write(&script, text).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let wrapper = Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
        .env("REDIS_SERVER", script.to_string_lossy())
        .start();
    wrapper.wait_log("child started", SOON).await;
    let claimed = zk.client().get("/redis/state").await.unwrap();
    let claimed = State::decode(claimed.as_bytes()).unwrap().unwrap();
    assert_eq!(claimed.phase, Phase::Claimed);
    let mut overtaken = claimed.clone();
    overtaken.epoch = Epoch(claimed.epoch.0 + 1);
    overtaken.master.addr = other.addr().clone();
    overtaken.phase = Phase::Settled;
    let text = String::from_utf8(overtaken.encode()).unwrap();
    zk.client().set("/redis/state", &text).await;
    std::fs::write(&gate, "").unwrap();
    let line = wrapper.wait_log("redis serves", SOON).await;
    assert!(line.contains("role=\"replica\""), "{line}");
    let node = RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    node.wait_replica_of(other.addr(), SOON).await;
    assert!(!wrapper.log().contains("master published"), "{}", wrapper.log());
    assert_eq!(zk.client().get("/redis/state").await.unwrap(), text);
}
