//! HAProxy in front of a group, with nothing but health checks: writes follow the master.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::{
    Group, Launch, Need, NodeWriter, Process, RedisClient, RunningGroup, ZooKeeper, eventually, http, ports,
    require, soak,
};
use topology::Addr;

const LONG: Duration = Duration::from_secs(60);

/// What docs/clients.md shows.
fn configuration(group: &RunningGroup, writes: u16, reads: u16) -> String {
    let mut text =
        "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n".to_owned();
    for (name, port, path) in [
        ("writes", writes, "/primary"),
        ("reads", reads, "/replica?max-lag=1000000"),
    ] {
        let _ = write!(
            text,
            "listen {name}\n  bind 127.0.0.1:{port}\n  option httpchk GET {path}\n  \
             default-server inter 50ms fall 1 rise 1 on-marked-down shutdown-sessions\n"
        );
        for (index, node) in group.all_redis().iter().enumerate() {
            let _ = writeln!(
                text,
                "  server redis{index} {} check port {}",
                node.addr(),
                node.http().port()
            );
        }
    }
    text
}

fn haproxy(group: &RunningGroup) -> (tempfile::TempDir, Process, RedisClient, RedisClient) {
    let [writes, reads] = ports::some();
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("haproxy.cfg");
    fs::write(&config, configuration(group, writes, reads)).expect("a file");
    let program = [
        PathBuf::from("/usr/sbin/haproxy"),
        PathBuf::from("/usr/bin/haproxy"),
    ];
    let process = Process::spawn(Launch {
        name: "haproxy".to_owned(),
        program: program.into_iter().find(|file| file.is_file()).expect("required"),
        args: vec!["-db".into(), "-f".into(), config.into()],
        env: Vec::new(),
        log: dir.path().join("log"),
        dir: dir.path().to_owned(),
    });
    let client = |port| RedisClient::new(&Addr::new("127.0.0.1", port).expect("loopback"), None);
    (dir, process, client(writes), client(reads))
}

async fn status(group: &RunningGroup, node: usize, path: &str) -> u16 {
    let answer = http::get(group.redis(node).http(), path).await;
    answer.map_or(0, |answer| answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_through_plain_health_checks_follow_the_master() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel, Need::Haproxy]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(1)
        .start()
        .await;
    let (_dir, proxy, writes, reads) = haproxy(&group);
    let rounds = soak::rounds(2, 30);
    let mut times = Vec::new();
    for _ in 0..rounds {
        let master = group.wait_settled(LONG).await;
        for node in 0..3 {
            let is_master = node == master;
            let expected = |yes: bool| if yes { 200 } else { 503 };
            let answers = async || {
                let now = (
                    status(&group, node, "/primary").await,
                    status(&group, node, "/replica?max-lag=1000000").await,
                );
                (now == (expected(is_master), expected(!is_master)))
                    .then_some(())
                    .ok_or(format!("{now:?}"))
            };
            eventually("the checks to be right", LONG, answers).await;
        }
        assert_eq!(status(&group, master, "/replica?max-lag=far").await, 400);
        let writer = NodeWriter::start(&writes);
        let arrive = async || {
            writes
                .command(&["SET", "x", "1"])
                .await
                .map_err(|e| e.to_string())
        };
        eventually("a write through HAProxy", LONG, arrive).await;
        let refused = async || match reads.command(&["SET", "x", "1"]).await {
            Err(error) if error.code() == Some("READONLY") => Ok(()),
            other => Err(format!("{other:?}\n{}", proxy.log_tail())),
        };
        eventually("a replica behind the port for reads", LONG, refused).await;
        let killed = Instant::now();
        group.redis(master).program().kill_tree();
        let back = async || {
            writes
                .command(&["SET", "x", "2"])
                .await
                .map_err(|e| e.to_string())
        };
        eventually("a write after the failover", LONG, back).await;
        let tried = writer.stop().await;
        let after = tried.iter().filter(|write| write.accepted && write.sent > killed);
        let first = after.map(|write| write.ended).min().unwrap_or_else(Instant::now);
        times.push(first - killed);
        group.redis(master).program().restart();
    }
    soak::report(
        "kill of the master, seen by a client that knows only HAProxy (httpchk every 50 ms): without writes",
        rounds,
        &soak::spread(&times),
    );
    assert!(soak::median(&times) < Duration::from_secs(1), "{times:?}");
}
