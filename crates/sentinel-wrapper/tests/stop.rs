//! The end at any moment: promptly, with a code that says why, whatever hangs.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{Group, SOON, Wrapper, alive, program, signal_to};
use tempfile::TempDir;
use testkit::{Exit, Running, ZooKeeper, eventually, http, ports};
use topology::Addr;

const GRACE: Duration = Duration::from_secs(4);
/// For a loaded machine to start, schedule and reap.
const SLACK: Duration = Duration::from_millis(700);
/// A stop in which nothing hangs.
const PROMPT: Duration = Duration::from_secs(2);

async fn stopped(program: &Running) -> (Exit, Duration) {
    let asked = Instant::now();
    program.terminate();
    let exit = program.wait_exit(SOON).await;
    (exit, asked.elapsed())
}

fn patient(group: &Group, port: u16) -> testkit::Program {
    program(&group.zk.hosts(), port, &group.data_dir(&port.to_string())).env("STOP_GRACE", "4s")
}

#[tokio::test]
async fn while_it_waits_for_zookeeper() {
    let zk = ZooKeeper::start().await;
    zk.stop();
    for hosts in [zk.hosts(), format!("127.0.0.1:{}", ports::free())] {
        let dir = TempDir::new().unwrap();
        let wrapper = program(&hosts, ports::free(), dir.path())
            .env("STOP_GRACE", "4s")
            .start();
        wrapper.wait_log("zookeeper is not reachable", SOON).await;
        let (exit, took) = stopped(&wrapper).await;
        assert_eq!(exit, Exit::Code(0));
        assert!(took < PROMPT, "{took:?}");
    }
}

#[tokio::test]
async fn while_it_waits_for_a_master() {
    let group = Group::start(0, 1).await;
    let zk = group.zk.client();
    zk.set("/redis/state", "").await;
    zk.set("/redis/master", "").await;
    let wrapper = patient(&group, ports::free()).start();
    wrapper.wait_log("waiting for a master", SOON).await;
    let (exit, took) = stopped(&wrapper).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(took < PROMPT, "{took:?}");
    // The same when ZooKeeper hangs by now.
    wrapper.restart();
    wrapper.wait_log("waiting for a master", SOON).await;
    group.zk.stop();
    let (exit, took) = stopped(&wrapper).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(took < GRACE + SLACK, "{took:?}");
}

#[tokio::test]
async fn while_it_waits_for_a_run_id() {
    let group = Group::start(0, 1).await;
    let zk = group.zk.client();
    let slot = format!("/redis/identities/{}", "cd".repeat(20));
    zk.create(&slot, "").await;
    // Somebody who does not answer, and whose session does not end.
    let dead = format!("127.0.0.1 {}", ports::free());
    zk.create_ephemeral(&format!("{slot}/holder"), &dead).await;
    let wrapper = patient(&group, ports::free())
        .env("ZK_SESSION_TIMEOUT", "30s")
        .start();
    wrapper.wait_log("waiting for the run id", SOON).await;
    let (exit, took) = stopped(&wrapper).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(took < PROMPT, "{took:?}");
    assert!(
        wrapper.log().contains("stopped before a sentinel was started"),
        "{}",
        wrapper.log()
    );
}

#[tokio::test]
async fn while_its_sentinel_does_not_answer_yet() {
    let group = Group::start(0, 1).await;
    let wrapper = patient(&group, ports::free()).start();
    let child = eventually("a child", SOON, async || wrapper.child_pid()).await;
    let (exit, took) = stopped(&wrapper).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(took < GRACE + SLACK, "{took:?}");
    assert!(!alive(child));
}

#[tokio::test]
async fn while_zookeeper_hangs() {
    let group = Group::start(0, 1).await;
    let port = ports::free();
    let wrapper = Wrapper::start(port, patient(&group, port));
    wrapper.wait_registered(group.zk.client()).await;
    let child = wrapper.program.child_pid().unwrap();
    group.zk.stop();
    wrapper.program.terminate();
    let (exit, took) = stopped(&wrapper.program).await;
    assert_eq!(exit, Exit::Code(0), "{}", wrapper.program.log());
    assert!(took < GRACE + SLACK, "{took:?}");
    assert!(!alive(child));
}

#[tokio::test]
async fn while_zookeeper_and_its_sentinel_hang() {
    let group = Group::start(0, 1).await;
    let port = ports::free();
    let wrapper = Wrapper::start(port, patient(&group, port));
    wrapper.wait_registered(group.zk.client()).await;
    let child = wrapper.program.child_pid().unwrap();
    group.zk.stop();
    signal_to(child, "STOP");
    let (exit, took) = stopped(&wrapper.program).await;
    assert_eq!(exit, Exit::Code(128 + 9), "it had to be killed");
    assert!(took < GRACE + SLACK, "{took:?}");
    assert!(!alive(child));
}

/// The grace counts from the request, though the Sentinel has been asked to end before, and does not want to.
#[tokio::test]
async fn while_its_sentinel_is_started_again() {
    let group = Group::start(0, 1).await;
    let port = ports::free();
    let stubborn = group.data_dir("bin").join("stubborn");
    let script = "#!/bin/sh\ntrap '' TERM\nredis-sentinel \"$@\" &\nwait $!\n";
    std::fs::write(&stubborn, script).unwrap();
    std::fs::set_permissions(&stubborn, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = patient(&group, port).env("REDIS_SENTINEL", stubborn.display().to_string());
    let wrapper = Wrapper::start(port, program);
    wrapper.wait_registered(group.zk.client()).await;
    wrapper
        .sentinel
        .command(&["SENTINEL", "REMOVE", common::NAME])
        .await
        .unwrap();
    wrapper.program.wait_log("asking the child to end", SOON).await;
    let (exit, took) = stopped(&wrapper.program).await;
    assert_eq!(exit, Exit::Code(128 + 9), "{}", wrapper.program.log());
    assert!(took < GRACE + SLACK, "{took:?}");
    assert_eq!(wrapper.program.log().matches("sentinel started").count(), 1);
}

#[tokio::test]
async fn a_dead_sentinels_code_is_passed_on_while_zookeeper_hangs() {
    let group = Group::start(0, 1).await;
    let port = ports::free();
    let wrapper = Wrapper::start(port, patient(&group, port));
    wrapper.wait_registered(group.zk.client()).await;
    group.zk.stop();
    let died = Instant::now();
    signal_to(wrapper.program.child_pid().unwrap(), "KILL");
    assert_eq!(wrapper.program.wait_exit(SOON).await, Exit::Code(128 + 9));
    assert!(died.elapsed() < GRACE + SLACK, "{:?}", died.elapsed());
}

#[tokio::test]
async fn a_killed_wrapper_takes_a_hung_sentinel_with_it() {
    let group = Group::start(0, 1).await;
    let wrapper = group.wrapper();
    wrapper.wait_registered(group.zk.client()).await;
    let child = wrapper.program.child_pid().unwrap();
    signal_to(child, "STOP");
    wrapper.program.kill();
    eventually("the end of the sentinel", SOON, async || !alive(child)).await;
}

/// Noticed in seconds; ended after half a minute; and somebody who comes back in between is left alone.
#[tokio::test]
async fn a_hung_sentinel_is_reported_and_in_the_end_killed() {
    let group = Group::start(0, 1).await;
    let (port, admin) = (ports::free(), ports::free());
    let wrapper = Wrapper::start(port, patient(&group, port).env("ADMIN_PORT", admin.to_string()));
    let path = wrapper.wait_registered(group.zk.client()).await;
    let admin = Addr::new("127.0.0.1", admin).unwrap();
    let health = async || {
        http::get(&admin, "/healthz")
            .await
            .map(|answer| answer.status)
            .ok()
    };
    let child = wrapper.program.child_pid().unwrap();
    signal_to(child, "STOP");
    eventually("a failing health check", SOON, async || {
        health().await == Some(503)
    })
    .await;
    wrapper.program.wait_log("sentinel does not answer", SOON).await;
    let metrics = http::get(&admin, "/metrics").await.unwrap().body;
    assert!(metrics.contains("redis_zk_sentinel_answers 0"), "{metrics}");
    assert!(
        metrics.contains("redis_zk_sentinel_silences_total 1"),
        "{metrics}"
    );
    signal_to(child, "CONT");
    eventually("health again", SOON, async || health().await == Some(200)).await;
    wrapper.program.wait_log("sentinel answers again", SOON).await;
    assert_eq!(wrapper.program.child_pid(), Some(child));
    let hung = Instant::now();
    signal_to(child, "STOP");
    assert_eq!(
        wrapper.program.wait_exit(Duration::from_secs(60)).await,
        Exit::Code(128 + 9)
    );
    assert!(
        hung.elapsed() >= sentinel_wrapper::hearing::HUNG,
        "{:?}",
        hung.elapsed()
    );
    assert!(
        wrapper.program.log().contains("sentinel hangs"),
        "{}",
        wrapper.program.log()
    );
    assert_eq!(group.zk.client().get(&path).await, None, "nobody is sent to it");
    assert!(!alive(child));
}
