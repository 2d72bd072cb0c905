//! The master role moves in milliseconds when the master dies, and without losing a write when it stops.
//!
//! A client that finds the master through the Sentinels writes all the time; every acknowledged write is accounted for.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Exit, Group, Need, RunningGroup, Writer, Written, ZooKeeper, require, soak};

const LONG: Duration = Duration::from_secs(60);
/// The default of `LEASE`.
const LEASE: Duration = Duration::from_millis(1_500);

async fn group(zk: &ZooKeeper) -> RunningGroup {
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(1)
        .start()
        .await;
    group.wait_settled(LONG).await;
    group
}

fn servers() -> bool {
    require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel])
}

fn signal_child(group: &RunningGroup, index: usize, signal: Signal) {
    let pid = group.redis(index).program().child_pid().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

async fn writing(group: &RunningGroup) -> Writer {
    let writer = group.writer().pace(Duration::from_micros(200)).start();
    writer.wait_write(LONG).await;
    writer
}

/// Ends the writer once it writes to the new master; returns how long writes were away since `moment`.
async fn away(writer: Writer, moment: Instant) -> (Written, Duration) {
    writer.wait_write(LONG).await;
    let written = writer.stop();
    let away = written.away_after(moment).unwrap_or_else(|| {
        let gap = written.longest_gap();
        panic!("no write on another master; longest gap {gap:?}")
    });
    (written, away)
}

async fn wait_moved(group: &RunningGroup, old: usize) {
    let before = group.redis(old).addr().contract();
    testkit::eventually("another master is published", LONG, || async {
        group
            .zk()
            .get(&group.path("master"))
            .await
            .is_some_and(|now| now != before && !now.is_empty())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_its_wrapper_alive() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let rounds = soak::rounds(3, 50);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let old = group.master().await;
        let writer = writing(&group).await;
        let moment = Instant::now();
        signal_child(&group, old, Signal::SIGKILL);
        wait_moved(&group, old).await;
        times.push(away(writer, moment).await.1);
        let exit = group.redis(old).program().wait_exit(LONG).await;
        assert_eq!(exit, Exit::Code(137), "the child's code is passed on");
        group.redis(old).program().restart();
        group.wait_settled(LONG).await;
    }
    soak::report(
        "redis-server killed, its wrapper alive: without writes",
        rounds,
        &soak::spread(&times),
    );
    assert!(soak::median(&times) < Duration::from_millis(500), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapper_and_redis_killed() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let rounds = soak::rounds(3, 50);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let old = group.master().await;
        let writer = writing(&group).await;
        let moment = Instant::now();
        group.redis(old).program().kill_tree();
        wait_moved(&group, old).await;
        times.push(away(writer, moment).await.1);
        group.redis(old).program().restart();
        group.wait_settled(LONG).await;
    }
    soak::report(
        "wrapper and redis-server killed: without writes",
        rounds,
        &soak::spread(&times),
    );
    assert!(soak::median(&times) < Duration::from_secs(1), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_death_right_after_the_first_is_as_short() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let rounds = soak::rounds(2, 30);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let first = group.master().await;
        let writer = writing(&group).await;
        group.redis(first).program().kill_tree();
        let elsewhere = async || writer.master().filter(|now| now != group.redis(first).addr());
        let second = testkit::eventually("writes at the second", LONG, elsewhere).await;
        let mut nodes = group.all_redis().iter();
        let second = nodes.position(|node| *node.addr() == second).unwrap();
        // Nothing has settled; but whoever moved the role has let go of the lock. One that dies with it, as the second may, holds
        // it until its session ends, and the Sentinels are quicker then.
        let lock = group.path("locks/failover");
        let free = async || group.zk().children(&lock).await.is_empty().then_some(());
        testkit::eventually("the failover lock to be free", LONG, free).await;
        let moment = Instant::now();
        group.redis(second).program().kill_tree();
        let third = async || {
            let old = [group.redis(first).addr(), group.redis(second).addr()];
            writer.master().filter(|now| !old.contains(&now))
        };
        testkit::eventually("writes at the third", LONG, third).await;
        times.push(writer.stop().away_after(moment).unwrap());
        group.redis(first).program().restart();
        group.redis(second).program().restart();
        group.wait_settled(LONG).await;
    }
    soak::report(
        "a second death right after the first failover: without writes",
        rounds,
        &soak::spread(&times),
    );
    assert!(soak::median(&times) < Duration::from_secs(1), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_told_to_stop_loses_nothing() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let rounds = soak::rounds(3, 50);
    let (mut times, mut acknowledged, mut resyncs) = (Vec::new(), 0, 0);
    for _ in 0..rounds {
        let old = group.master().await;
        let before = full_resyncs(&group).await;
        let writer = writing(&group).await;
        let moment = Instant::now();
        group.redis(old).program().terminate();
        group.redis(old).program().terminate();
        wait_moved(&group, old).await;
        let exit = group.redis(old).program().wait_exit(LONG).await;
        assert_eq!(exit, Exit::Code(0));
        let (written, away) = away(writer, moment).await;
        times.push(written.longest_gap().map_or(away, |gap| gap.length()));
        acknowledged += written.writes().len();
        let new = group.master().await;
        let lost = written.lost(group.redis(new)).await;
        assert!(
            lost.is_empty(),
            "{} of {} lost: {:?}",
            lost.len(),
            written.writes().len(),
            &lost[..lost.len().min(3)]
        );
        resyncs += full_resyncs(&group).await.saturating_sub(before);
        group.redis(old).program().restart();
        group.wait_settled(LONG).await;
    }
    let seen = format!(
        "{}; 0 of {acknowledged} acknowledged writes lost, {resyncs} full resyncs",
        soak::spread(&times)
    );
    soak::report("SIGTERM of the master under load: without writes", rounds, &seen);
    assert!(soak::median(&times) < Duration::from_millis(500), "{times:?}");
    assert_eq!(resyncs, 0, "full resynchronisations");
}

/// Of the living nodes that were not stopped.
async fn full_resyncs(group: &RunningGroup) -> u64 {
    let mut sum = 0;
    for node in group.all_redis() {
        if let Some(count) = node.info("sync_full").await {
            sum += count.parse::<u64>().unwrap();
        }
    }
    sum
}

/// Ends the process of this Redis with SIGSTOP; its wrapper must not wait for it to wake up.
#[tokio::test(flavor = "multi_thread")]
async fn a_halted_redis_is_replaced_and_wakes_up_as_nobody() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let rounds = soak::rounds(1, 20);
    let (mut times, mut late) = (Vec::new(), 0);
    for _ in 0..rounds {
        let old = group.master().await;
        let writer = writing(&group).await;
        let moment = Instant::now();
        signal_child(&group, old, Signal::SIGSTOP);
        wait_moved(&group, old).await;
        let (written, away) = away(writer, moment).await;
        times.push(away);
        let new = group.master().await;
        let lost = written.lost(group.redis(new)).await;
        late += lost
            .iter()
            .filter(|write| write.acknowledged > moment + LEASE)
            .count();
        let exit = group.redis(old).program().wait_exit(LONG).await;
        assert_eq!(exit, Exit::Code(137), "a halted redis-server is ended");
        group.redis(old).program().restart();
        group.wait_settled(LONG).await;
    }
    let seen = format!(
        "{}; {late} writes acknowledged after the lease and lost",
        soak::spread(&times)
    );
    soak::report("redis-server halted (SIGSTOP): without writes", rounds, &seen);
    assert_eq!(late, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_nothing() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let rounds = soak::rounds(1, 10);
    let (mut pauses, mut acknowledged) = (Vec::new(), 0);
    for _ in 0..rounds {
        let writer = writing(&group).await;
        for index in 0..group.all_redis().len() {
            let program = group.redis(index).program();
            program.terminate();
            assert_eq!(program.wait_exit(LONG).await, Exit::Code(0));
            program.restart();
            group.wait_settled(LONG).await;
        }
        writer.wait_write(LONG).await;
        let written = writer.stop();
        let master = group.master().await;
        let lost = written.lost(group.redis(master)).await;
        assert!(
            lost.is_empty(),
            "{} of {} lost",
            lost.len(),
            written.writes().len()
        );
        acknowledged += written.writes().len();
        pauses.extend(written.longest_gap().map(|gap| gap.length()));
    }
    let seen = format!(
        "longest pause {}; 0 of {acknowledged} acknowledged writes lost",
        soak::spread(&pauses)
    );
    soak::report("rolling restart of all nodes under load", rounds, &seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_restarted_empty_at_once_costs_the_group_nothing() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let rounds = soak::rounds(1, 10);
    for round in 0..rounds {
        let old = group.master().await;
        let key = format!("kept-{round}");
        group.redis(old).set(&key, "important").await;
        let seen = group.redis(old).command(&["WAIT", "2", "5000"]).await;
        assert!(seen.is_ok(), "{seen:?}");
        let program = group.redis(old).program();
        program.kill_tree();
        let data = group.redis(old).data_dir();
        std::fs::remove_dir_all(&data).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        program.restart();
        group.wait_settled(LONG).await;
        for node in group.all_redis() {
            testkit::eventually("the key on every node", LONG, || async {
                node.get(&key).await.as_deref() == Some("important")
            })
            .await;
        }
    }
    soak::report(
        "master killed and restarted empty at once",
        rounds,
        "0 keys lost on any node",
    );
}
