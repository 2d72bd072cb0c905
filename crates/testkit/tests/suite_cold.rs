//! Everything was down, and the disks differ.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testkit::{Group, Kind, Need, RunningGroup, ZooKeeper, eventually, require, soak};
use topology::Role;

const LONG: Duration = Duration::from_secs(60);
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

fn needs() -> bool {
    require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel])
}

/// Three disks of one group that went down: what each holds.
struct Disks {
    stale: PathBuf,
    fresh: PathBuf,
    empty: PathBuf,
}

/// Kills all Redis nodes so that one has the last writes, one lacks them, and one has lost its disk. `save`: an RDB is all they have.
async fn wreck(group: &mut RunningGroup, round: usize, save: Save) -> Disks {
    let master = group.master().await;
    let replicas = group.replicas().await;
    let (stale, empty) = (replicas[0], replicas[1]);
    put(group, master, &format!("early-{round}")).await;
    group
        .redis(master)
        .command(&["WAIT", "2", "5000"])
        .await
        .expect("WAIT");
    save.on(group, stale).await;
    group.redis(stale).program().kill_tree();
    put(group, master, &format!("late-{round}")).await;
    save.on(group, master).await;
    for index in [empty, master] {
        group.redis(index).program().kill_tree();
    }
    let dir = |index: usize| group.redis(index).data_dir();
    let disks = Disks {
        stale: dir(stale),
        fresh: dir(master),
        empty: dir(empty),
    };
    for index in (0..3).rev() {
        let _ = group.take_redis(index);
    }
    std::fs::remove_dir_all(&disks.empty).expect("the disk is replaced");
    std::fs::create_dir(&disks.empty).expect("by an empty one");
    disks
}

#[derive(Clone, Copy)]
enum Save {
    /// The append-only file is enough.
    No,
    /// SAVE.
    Rdb,
}

impl Save {
    async fn on(self, group: &RunningGroup, index: usize) {
        let node = group.redis(index);
        match self {
            // What a replica has copied from its master is on its disk when a new base has been written.
            Save::No => {
                eventually("the append-only file to be whole", LONG, async || {
                    let running = node.info("aof_rewrite_in_progress").await;
                    running.as_deref() == Some("0")
                })
                .await;
            }
            Save::Rdb => drop(node.command(&["SAVE"]).await.expect("SAVE")),
        }
    }
}

async fn put(group: &RunningGroup, index: usize, name: &str) {
    for key in 0..50 {
        group.redis(index).set(&format!("{name}-{key}"), "value").await;
    }
}

/// Starts the three on new ports, each when the one before is a candidate, and returns the directory of the new master.
async fn start_again(group: &mut RunningGroup, disks: &Disks, order: [usize; 3]) -> PathBuf {
    let dirs = [&disks.stale, &disks.fresh, &disks.empty];
    for which in order {
        let index = group.add_redis_at(dirs[which], &[]);
        let program = group.redis(index).program();
        program.wait_log("candidate for a cold start", LONG).await;
    }
    let master = group.wait_settled(LONG).await;
    group.redis(master).data_dir()
}

async fn nothing_is_lost(group: &RunningGroup, rounds: usize, why: &str) {
    for node in group.all_redis() {
        for round in 0..rounds {
            for key in [format!("early-{round}-49"), format!("late-{round}-49")] {
                let value = node.get(&key).await;
                assert_eq!(
                    value.as_deref(),
                    Some("value"),
                    "{key} at {}: {why}\n{}",
                    node.addr(),
                    node.program().log()
                );
            }
        }
    }
}

async fn in_every_order(group: &mut RunningGroup, save: Save, what: &str) {
    let mut times = Vec::new();
    for (round, order) in ORDERS.into_iter().enumerate() {
        let disks = wreck(group, round, save).await;
        let start = Instant::now();
        let winner = start_again(group, &disks, order).await;
        times.push(start.elapsed());
        let logs: String = group
            .all_redis()
            .iter()
            .map(|node| node.program().log())
            .collect();
        assert_eq!(
            winner, disks.fresh,
            "order {order:?} of stale, fresh, empty\n{logs}"
        );
        nothing_is_lost(group, round + 1, &format!("order {order:?}")).await;
    }
    soak::report(
        what,
        ORDERS.len(),
        &format!("the freshest won each time; works again {}", soak::spread(&times)),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_freshest_append_only_file_wins_in_every_order_with_sentinels_alive() {
    if !needs() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(1);
    let mut group = group.env(Kind::Sentinel, "DOWN_AFTER", "1500ms").start().await;
    in_every_order(
        &mut group,
        Save::No,
        "all down, disks differ (AOF), Sentinels alive",
    )
    .await;
}

fn rdb_only(dir: &Path) -> String {
    let path = dir.join("redis.conf");
    std::fs::write(&path, "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n").expect("a template");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_freshest_rdb_wins_in_every_order_without_sentinels() {
    if !needs() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let group = Group::new(&zk.hosts())
        .redis(3)
        .env(Kind::Redis, "REDIS_CONF", &rdb_only(dir.path()));
    let mut group = group.start().await;
    in_every_order(&mut group, Save::Rdb, "all down, disks differ (RDB), no Sentinel").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_winner_that_dies_before_it_answers_is_not_the_end() {
    if !needs() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(3).sentinels(3);
    let mut group = group.env(Kind::Sentinel, "DOWN_AFTER", "1500ms").start().await;
    let disks = wreck(&mut group, 0, Save::No).await;
    // The freshest has a redis-server that never answers.
    let dir = tempfile::tempdir().expect("a directory");
    let mute = dir.path().join("redis-server");
    std::fs::write(&mute, "#!/bin/sh\nexec sleep 600\n").expect("a script");
    std::fs::set_permissions(&mute, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("that runs");
    let winner = group.add_redis_at(&disks.fresh, &[("REDIS_SERVER", &mute.display().to_string())]);
    for disk in [&disks.stale, &disks.empty] {
        let index = group.add_redis_at(disk, &[]);
        group
            .redis(index)
            .program()
            .wait_log("candidate for a cold start", LONG)
            .await;
    }
    let program = group.redis(winner).program();
    program.wait_log("role=\"master\"", LONG).await;
    program.kill_tree();
    let next = group.wait_settled(LONG).await;
    assert_eq!(group.redis(next).data_dir(), disks.stale, "the best of the rest");
    assert_eq!(
        group.redis(next).get("early-0-49").await.as_deref(),
        Some("value")
    );
    // It comes back, too late to win, and says what it alone has.
    let _ = group.take_redis(winner);
    let loser = group.add_redis_at(&disks.fresh, &[]);
    let program = group.redis(loser).program();
    program.wait_log("data that the master does not have", LONG).await;
    group.wait_settled(LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_comes_back_empty_at_once_costs_no_key() {
    if !needs() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let group = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(1);
    let group = group
        .env(Kind::Redis, "REDIS_CONF", &rdb_only(dir.path()))
        .start()
        .await;
    let writer = group.writer().start();
    let rounds = soak::rounds(2, 10);
    for round in 0..rounds {
        let master = group.master().await;
        put(&group, master, &format!("round-{round}")).await;
        group
            .redis(master)
            .command(&["WAIT", "2", "5000"])
            .await
            .expect("WAIT");
        writer.wait_write(LONG).await;
        group.redis(master).program().restart();
        eventually("another master", LONG, async || {
            let mut masters = Vec::new();
            for (index, node) in group.all_redis().iter().enumerate() {
                if node.role().await == Some(Role::Master) {
                    masters.push(index);
                }
            }
            if masters.len() == 1 && masters != [master] {
                Ok(())
            } else {
                Err(format!("masters {masters:?}"))
            }
        })
        .await;
        group.wait_settled(LONG).await;
        for node in group.all_redis() {
            for round in 0..=round {
                let value = node.get(&format!("round-{round}-49")).await;
                assert_eq!(value.as_deref(), Some("value"), "{}", node.addr());
            }
        }
        writer.wait_write(LONG).await;
    }
    let written = writer.stop().writes().len();
    soak::report(
        "master killed and restarted empty at once, under load",
        rounds,
        &format!("0 keys lost, {written} writes meanwhile"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_master_with_the_older_disk_lets_another_go_first_on_the_old_ports() {
    if !needs() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let group = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(1);
    let group = group
        .env(Kind::Redis, "REDIS_CONF", &rdb_only(dir.path()))
        .env(Kind::Sentinel, "DOWN_AFTER", "1500ms")
        .start()
        .await;
    let rounds = soak::rounds(2, 10);
    for round in 0..rounds {
        let master = group.master().await;
        let replicas = group.replicas().await;
        put(&group, master, &format!("early-{round}")).await;
        Save::Rdb.on(&group, master).await;
        put(&group, master, &format!("late-{round}")).await;
        group
            .redis(master)
            .command(&["WAIT", "2", "5000"])
            .await
            .expect("WAIT");
        Save::Rdb.on(&group, replicas[0]).await;
        for node in group.all_redis() {
            node.program().kill_tree();
        }
        for index in [master, replicas[1], replicas[0]] {
            group.redis(index).program().restart();
        }
        let winner = group.wait_settled(LONG).await;
        let logs: String = group
            .all_redis()
            .iter()
            .map(|node| node.program().log())
            .collect();
        assert_eq!(winner, replicas[0], "the node that saved last\n{logs}");
        nothing_is_lost(&group, round + 1, "on the old ports").await;
    }
}
