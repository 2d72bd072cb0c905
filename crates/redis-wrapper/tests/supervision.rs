//! The wrapper as a parent: signals, exit codes, no orphans, and what happens to its znodes.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Exit, Group, Kind, RunningGroup, ZooKeeper, eventually, http};
use topology::Role;

const SOON: Duration = Duration::from_secs(20);

/// A process that has ended and that nobody has asked about yet (an orphan of a slow init) is not alive.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| !matches!(state, "Z" | "X"))
}

async fn one(zk: &ZooKeeper) -> RunningGroup {
    Group::new(&zk.hosts()).redis(1).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_stop_is_clean_and_asking_twice_changes_nothing() {
    let zk = ZooKeeper::start().await;
    let group = one(&zk).await;
    let wrapper = group.redis(0).program();
    let redis = wrapper.child_pid().unwrap();
    wrapper.terminate();
    wrapper.terminate();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(0));
    assert!(!alive(redis));
    assert!(
        zk.client().children("/redis/members").await.is_empty(),
        "gone with the wrapper, not with the session"
    );
    assert!(zk.client().children("/redis/locks/bootstrap").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_ends_the_wrapper_with_its_code() {
    let zk = ZooKeeper::start().await;
    let group = one(&zk).await;
    let wrapper = group.redis(0).program();
    let redis = Pid::from_raw(wrapper.child_pid().unwrap().try_into().unwrap());
    kill(redis, Signal::SIGKILL).unwrap();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(137));
    assert!(zk.client().children("/redis/members").await.is_empty());
    assert!(wrapper.log().contains("redis ended by itself"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_wrapper_leaves_no_redis_and_its_entry_ends_with_the_session() {
    let zk = ZooKeeper::start().await;
    let group = one(&zk).await;
    let wrapper = group.redis(0).program();
    let redis = wrapper.child_pid().unwrap();
    wrapper.signal(Signal::SIGKILL);
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Signal(9));
    eventually("redis gone", Duration::from_secs(2), async || !alive(redis)).await;
    zk.client()
        .wait_for_children("/redis/members", 0, Duration::from_secs(8))
        .await;
}

/// Starts one Redis with a grace of a second, and ZooKeeper hangs from then on.
async fn one_whose_zookeeper_hangs(zk: &ZooKeeper) -> RunningGroup {
    let group = Group::new(&zk.hosts()).redis(1);
    let group = group.env(Kind::Redis, "STOP_GRACE", "1s").start().await;
    zk.stop();
    group
}

/// The grace, and what a loaded machine needs to schedule and to reap.
const STOPPED: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_no_longer_than_its_grace_while_zookeeper_hangs() {
    let zk = ZooKeeper::start().await;
    let group = one_whose_zookeeper_hangs(&zk).await;
    let wrapper = group.redis(0).program();
    let redis = wrapper.child_pid().unwrap();
    let asked = Instant::now();
    wrapper.terminate();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(0), "{}", wrapper.log());
    assert!(
        asked.elapsed() < STOPPED,
        "{:?}: {}",
        asked.elapsed(),
        wrapper.log()
    );
    assert!(!alive(redis));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_heard_while_a_dead_master_waits_to_be_replaced() {
    let zk = ZooKeeper::start().await;
    let group = one_whose_zookeeper_hangs(&zk).await;
    let wrapper = group.redis(0).program();
    let redis = wrapper.child_pid().unwrap();
    kill(Pid::from_raw(redis.try_into().unwrap()), Signal::SIGKILL).unwrap();
    eventually("redis gone", SOON, async || !wrapper.tree().contains(&redis)).await;
    let asked = Instant::now();
    wrapper.terminate();
    assert_eq!(
        wrapper.wait_exit(SOON).await,
        Exit::Code(137),
        "{}",
        wrapper.log()
    );
    assert!(
        asked.elapsed() < STOPPED,
        "{:?}: {}",
        asked.elapsed(),
        wrapper.log()
    );
}

/// The fork of a killed Redis goes on, since a parent-death signal is not inherited, and would rename its old dump over
/// that of the next Redis.
#[tokio::test(flavor = "multi_thread")]
async fn no_fork_of_a_killed_redis_is_alive_when_the_next_one_starts() {
    let zk = ZooKeeper::start().await;
    let data = tempfile::tempdir().unwrap();
    let port = testkit::ports::free();
    let wrapper = || {
        testkit::Program::new("redis-wrapper")
            .env("ZK_HOSTS", zk.hosts())
            .env("BIND_IP", "127.0.0.1")
            .env("PORT0", port.to_string())
            .env("DATA_DIR", data.path().to_string_lossy())
            .arg("--")
            .arg("--save")
            .arg("")
            .arg("--appendonly")
            .arg("no")
    };
    // One key takes the fork longer than this test.
    let first = wrapper().arg("--rdb-key-save-delay").arg("20000000").start();
    first.wait_log("redis serves", SOON).await;
    let redis = first.child_pid().unwrap();
    let client = testkit::RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    client.command(&["SET", "key", "old"]).await.unwrap();
    client.command(&["BGSAVE"]).await.unwrap();
    let fork = eventually("the fork", SOON, async || {
        let tree = first.tree();
        let fork = tree.into_iter().find(|pid| ![first.pid(), redis].contains(pid));
        fork.ok_or("no third process")
    })
    .await;
    first.signal(Signal::SIGKILL);
    assert_eq!(first.wait_exit(SOON).await, Exit::Signal(9));
    eventually("redis gone", Duration::from_secs(2), async || {
        !first.tree().contains(&redis)
    })
    .await;
    assert!(
        first.tree().contains(&fork),
        "without a fork there is nothing to wait for"
    );
    let second = wrapper().start();
    let waits = second.wait_log("waiting for the data directory", SOON).await;
    assert!(waits.contains(&format!("(process {fork})")), "{waits}");
    assert!(second.child_pid().is_none());
    kill(Pid::from_raw(fork.try_into().unwrap()), Signal::SIGKILL).unwrap();
    second.wait_log("redis serves", SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_waits_for_the_wrapper_before_it() {
    let zk = ZooKeeper::start().await;
    let data = tempfile::tempdir().unwrap();
    let port = testkit::ports::free();
    let wrapper = || {
        testkit::Program::new("redis-wrapper")
            .env("ZK_HOSTS", zk.hosts())
            .env("BIND_IP", "127.0.0.1")
            .env("PORT0", port.to_string())
            .env("DATA_DIR", data.path().to_string_lossy())
            .start()
    };
    let first = wrapper();
    first.wait_log("redis serves", SOON).await;
    let client = testkit::RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    client.command(&["SET", "key", "value"]).await.unwrap();
    // Halted, it holds the directory until it is told to go on.
    first.stop();
    let second = wrapper();
    second.wait_log("waiting for the data directory", SOON).await;
    first.cont();
    first.terminate();
    assert_eq!(first.wait_exit(SOON).await, Exit::Code(0));
    second.wait_log("redis serves", SOON).await;
    let answer = client.command(&["GET", "key"]).await.unwrap();
    assert_eq!(testkit::text(&answer), "value");
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_zookeeper_stops_nothing_and_everything_is_registered_again() {
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(3).start().await;
    let master = group.master().await;
    let pids: Vec<_> = group
        .all_redis()
        .iter()
        .map(|node| node.program().child_pid())
        .collect();
    zk.kill();
    // Longer than the session timeout: the sessions end.
    let away = tokio::time::Instant::now();
    eventually("the session to be over", SOON, async || {
        let metrics = http::get(group.redis(master).http(), "/metrics")
            .await
            .map_err(|e| e.to_string())?;
        let up = String::from_utf8_lossy(metrics.body.as_ref())
            .contains("\nredis_zk_redis_zookeeper_session_up 1");
        let healthy = http::get(group.redis(master).http(), "/healthz")
            .await
            .map_err(|e| e.to_string())?
            .status;
        assert_eq!(healthy, 200, "health never depends on ZooKeeper");
        let long_enough = away.elapsed() > Duration::from_secs(7);
        if up || !long_enough {
            Err(format!("up: {up}"))
        } else {
            Ok(())
        }
    })
    .await;
    assert_eq!(group.redis(master).role().await, Some(Role::Master));
    zk.restart().await;
    zk.client().wait_for_children("/redis/members", 3, SOON).await;
    assert_eq!(group.wait_settled(SOON).await, master);
    let after: Vec<_> = group
        .all_redis()
        .iter()
        .map(|node| node.program().child_pid())
        .collect();
    assert_eq!(pids, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_reaped_and_signals_forwarded_as_pid_1() {
    if !testkit::require(&[testkit::Need::Redis]) || !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED, not tested: PID 1 needs root for a process namespace of its own");
        return;
    }
    let zk = ZooKeeper::start().await;
    let [port, admin] = testkit::ports::some();
    let wrapper = testkit::Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
        .env("ADMIN_PORT", admin.to_string())
        .under(&["unshare", "-pf", "--mount-proc", "--kill-child"])
        .start();
    wrapper.wait_log("redis serves", SOON).await;
    let inner = wrapper.children()[0];
    kill(Pid::from_raw(inner.try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(0));
    assert!(
        wrapper.log().contains("ready to exit, bye bye"),
        "redis saved and ended by itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn started_as_root_it_runs_as_another_user() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED, not tested: RUN_AS needs root");
        return;
    }
    let zk = ZooKeeper::start().await;
    // A directory that the user can reach, unlike a temporary one of root's.
    let data = tempfile::Builder::new().prefix("run-as-").tempdir().unwrap();
    let (dump, foreign) = (data.path().join("dump.rdb"), data.path().join("foreign"));
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("dump.rdb"), "of somebody else").unwrap();
    let port = testkit::ports::free();
    let wrapper = testkit::Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
        .env("DATA_DIR", data.path().to_string_lossy())
        .env("RUN_AS", "nobody")
        .start();
    wrapper.wait_log("redis serves", SOON).await;
    for pid in [wrapper.pid(), wrapper.child_pid().unwrap()] {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    }
    let client = testkit::RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    client.set("kept", "yes").await;
    wrapper.terminate();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(0));
    // As a volume that root's Redis wrote to before.
    std::os::unix::fs::chown(&dump, Some(0), Some(0)).unwrap();
    std::fs::set_permissions(&dump, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    wrapper.restart();
    wrapper.wait_log("redis serves", SOON).await;
    assert_eq!(client.get("kept").await.as_deref(), Some("yes"));
    let owner = |path: &std::path::Path| std::os::unix::fs::MetadataExt::uid(&path.metadata().unwrap());
    assert_eq!((owner(data.path()), owner(&dump)), (65534, 65534));
    assert_eq!((owner(&foreign), owner(&foreign.join("dump.rdb"))), (0, 0));
    let redis = wrapper.child_pid().unwrap();
    wrapper.signal(Signal::SIGKILL);
    eventually("redis gone with its parent", Duration::from_secs(2), async || {
        !alive(redis)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_when_redis_serves_and_is_registered() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let wrapper = testkit::Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", testkit::ports::free().to_string())
        .env("NOTIFY_SOCKET", path.to_string_lossy())
        .env("WATCHDOG_USEC", "10000000")
        .start();
    let mut told = Vec::new();
    let mut buffer = [0; 512];
    let all = |told: &[String]| {
        let has = |line: &str| told.iter().any(|text: &String| text.contains(line));
        has("READY=1") && has("STATUS=master at") && has("WATCHDOG=1")
    };
    while !all(&told) {
        let received = tokio::time::timeout(SOON, socket.recv(&mut buffer)).await;
        let length = received.unwrap_or_else(|_| panic!("only {told:?}")).unwrap();
        told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        if told.last().unwrap().contains("READY=1") {
            assert_eq!(
                zk.client().children("/redis/members").await.len(),
                1,
                "registered before it is called ready"
            );
        }
    }
    let child = wrapper.child_pid().unwrap();
    let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap();
    assert!(
        !String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"),
        "it is the wrapper's conversation"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_though_zookeeper_left_while_redis_was_loading() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let slowly = dir.path().join("redis.conf");
    std::fs::write(
        &slowly,
        "key-load-delay 3000\nloading-process-events-interval-bytes 1024\nappendonly no\n",
    )
    .unwrap();
    let path = dir.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let port = testkit::ports::free();
    let program = || {
        testkit::Program::new("redis-wrapper")
            .env("ZK_HOSTS", zk.hosts())
            .env("BIND_IP", "127.0.0.1")
            .env("PORT0", port.to_string())
            .env("DATA_DIR", dir.path().join("data").to_string_lossy())
            .env("REDIS_CONF", slowly.to_string_lossy())
    };
    let client = testkit::RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    let first = program().start();
    first.wait_log("redis serves", SOON).await;
    let fill = "for i = 1, 1000 do redis.call('SET', i, string.rep('x', 100)) end";
    client.command(&["EVAL", fill, "0"]).await.unwrap();
    client.command(&["SAVE"]).await.unwrap();
    first.terminate();
    assert_eq!(first.wait_exit(SOON).await, Exit::Code(0));

    let again = program().env("NOTIFY_SOCKET", path.to_string_lossy()).start();
    let mut buffer = [0; 512];
    let mut hear = async |expected: &str| loop {
        let received = tokio::time::timeout(SOON, socket.recv(&mut buffer)).await;
        let length = received
            .unwrap_or_else(|_| panic!("no {expected}: {}", again.log_tail()))
            .unwrap();
        let told = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if told.contains(expected) {
            return;
        }
        assert!(!told.contains("READY=1"), "before {expected}");
    };
    hear("STATUS=redis is loading").await;
    hear("EXTEND_TIMEOUT_USEC").await;
    zk.kill();
    hear("READY=1").await;
    assert!(
        again.log().contains("not registered yet: zookeeper is away"),
        "{}",
        again.log_tail()
    );
    // It is registered as soon as that is possible.
    zk.restart().await;
    eventually("the entry", SOON, async || {
        zk.client().children("/redis/members").await.len() == 1
    })
    .await;
}

/// Nothing limits this wait, so TimeoutStartSec may not either.
#[tokio::test(flavor = "multi_thread")]
async fn systemd_waits_as_long_as_zookeeper_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let wrapper = testkit::Program::new("redis-wrapper")
        .env("ZK_HOSTS", format!("127.0.0.1:{}", testkit::ports::free()))
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", testkit::ports::free().to_string())
        .env("DATA_DIR", dir.path().join("data").to_string_lossy())
        .env("NOTIFY_SOCKET", path.to_string_lossy())
        .start();
    let mut buffer = [0; 512];
    let mut extended = 0;
    while extended < 3 {
        let received = tokio::time::timeout(SOON, socket.recv(&mut buffer)).await;
        let length = received
            .unwrap_or_else(|_| panic!("{}", wrapper.log_tail()))
            .unwrap();
        let told = String::from_utf8_lossy(&buffer[..length]);
        assert!(!told.contains("READY=1"), "{told}");
        extended += usize::from(told == "EXTEND_TIMEOUT_USEC=30000000");
    }
}
