//! Trouble that a host makes by itself: a full disk, a clock that jumps.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::{Group, JumpingClock, Kind, Need, RunningGroup, ZooKeeper, eventually, require, soak};

const LONG: Duration = Duration::from_secs(60);

/// A small disk of its own for each Redis, in a mount namespace that ends with it.
const SMALL_DISK: &[&str] = &[
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs -o size=16m none \"$DATA_DIR\" && exec \"$0\" \"$@\"",
];

/// The data directory as the wrapper sees it.
fn disk(group: &RunningGroup, node: usize) -> PathBuf {
    let node = group.redis(node);
    let dir = node.data_dir();
    let root = PathBuf::from(format!("/proc/{}/root", node.program().pid()));
    root.join(dir.strip_prefix("/").unwrap_or(&dir))
}

/// Takes all that is left.
fn fill(group: &RunningGroup, node: usize) -> PathBuf {
    let path = disk(group, node).join("filler");
    let mut file = File::create(&path).expect("a file on the small disk");
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_whose_disk_is_full_refuses_writes_and_loses_none() {
    // The namespaces need root as well.
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel, Need::Network]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(1)
        .under(Kind::Redis, SMALL_DISK)
        .start()
        .await;
    let master = group.master().await;
    let writer = group.writer().start();
    writer.wait_write(LONG).await;
    let filler = fill(&group, master);
    let full = async || {
        let answer = group.redis(master).command(&["SET", "testkit:full", "1"]).await;
        match answer {
            Err(error) if error.code() == Some("MISCONF") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    eventually("the master to refuse writes", LONG, full).await;
    // Nobody is promoted: it lives, and says why it refuses.
    let named = group.zk().get(&group.path("master")).await.unwrap_or_default();
    assert_eq!(named, group.redis(master).addr().contract());
    let before = writer.acknowledged();
    fs::remove_file(filler).unwrap();
    let goes_on = async || (writer.acknowledged() > before).then_some(());
    eventually("writes to go on", LONG, goes_on).await;
    assert_eq!(group.wait_settled(LONG).await, master);
    let written = writer.stop();
    let lost = written.lost(group.redis(master)).await;
    assert!(
        lost.is_empty(),
        "{} of {} lost",
        lost.len(),
        written.writes().len()
    );
    soak::report(
        "the master's disk full for a while",
        1,
        &format!("0 of {} acknowledged writes lost", written.writes().len()),
    );
}

/// What a Redis takes for the time, in seconds since 1970.
async fn wall_clock(group: &RunningGroup, node: usize) -> u64 {
    let answer = group.redis(node).command(&["TIME"]).await.expect("TIME");
    let both = testkit::text(&answer);
    let seconds = both.split(' ').next().and_then(|seconds| seconds.parse().ok());
    seconds.expect("seconds, then microseconds")
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// The Sentinels stand still for 30 s after such a jump (`TILT`), and would move nothing by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_moves_no_role_and_keeps_nobody_from_moving_it() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel, Need::Compiler]) {
        return;
    }
    let clock = JumpingClock::new();
    let zk = ZooKeeper::start().await;
    let mut group = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(1);
    for (kind, variable, server) in [
        (Kind::Redis, "REDIS_SERVER", "redis-server"),
        (Kind::Sentinel, "REDIS_SENTINEL", "redis-sentinel"),
    ] {
        let script = clock.server(server);
        group = group.env(kind, variable, &script.display().to_string());
    }
    let group = group.start().await;
    let mut times = Vec::new();
    for jump in [3600, -3600] {
        let master = group.wait_settled(LONG).await;
        let writer = group.writer().start();
        writer.wait_write(LONG).await;
        clock.jump(jump);
        let jumped = Instant::now();
        let off = wall_clock(&group, master).await.abs_diff(now());
        assert!(off.abs_diff(3600) < 60, "the clock is off by {off} s");
        let some_time = async || (jumped.elapsed() > Duration::from_secs(4)).then_some(());
        eventually("four seconds", LONG, some_time).await;
        let named = group.zk().get(&group.path("master")).await.unwrap_or_default();
        assert_eq!(named, group.redis(master).addr().contract(), "{jump}");
        let moment = Instant::now();
        group.redis(master).program().kill_tree();
        let elsewhere = async || writer.master().filter(|now| now != group.redis(master).addr());
        eventually("writes elsewhere", LONG, elsewhere).await;
        let written = writer.stop();
        let before = written
            .writes()
            .iter()
            .filter(|write| write.acknowledged < moment);
        let gap = before.map(|write| write.acknowledged).collect::<Vec<_>>();
        let gap = gap.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(
            gap < Duration::from_secs(1),
            "{jump}: no write for {gap:?} at the jump"
        );
        times.push(written.away_after(moment).unwrap());
        group.redis(master).program().restart();
    }
    group.wait_settled(Duration::from_secs(120)).await;
    soak::report(
        "all clocks jump by an hour, then the master is killed: without writes",
        times.len(),
        &soak::spread(&times),
    );
    assert!(
        times.iter().all(|time| *time < Duration::from_secs(2)),
        "{times:?}"
    );
}
