//! HAProxy in front of a group: writes follow the master, with nothing but health checks, and faster when the watcher tells it.

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{
    Group, Kind, Launch, Need, NodeWriter, Process, RedisClient, RunningGroup, Tried, ZooKeeper, eventually,
    http, ports, require, soak,
};
use tokio::task::JoinSet;
use topology::Addr;
use zookeeper_client::Client;

const LONG: Duration = Duration::from_secs(60);

/// What docs/sinks.md shows.
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
    let process = start(dir.path(), &configuration(group, writes, reads));
    (dir, process, client(writes), client(reads))
}

fn client(port: u16) -> RedisClient {
    RedisClient::new(&Addr::new("127.0.0.1", port).expect("loopback"), None)
}

fn start(dir: &Path, configuration: &str) -> Process {
    let config = dir.join("haproxy.cfg");
    fs::write(&config, configuration).expect("a file");
    let program = [
        PathBuf::from("/usr/sbin/haproxy"),
        PathBuf::from("/usr/bin/haproxy"),
    ];
    Process::spawn(Launch {
        name: "haproxy".to_owned(),
        program: program.into_iter().find(|file| file.is_file()).expect("required"),
        args: vec!["-db".into(), "-f".into(), config.into()],
        env: Vec::new(),
        log: dir.join("log"),
        dir: dir.to_owned(),
    })
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

/// As docs/sinks.md shows it for `HAPROXY_SOCKET`: slots, and no checks.
fn slots(socket: &Path, writes: u16, reads: u16) -> String {
    format!(
        "global\n  stats socket {} level admin\n\
         defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 60s\n  timeout server 60s\n  \
         option abortonclose\n  retries 0\n\
         listen writes\n  bind 127.0.0.1:{writes}\n  server master 127.0.0.1:1 disabled\n\
         listen reads\n  bind 127.0.0.1:{reads}\n  server r1 127.0.0.1:1 disabled\n  server r2 127.0.0.1:1 disabled\n",
        socket.display()
    )
}

/// The moment at which a watch on `/redis/master` tells that it differs from `before`. Begins at once.
fn recorded(zk: &ZooKeeper, group: &RunningGroup, before: String) -> JoinSet<Instant> {
    let (hosts, path) = (zk.hosts(), group.path("master"));
    let mut watching = JoinSet::new();
    watching.spawn(async move {
        let client = Client::connect(&hosts).await.expect("ZooKeeper answers");
        loop {
            let (data, _, watcher) = client.get_and_watch_data(&path).await.expect("a master");
            if data != before.as_bytes() {
                return Instant::now();
            }
            watcher.changed().await;
        }
    });
    watching
}

async fn moment(mut watching: JoinSet<Instant>) -> Instant {
    let ended = tokio::time::timeout(LONG, watching.join_next()).await;
    ended
        .expect("another master")
        .expect("one task")
        .expect("no panic")
}

/// The longest time without an acknowledged write, in its two ends, that reaches beyond `killed`: the killed one may acknowledge a last
/// one before the signal arrives.
fn gap(tried: &[Tried], killed: Instant) -> (Instant, Instant) {
    let mut accepted: Vec<Instant> = tried
        .iter()
        .filter(|write| write.accepted)
        .map(|write| write.ended)
        .chain([killed])
        .collect();
    accepted.sort_unstable();
    let gaps = accepted.windows(2).map(|two| (two[0], two[1]));
    let longest = gaps
        .filter(|(_, end)| *end > killed)
        .max_by_key(|(start, end)| *end - *start);
    longest.expect("a write after it")
}

/// A client that stays connected, until it is cut off.
struct Resident(TcpStream);

impl Resident {
    fn connect(through: &RedisClient) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", through.port())).expect("HAProxy accepts");
        let deadline = Duration::from_secs(10);
        stream.set_read_timeout(Some(deadline)).expect("a timeout");
        let mut resident = Self(stream);
        resident.0.write_all(b"PING\r\n").expect("a connection");
        let mut answer = [0; 64];
        let length = resident.0.read(&mut answer).expect("an answer");
        assert_eq!(&answer[..length], b"+PONG\r\n");
        resident
    }

    /// Waits until somebody ends the connection; fails the test when nobody does, or when somebody speaks.
    fn wait_cut(mut self) {
        let mut answer = [0; 64];
        match self.0.read(&mut answer) {
            Ok(0) => {}
            Ok(length) => panic!("the old master says {:?}", &answer[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("a connection to the old master lives on: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watcher_tells_haproxy_where_the_master_is() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel, Need::Haproxy]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("s");
    let [port, read_port] = ports::some();
    let proxy = start(dir.path(), &slots(&socket, port, read_port));
    let (writes, reads) = (client(port), client(read_port));
    let group = Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(1)
        .env(Kind::Watcher, "HAPROXY_SOCKET", &socket.display().to_string())
        .env(Kind::Watcher, "HAPROXY_MASTER", "writes/master")
        .env(Kind::Watcher, "HAPROXY_REPLICAS", "reads")
        .start()
        .await;
    let set = async || {
        writes
            .command(&["SET", "x", "1"])
            .await
            .map_err(|error| error.to_string())
    };
    let refused = async || match reads.command(&["SET", "x", "1"]).await {
        Err(error) if error.code() == Some("READONLY") => Ok(()),
        other => Err(format!("{other:?}\n{}", proxy.log_tail())),
    };
    let rounds = soak::rounds(2, 30);
    let (mut told, mut away) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let master = group.wait_settled(LONG).await;
        eventually("a write through HAProxy", LONG, set).await;
        eventually("a replica behind the port for reads", LONG, refused).await;
        let before = group.redis(master).addr().contract();
        let recorded = recorded(&zk, &group, before);
        let writer = NodeWriter::start(&writes);
        let killed = Instant::now();
        group.redis(master).program().kill_tree();
        let recorded = moment(recorded).await;
        eventually("a write after the failover", LONG, set).await;
        let tried = writer.stop().await;
        let (last, first) = gap(&tried, killed);
        told.push(first.saturating_duration_since(recorded));
        away.push(first - last);
        group.redis(master).program().restart();
    }
    soak::report(
        "HAProxy told by the watcher: the new master is in /redis/master, to the first client through HAProxy that reaches it",
        rounds,
        &soak::spread(&told),
    );
    soak::report(
        "kill of the master, seen by a client that knows only HAProxy (told by the watcher): without writes",
        rounds,
        &soak::spread(&away),
    );
    // The figures are the soak's to judge; a run of the tests only refuses what no load explains.
    assert!(soak::median(&told) < Duration::from_millis(500), "{told:?}");
    assert!(soak::median(&away) < Duration::from_secs(1), "{away:?}");

    // A master that hangs: who was connected to it is cut off. Its wrapper ends it, too; that the watcher makes HAProxy cut them although
    // the master's end stays open is shown in crates/sinks/tests/haproxy/runtime.rs.
    let master = group.wait_settled(LONG).await;
    eventually("a write through HAProxy", LONG, set).await;
    let resident = Resident::connect(&writes);
    let before = group.redis(master).addr().contract();
    let pid = group.redis(master).program().child_pid().expect("a Redis");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
    let recorded = recorded(&zk, &group, before);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    moment(recorded).await;
    eventually("a write after the failover", LONG, set).await;
    resident.wait_cut();
}
