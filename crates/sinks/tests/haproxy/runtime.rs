//! The Runtime API: clients reach the master and nobody else, whatever happens to HAProxy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sinks::{Assurance, Board, Brought, Gate, Sink, SinkError, Standing, Terms, keep};
use testkit::{Need, Redis, eventually, ports, require, soak};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::proxy::{Proxy, SOON, client, group, loopback, picture};

fn writes(port: u16, options: &str) -> String {
    format!("listen sessions\n  bind 127.0.0.1:{port}\n  server master 127.0.0.1:1 disabled {options}\n")
}

/// Which Redis a connection through the proxy reaches: each was told its own name.
async fn reached(port: u16) -> Result<String, String> {
    let answer = client(port)
        .command(&["GET", "who"])
        .await
        .map_err(|error| error.to_string())?;
    Ok(testkit::text(&answer))
}

async fn named(who: &str) -> Redis {
    let redis = Redis::start().await;
    redis.set("who", who).await;
    redis
}

/// A client that stays connected: `GET who` over the same connection.
struct Old(TcpStream);

impl Old {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("HAProxy accepts");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        Self(stream)
    }

    /// The answer; empty when the connection was cut.
    fn ask(&mut self) -> String {
        let mut answer = [0; 64];
        let read = self
            .0
            .write_all(b"GET who\r\n")
            .and_then(|()| self.0.read(&mut answer));
        String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned()
    }
}

#[tokio::test]
async fn clients_are_moved_and_old_connections_cut() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let (one, two) = (named("one").await, named("two").await);
    let port = ports::free();
    let proxy = Proxy::start(&writes(port, "")).await;
    let mut sink = proxy.sink("{name}/master", None);
    let first = picture(vec![group("sessions", 1, one.addr(), &[])]);
    assert_eq!(sink.bring(&first).await.unwrap().told.len(), 1);
    assert_eq!(sink.bring(&first).await.unwrap(), Brought::default());
    assert_eq!(reached(port).await.unwrap(), "one");
    let mut old = Old::connect(port);
    assert!(old.ask().contains("one"));
    let second = picture(vec![group("sessions", 2, two.addr(), &[])]);
    assert_eq!(sink.bring(&second).await.unwrap().told.len(), 1);
    assert_eq!(old.ask(), "", "an old connection lives on");
    assert_eq!(reached(port).await.unwrap(), "two");
    assert_eq!(sink.bring(&second).await.unwrap(), Brought::default());
}

#[tokio::test]
async fn a_client_that_waits_for_the_old_master_is_cut_too() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let [port, gone] = ports::some();
    let two = named("two").await;
    let proxy = Proxy::start(&writes(port, "")).await;
    let mut sink = proxy.sink("{name}/master", None);
    let _ = sink
        .bring(&picture(vec![group("sessions", 1, &loopback(gone), &[])]))
        .await
        .unwrap();
    // Nobody listens there: HAProxy tries again and again, with the client's words in its hands.
    let mut waiting = Old::connect(port);
    waiting.0.write_all(b"SET stray 1\r\n").unwrap();
    let tried = async || {
        proxy.ask("show stat").lines().any(|row| {
            let words: Vec<&str> = row.split(',').collect();
            // wretr: it waits for its next try, up to a second.
            words[0] == "sessions" && words[1] == "master" && words[15] != "0"
        })
    };
    eventually("a session to wait", SOON, tried).await;
    let back = Redis::builder().port(gone).start().await;
    let _ = sink
        .bring(&picture(vec![group("sessions", 2, two.addr(), &[])]))
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(waiting.ask(), "", "it is cut");
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "not before its next try"
    );
    assert_eq!(back.get("stray").await, None, "it wrote to the old master");
    assert_eq!(reached(port).await.unwrap(), "two");
}

#[tokio::test]
async fn no_client_reaches_the_old_master_once_the_new_one_is_confirmed() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let (one, two) = (named("one").await, named("two").await);
    let port = ports::free();
    let proxy = Proxy::start(&writes(port, "check inter 20ms fall 1 rise 2")).await;
    let board = Board::new(Vec::new());
    let (_gate, gate) = watch::channel(Gate::Open);
    let (standing, standings) = watch::channel(Standing::idle("haproxy"));
    let terms = Terms {
        deadline: Duration::from_secs(5),
        every: Duration::from_secs(1),
        ceiling: Duration::from_secs(1),
    };
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let sink = proxy.sink("{name}/master", None);
    tasks.spawn(keep(sink, terms, board.pictures(), gate, standing, stop.clone()));
    let rounds = soak::rounds(20, 200);
    let (mut confirmed, mut reachable) = (Vec::new(), Vec::new());
    for round in 1..=u64::try_from(rounds).unwrap() {
        let (redis, who) = if round % 2 == 0 {
            (&two, "two")
        } else {
            (&one, "one")
        };
        let began = Instant::now();
        let _ = board.offer(group("sessions", round, redis.addr(), &[]));
        loop {
            let is_confirmed = standings
                .borrow()
                .confirmed
                .values()
                .any(|epoch| epoch.0 == round);
            let answer = reached(port).await;
            if answer.as_deref() == Ok(who) {
                break;
            }
            assert!(!is_confirmed, "confirmed, and a client got {answer:?}");
            assert!(began.elapsed() < SOON, "{answer:?}");
        }
        reachable.push(began.elapsed());
        let took = async || {
            let standing = standings.borrow().clone();
            let is_confirmed = standing.confirmed.values().any(|epoch| epoch.0 == round);
            is_confirmed.then_some(standing.last_took).flatten()
        };
        confirmed.push(eventually("the move to be confirmed", SOON, took).await);
    }
    stop.cancel();
    soak::report(
        "HAProxy Runtime API: new master offered to read back",
        rounds,
        &soak::spread(&confirmed),
    );
    soak::report(
        "HAProxy Runtime API: new master offered to first client that reaches it",
        rounds,
        &soak::spread(&reachable),
    );
    assert!(
        soak::median(&reachable) < Duration::from_millis(100),
        "{reachable:?}"
    );
}

#[tokio::test]
async fn whoever_changes_or_restarts_it_it_is_put_right() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let (one, two) = (named("one").await, named("two").await);
    let port = ports::free();
    let proxy = Proxy::start(&writes(port, "")).await;
    let mut sink = proxy.sink("{name}/master", None);
    let picture = picture(vec![group("sessions", 1, one.addr(), &[])]);
    let _ = sink.bring(&picture).await.unwrap();
    for change in [
        "set server sessions/master state maint".to_owned(),
        "set server sessions/master state drain".to_owned(),
        format!(
            "set server sessions/master addr 127.0.0.1 port {}",
            two.addr().port()
        ),
        "set server sessions/master addr 127.0.0.7".to_owned(),
    ] {
        proxy.ask(&change);
        // What is open elsewhere is left for a moment: another watcher may have done it.
        eventually(&format!("after {change}"), SOON, async || {
            sink.bring(&picture)
                .await
                .is_ok_and(|brought| brought.told.len() == 1)
        })
        .await;
        assert_eq!(reached(port).await.unwrap(), "one");
    }
    proxy.process.kill_tree();
    let gone = sink.bring(&picture).await.unwrap_err();
    assert!(matches!(gone, SinkError::Unreachable { .. }), "{gone:?}");
    proxy.process.respawn();
    proxy.answers().await;
    assert!(reached(port).await.is_err(), "nobody before it is told");
    assert_eq!(sink.bring(&picture).await.unwrap().told.len(), 1);
    assert_eq!(reached(port).await.unwrap(), "one");
}

#[tokio::test]
async fn a_check_that_held_the_slot_down_does_not_hold_the_new_master_down() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let (one, two) = (named("one").await, named("two").await);
    let port = ports::free();
    let proxy = Proxy::start(&writes(port, "check inter 50ms fall 2 rise 1000")).await;
    let mut sink = proxy.sink("{name}/master", None);
    let _ = sink
        .bring(&picture(vec![group("sessions", 1, one.addr(), &[])]))
        .await
        .unwrap();
    one.kill();
    let down = vec![format!("{} 4 0", one.addr())];
    eventually("the check to notice", SOON, async || {
        proxy.servers("sessions") == down
    })
    .await;
    let same = picture(vec![group("sessions", 1, one.addr(), &[])]);
    let brought = sink.bring(&same).await.unwrap();
    assert!(brought.told.is_empty());
    assert_eq!(
        brought.remark.as_deref(),
        Some("HAProxy's own check holds sessions/master down")
    );
    // With `rise 1000` a slot that stays down is down for most of a minute.
    let _ = sink
        .bring(&picture(vec![group("sessions", 2, two.addr(), &[])]))
        .await
        .unwrap();
    assert_eq!(reached(port).await.unwrap(), "two");
}

#[tokio::test]
async fn reads_go_to_fit_replicas_and_to_nobody_else() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let nodes = [
        named("0").await,
        named("1").await,
        named("2").await,
        named("3").await,
    ];
    let [a, b, c, d] = [0, 1, 2, 3].map(|at: usize| nodes[at].addr());
    let [port, reads] = ports::some();
    let pool = format!(
        "{}listen sessions-replicas\n  bind 127.0.0.1:{reads}\n  balance roundrobin\n  server r1 127.0.0.1:1 disabled\n  \
         server r2 127.0.0.1:1 disabled\n",
        writes(port, "")
    );
    let proxy = Proxy::start(&pool).await;
    let mut sink = proxy.sink("{name}/master", Some("{name}-replicas"));
    let _ = sink
        .bring(&picture(vec![group("sessions", 1, a, &[b, c])]))
        .await
        .unwrap();
    let servers = || proxy.servers("sessions-replicas");
    let mut has: Vec<String> = vec![format!("{b} 4 2"), format!("{c} 4 2")];
    has.sort();
    assert_eq!(servers(), has);
    let mut both = vec![reached(reads).await.unwrap(), reached(reads).await.unwrap()];
    both.sort();
    assert_eq!(both, ["1", "2"]);
    let mut olds: Vec<Old> = (0..2).map(|_| Old::connect(reads)).collect();
    let readers: Vec<String> = olds.iter_mut().map(Old::ask).collect();
    // The second one lags: it leaves, with its readers, and the first one and its readers stay.
    let brought = sink
        .bring(&picture(vec![group("sessions", 1, a, &[c])]))
        .await
        .unwrap();
    assert_eq!(brought.told.len(), 1);
    for (old, before) in olds.iter_mut().zip(&readers) {
        let now = old.ask();
        assert_eq!(now, if before.contains('2') { before.as_str() } else { "" });
    }
    for _ in 0..4 {
        assert_eq!(reached(reads).await.unwrap(), "2");
    }
    // A third one comes into the slot that is free; a fourth has none.
    let brought = sink
        .bring(&picture(vec![group("sessions", 1, a, &[b, c, d])]))
        .await
        .unwrap();
    let remark = brought.remark.expect("a remark");
    assert!(remark.contains("2 servers for 3 replicas"), "{remark}");
    assert!(servers().contains(&format!("{c} 4 2")));
    // Nobody may be read: the master is, and writes were never touched.
    let brought = sink
        .bring(&picture(vec![group("sessions", 1, a, &[])]))
        .await
        .unwrap();
    assert_eq!(
        brought.remark.as_deref(),
        Some("no replica of sessions may be read; its master is")
    );
    assert_eq!(reached(reads).await.unwrap(), "0");
    assert_eq!(reached(port).await.unwrap(), "0");
}

#[tokio::test]
async fn a_slot_is_not_torn_to_and_fro_between_two_watchers() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let (one, two) = (named("one").await, named("two").await);
    let port = ports::free();
    let proxy = Proxy::start(&writes(port, "")).await;
    let (mut ours, mut theirs) = (
        proxy.sink("{name}/master", None),
        proxy.sink("{name}/master", None),
    );
    let right = picture(vec![group("sessions", 2, one.addr(), &[])]);
    let _ = ours.bring(&right).await.unwrap();
    // Another watcher, which shows something else as of the same epoch, comes to it.
    let wrong = picture(vec![group("sessions", 2, two.addr(), &[])]);
    let _ = theirs.bring(&wrong).await.unwrap();
    let mut client = Old::connect(port);
    assert!(client.ask().contains("two"));
    let mut doubtful = right.clone();
    for group in doubtful.groups.values_mut() {
        group.assurance = Assurance::Doubtful;
    }
    let began = Instant::now();
    for (picture, remark) in [
        (&right, "is taken back if"),
        (&doubtful, "until it is certain again"),
    ] {
        let brought = ours.bring(picture).await.unwrap();
        assert!(brought.told.is_empty(), "{brought:?}");
        assert!(brought.remark.unwrap().contains(remark));
    }
    assert!(client.ask().contains("two"), "its client was cut");
    // HAProxy is started anew: a slot that nobody filled is filled, doubt or not.
    proxy.process.respawn();
    proxy.answers().await;
    assert_eq!(ours.bring(&doubtful).await.unwrap().told.len(), 1);
    assert_eq!(reached(port).await.unwrap(), "one");
    // It is still so after the respite, and there is no doubt: it is taken back.
    let _ = theirs
        .bring(&picture(vec![group("sessions", 3, two.addr(), &[])]))
        .await
        .unwrap();
    eventually("it to be taken back", SOON, async || {
        ours.bring(&right)
            .await
            .is_ok_and(|brought| !brought.told.is_empty())
    })
    .await;
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(reached(port).await.unwrap(), "one");
}

#[tokio::test]
async fn what_is_missing_is_named_and_the_others_are_served() {
    if !require(&[Need::Redis, Need::Haproxy]) {
        return;
    }
    let one = named("one").await;
    let port = ports::free();
    let body = format!("{}backend queue\n  server other 127.0.0.1:1\n", writes(port, ""));
    let proxy = Proxy::start(&body).await;
    let mut sink = proxy.sink("{name}/master", None);
    let both = |other| {
        picture(vec![
            group(other, 1, one.addr(), &[]),
            group("sessions", 1, one.addr(), &[]),
        ])
    };
    let error = sink.bring(&both("absent")).await.unwrap_err().to_string();
    assert!(
        error.contains("no backend `absent`") && error.contains("`backend absent`"),
        "{error}"
    );
    assert_eq!(reached(port).await.unwrap(), "one");
    let error = sink.bring(&both("queue")).await.unwrap_err().to_string();
    assert!(error.contains("`queue` has no server `master`"), "{error}");
    assert_eq!(
        sink.confirmed()
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["sessions"]
    );
    let named = picture(vec![group(
        "sessions",
        1,
        &topology::Addr::new("no-such-host.invalid", 6379).unwrap(),
        &[],
    )]);
    let error = sink.bring(&named).await.unwrap_err().to_string();
    assert!(
        error.contains("no-such-host.invalid:6379, a name that does not resolve"),
        "{error}"
    );
}

#[tokio::test]
async fn a_socket_without_the_right_to_write_is_explained() {
    if !require(&[Need::Haproxy]) {
        return;
    }
    let port = ports::free();
    let proxy = Proxy::start(&writes(port, "")).await;
    let socket = proxy.dir.path().join("user");
    let config = proxy.dir.path().join("haproxy.cfg");
    let text = std::fs::read_to_string(&config).unwrap();
    let own = proxy.socket().display().to_string();
    let more = format!(
        "global\n  stats socket {} level user\n  stats socket {own} level admin\n",
        socket.display()
    );
    std::fs::write(
        &config,
        text.replace(&format!("global\n  stats socket {own} level admin\n"), &more),
    )
    .unwrap();
    proxy.process.respawn();
    proxy.answers().await;
    let mut sink = sinks::haproxy::RuntimeSink::new(sinks::haproxy::Runtime {
        socket: socket.display().to_string().parse().unwrap(),
        master: "{name}/master".parse().unwrap(),
        replicas: None,
        deadline: Duration::from_secs(5),
    });
    let error = sink
        .bring(&picture(vec![group("sessions", 1, &loopback(1), &[])]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`level admin`"), "{error}");
}

#[tokio::test]
async fn a_haproxy_that_answers_nothing_is_left_at_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let silent = Arc::new(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut sink = sinks::haproxy::RuntimeSink::new(sinks::haproxy::Runtime {
        socket: path.display().to_string().parse().unwrap(),
        master: "a/b".parse().unwrap(),
        replicas: None,
        deadline: Duration::from_millis(50),
    });
    let error = sink
        .bring(&picture(vec![group("sessions", 1, &loopback(1), &[])]))
        .await
        .unwrap_err();
    assert!(matches!(error, SinkError::Unreachable { .. }), "{error:?}");
    drop(silent);
}
