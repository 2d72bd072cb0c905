//! What the world does to a watcher: it is halted, ZooKeeper is halted, Sentinels talk without end.

use std::time::{Duration, Instant};

use testkit::{Exit, Sentinel, Signal, eventually, http};

use crate::group::{DEADLINE, Group, MASTER, Watching, servers};

#[tokio::test]
async fn a_watcher_that_was_halted_publishes_nothing_old() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let short = [("ZK_SESSION_TIMEOUT", "4s")];
    let first = Watching::with(group.zk.hosts(), &short);
    first.wait_leader().await;
    let second = Watching::with(group.zk.hosts(), &short);
    second.ready().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;

    first.program.signal(Signal::SIGSTOP);
    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    group.wait_master(&to, DEADLINE).await;
    // Until its session, and with it its lead, is another's.
    second.wait_leader().await;
    let recorded = group.state().await;

    first.program.signal(Signal::SIGCONT);
    eventually("the halted watcher to be back", DEADLINE, async || {
        let named = group.zk.client().get(MASTER).await;
        assert_eq!(named, Some(to.contract()), "an old master was published");
        assert_eq!(group.state().await, recorded);
        let ready = http::get(&first.page, "/ready").await.ok()?;
        (ready.status == 200 && ready.body.contains("standby")).then_some(())
    })
    .await;
    assert_eq!(group.state().await, recorded);
    let answer = first.get("/v1/master").await.json();
    assert_eq!(answer["port"], to.port());
}

#[tokio::test]
async fn a_halted_zookeeper_makes_answers_old_and_stops_nothing() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let watching = Watching::with(group.zk.hosts(), &[("ZK_SESSION_TIMEOUT", "4s")]);
    watching.ready().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    for last in [false, true] {
        group.zk.stop();
        eventually("the answers to say that they are old", DEADLINE, async || {
            let begun = Instant::now();
            for path in ["/healthz", "/sentinel", "/sentinels", "/v1/master", "/v1/status"] {
                let answer = watching.get(path).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            }
            // From copies: nobody waits for ZooKeeper.
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
            let master = watching.get("/v1/master").await.json();
            let ready = watching.get("/ready").await;
            (master["stale_for_ms"].is_u64() && ready.status == 503).then_some(())
        })
        .await;
        if !last {
            group.zk.cont();
            watching.ready().await;
        }
    }
    let begun = Instant::now();
    watching.program.terminate();
    watching.program.terminate();
    let exit = watching.program.wait_exit(Duration::from_secs(5)).await;
    assert_eq!(exit, Exit::Code(0), "after {:?}", begun.elapsed());
}

/// Every setting is an event.
async fn talk(sentinel: &Sentinel) {
    for n in 0..600 {
        let quorum = if n % 2 == 0 { "1" } else { "2" };
        let set = ["SENTINEL", "SET", "master1", "quorum", quorum];
        sentinel.command(&set).await.unwrap();
    }
}

#[tokio::test]
async fn thousands_of_events_neither_drown_nor_delay_it() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let watching = group.watcher().await;
    watching.wait_leader().await;
    let before = group.nodes[0].addr();
    group.wait_master(before, DEADLINE).await;
    let looks = async || {
        watching
            .number("redis_zk_watcher_looks_total")
            .await
            .unwrap_or(0.0)
    };
    let (looked, begun) = (looks().await, Instant::now());
    let [one, two, three] = &group.sentinels[..] else {
        panic!("three sentinels")
    };
    tokio::join!(talk(one), talk(two), talk(three));
    let (many, took) = (looks().await - looked, begun.elapsed());
    println!("{many} looks while 1800 events came in {took:?}");
    // A burst at full speed, then one look a breath.
    assert!(many < 60.0 + took.as_secs_f64() * 16.0, "{many} in {took:?}");

    let mut streams = group.events().await;
    group.begin_failover("master1").await;
    let moved = async {
        tokio::join!(
            Group::first_switch(&mut streams, before),
            group.moved_from(before)
        )
    };
    let ((), (announced, (at, _))) = tokio::join!(talk(three), moved);
    let delay = at.saturating_duration_since(announced);
    println!("published amid events: {delay:?}");
    assert!(delay < Duration::from_millis(500), "{delay:?}");
}
