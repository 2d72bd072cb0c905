//! Commands with the program's own reaper, which takes every status: each test needs a process of its own, as nextest gives it.

use std::path::Path;
use std::time::{Duration, Instant};

use sinks::{CommandSink, Shell, Terms};
use supervisor::Children;
use testkit::eventually;

use crate::bench::{Bench, PATIENCE, TERMS};

fn shell() -> Shell {
    // A name that every process has, in the place of a secret's.
    Shell::new(Children::start().unwrap(), vec!["PATH".into()])
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn each_master_is_told_once_and_a_stale_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("told");
    let command = format!(
        "echo $REDIS_MASTER_NAME $REDIS_MASTER_EPOCH $REDIS_MASTER_HOST:$REDIS_MASTER_PORT \
         from [$REDIS_MASTER_PREVIOUS_HOST] $REDIS_MASTER_CAUSE >> {}",
        file.display()
    );
    let mut bench = Bench::new();
    let mut kept = bench.keep(
        "command",
        CommandSink::new(command, shell(), Duration::from_secs(2)),
        TERMS,
    );
    bench.move_to("sessions", 3, "10.0.0.1:6379");
    kept.in_step("sessions", 3).await;
    bench.refused("sessions", 2, "10.0.0.9:6379");
    bench.move_to("sessions", 4, "10.0.0.2:6380");
    kept.in_step("sessions", 4).await;
    // Looked after several times, and another group comes: neither tells the first one again.
    bench.move_to("carts", 1, "10.0.0.7:6379");
    kept.in_step("carts", 1).await;
    assert_eq!(
        lines(&file),
        [
            "sessions 3 10.0.0.1:6379 from [] failover",
            "sessions 4 10.0.0.2:6380 from [10.0.0.1] failover",
            "carts 1 10.0.0.7:6379 from [] failover",
        ]
    );
}

#[tokio::test]
async fn what_fails_is_run_again_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (ready, told) = (dir.path().join("ready"), dir.path().join("told"));
    // As a proxy does that is not up yet. It says more than anybody wants to read.
    let command = format!(
        "test -e {ready} || {{ seq 1 99999; echo 'not up yet' >&2; exit 75; }}; echo $REDIS_MASTER_EPOCH >> {told}",
        ready = ready.display(),
        told = told.display()
    );
    let command = format!("PATH=/usr/bin:/bin; {command}");
    let mut bench = Bench::new();
    let mut kept = bench.keep(
        "command",
        CommandSink::new(command, shell(), Duration::from_secs(2)),
        TERMS,
    );
    bench.move_to("sessions", 3, "10.0.0.1:6379");
    let reason = kept.behind("exited with code 75").await;
    assert!(
        reason.starts_with("the command for sessions: it exited"),
        "{reason}"
    );
    assert!(reason.contains("99999; not up yet"), "{reason}");
    assert!(reason.len() < 1300, "{}", reason.len());
    bench.move_to("sessions", 4, "10.0.0.2:6379");
    kept.until("tried again", |standing| standing.failures > 2).await;
    std::fs::write(&ready, "").unwrap();
    kept.in_step("sessions", 4).await;
    assert_eq!(lines(&told), ["4"]);
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_grandchild_and_other_groups_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (told, pids) = (dir.path().join("told"), dir.path().join("pids"));
    let command = format!(
        "PATH=/usr/bin:/bin; echo $REDIS_MASTER_NAME >> {told}; test $REDIS_MASTER_NAME = carts && exit 0; \
         sh -c 'echo $$ >> {pids}; exec sleep 1000' & echo waiting; wait",
        told = told.display(),
        pids = pids.display()
    );
    let mut bench = Bench::new();
    let mut kept = bench.keep(
        "command",
        CommandSink::new(command, shell(), Duration::from_secs(1)),
        TERMS,
    );
    bench.move_to("sessions", 3, "10.0.0.1:6379");
    bench.move_to("carts", 1, "10.0.0.1:6380");
    let reason = kept.behind("no end after 1000 ms").await;
    assert!(reason.ends_with("waiting"), "{reason}");
    let pid = lines(&pids).first().unwrap().clone();
    let gone = || !Path::new(&format!("/proc/{pid}")).exists();
    eventually("the grandchild to be gone", PATIENCE, async || gone()).await;
    // One group that hangs is not counted against the other.
    let carts = "carts".parse().unwrap();
    let standing = kept
        .until("carts told", |standing| standing.confirmed.contains_key(&carts))
        .await;
    assert_eq!(standing.confirmed.len(), 1, "{standing:?}");
    assert_eq!(lines(&told).iter().filter(|line| *line == "carts").count(), 1);
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_any_more_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let command = format!("echo $$ >> {}; exec /bin/sleep 1000", pids.display());
    let mut bench = Bench::new();
    let terms = Terms {
        deadline: Duration::from_secs(1),
        ..TERMS
    };
    let mut kept = bench.keep(
        "command",
        CommandSink::new(command, shell(), Duration::from_secs(60)),
        terms,
    );
    let begun = Instant::now();
    bench.move_to("sessions", 3, "10.0.0.1:6379");
    kept.behind("no end after 1000 ms").await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    let pid = lines(&pids).first().unwrap().clone();
    let gone = || !Path::new(&format!("/proc/{pid}")).exists();
    eventually("the command to be gone", PATIENCE, async || gone()).await;
}

#[tokio::test]
async fn what_a_command_started_stays_and_sees_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (seen, pid) = (dir.path().join("seen"), dir.path().join("pid"));
    let command = format!(
        "/usr/bin/env > {seen}; (echo started; exec /bin/sleep 1000) > /dev/null 2>&1 & echo $! > {pid}",
        seen = seen.display(),
        pid = pid.display()
    );
    let mut bench = Bench::new();
    let mut kept = bench.keep(
        "command",
        CommandSink::new(command, shell(), Duration::from_secs(5)),
        TERMS,
    );
    bench.move_to("sessions", 3, "10.0.0.1:6379");
    kept.in_step("sessions", 3).await;
    // The reaper has dealt with another child since: had it killed the first one's group, that would be over.
    bench.move_to("sessions", 4, "10.0.0.2:6379");
    kept.in_step("sessions", 4).await;
    let seen = lines(&seen);
    assert!(seen.iter().any(|line| line == "REDIS_MASTER_EPOCH=4"), "{seen:?}");
    let ours = std::env::vars().find(|(name, _)| name == "PATH").unwrap().1;
    assert!(
        !seen.iter().any(|line| *line == format!("PATH={ours}")),
        "{seen:?}"
    );
    let left: i32 = lines(&pid).first().unwrap().parse().unwrap();
    let left = nix::unistd::Pid::from_raw(left);
    // Alive until we end it.
    nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
}
