//! How the program starts, refuses and ends.

use std::net::TcpListener;
use std::time::Duration;

use testkit::{Exit, Program, Redis, Sentinel, ZooKeeper, eventually, ports};

use crate::group::{DEADLINE, STATE, Watching, servers};

#[tokio::test]
async fn sigterm_releases_the_lock_at_once_and_ends_with_zero() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let first = Watching::with(zk.hosts(), &[("ZK_SESSION_TIMEOUT", "30s")]);
    first.wait_leader().await;
    let second = Watching::with(zk.hosts(), &[("ZK_SESSION_TIMEOUT", "30s")]);
    second.ready().await;
    first.program.terminate();
    first.program.terminate();
    assert_eq!(
        first.program.wait_exit(Duration::from_secs(5)).await,
        Exit::Code(0)
    );
    eventually("the other to lead", Duration::from_secs(5), async || {
        second.part().await == "leader"
    })
    .await;
    second.program.terminate();
    assert_eq!(
        second.program.wait_exit(Duration::from_secs(5)).await,
        Exit::Code(0)
    );
    zk.client()
        .wait_for_children("/redis/locks/watcher", 0, Duration::from_secs(1))
        .await;
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let program = Program::new("watcher").env("PORT0", port.to_string()).start();
    assert_eq!(program.wait_exit(DEADLINE).await, Exit::Code(69));
    let log = program.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| !line.contains("INFO program: starting"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(
        log.contains("PORT0") && log.contains(&format!(":{port} is in use")),
        "{log}"
    );
}

#[tokio::test]
async fn another_groups_tree_is_refused() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let state = r#"{"group":"00000000-0000-0000-0000-000000000007","name":"sessions","epoch":4,"master":{"addr":"127.0.0.1:2"},"phase":"settled","cause":"failover","since_ms":1}"#;
    zk.client().set(STATE, state).await;
    let program = Program::new("watcher")
        .env("ZK_HOSTS", zk.hosts())
        .env("PORT0", ports::free().to_string())
        .start();
    assert_eq!(program.wait_exit(DEADLINE).await, Exit::Code(64));
    let log = program.log();
    for part in ["`master1`", "`sessions`", "ZK_ROOT=/redis/master1"] {
        assert!(log.contains(part), "{log}");
    }
    assert_eq!(zk.client().get(STATE).await.as_deref(), Some(state));
}

#[tokio::test]
async fn zookeeper_may_come_later() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    zk.kill();
    let watching = Watching::start(zk.hosts());
    assert!(watching.not_ready().await.contains("not been read"));
    for (path, status) in [
        ("/healthz", 200),
        ("/", 200),
        ("/sentinels", 500),
        ("/v1/master", 503),
        ("/v1/status", 200),
    ] {
        assert_eq!(watching.get(path).await.status, status, "{path}");
    }
    zk.restart().await;
    watching.ready().await;
    watching.wait_leader().await;
}

#[tokio::test]
async fn every_problem_of_the_settings_at_once() {
    let program = Program::new("watcher")
        .env("PORT0", "no")
        .env("MASTER_NAME", "a b")
        .start();
    assert_eq!(program.wait_exit(DEADLINE).await, Exit::Code(64));
    let log = program.log();
    assert!(log.contains("PORT0") && log.contains("MASTER_NAME"), "{log}");
}

#[tokio::test]
async fn passwords_are_carried_and_a_missing_one_is_told() {
    if !servers() {
        return;
    }
    let (zk, redis) = tokio::join!(
        ZooKeeper::start(),
        Redis::builder().password("secret-of-redis").start()
    );
    let sentinel = Sentinel::builder()
        .monitor("master1", redis.addr(), 1)
        .redis_password("secret-of-redis")
        .password("secret-of-sentinel")
        .start()
        .await;
    zk.client()
        .create("/redis/sentinels/only", &sentinel.addr().contract())
        .await;

    let without = Watching::with(zk.hosts(), &[("SENTINEL_PASSWORD", "secret-of-sentinel")]);
    let line = without
        .program
        .wait_log("a redis does not let this watcher in", DEADLINE)
        .await;
    assert!(line.contains(&redis.addr().to_string()), "{line}");
    assert!(line.contains("check REDIS_PASSWORD"), "{line}");
    let status = without.get("/v1/status").await.json();
    let node = &status["nodes"][0];
    let reason = node["reason"].as_str().unwrap_or_default();
    assert!(
        node["answer"] == "denied" && reason.contains("REDIS_PASSWORD"),
        "{status}"
    );
    assert_eq!(without.number("redis_zk_watcher_denied").await, Some(1.0));
    assert_eq!(zk.client().get(STATE).await.as_deref(), Some(""));
    let passwords = [
        ("SENTINEL_PASSWORD", "secret-of-sentinel"),
        ("REDIS_PASSWORD", "secret-of-redis"),
    ];
    let with = Watching::with(zk.hosts(), &passwords);
    zk.client()
        .wait_for_data("/redis/master", &redis.addr().contract(), DEADLINE)
        .await;
    with.ready().await;
    let stranger = Watching::start(zk.hosts());
    let line = "a sentinel does not let this watcher in; check SENTINEL_PASSWORD";
    stranger.program.wait_log(line, DEADLINE).await;
    eventually("the page to say so", DEADLINE, async || {
        let status = stranger.get("/v1/status").await.json();
        let report = &status["sentinels"][0]["last_report"];
        let reason = report["reason"].as_str().unwrap_or_default();
        (report["answer"] == "denied" && reason.contains("SENTINEL_PASSWORD")).then_some(())
    })
    .await;
    assert_eq!(
        without
            .program
            .log()
            .matches("a redis does not let this watcher in")
            .count(),
        1
    );
    for log in [without.program.log(), with.program.log(), stranger.program.log()] {
        assert!(!log.contains("secret-of"), "{log}");
    }
}

/// A typing error in a path is a second group, empty and well.
#[tokio::test]
async fn a_path_that_was_made_is_told_once() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let root = "created ZK_ROOT, which was not there; was it meant? path=/redis";
    let chroot = "created the chroot of ZK_HOSTS, which was not there; was it meant? path=/prod";
    for (hosts, line) in [(zk.hosts(), root), (format!("{}/prod", zk.hosts()), chroot)] {
        for first in [true, false] {
            let watching = Watching::start(hosts.clone());
            watching.ready().await;
            let log = watching.program.log();
            assert_eq!(log.contains(line), first, "{log}");
            assert_eq!(log.matches("was it meant").count(), usize::from(first), "{log}");
        }
    }
}
