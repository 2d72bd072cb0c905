//! A Sentinel failover reaches `/redis/master`, whichever watcher or Sentinel is missing.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::{Duration, Instant};

use instance::{Credentials, DialSettings, Dialer};
use testkit::{Exit, Group, Kind, Need, RunningGroup, ZooKeeper, eventually, require, soak};
use topology::{Addr, MasterName, Role, SentinelEvent};
use zookeeper_client::Client;

const LONG: Duration = Duration::from_secs(60);

fn dialer() -> Dialer {
    let nobody = || Credentials {
        user: None,
        password: None,
    };
    Dialer::new(DialSettings {
        redis: nobody(),
        sentinel: nobody(),
        tls: None,
        connect_deadline: Duration::from_secs(1),
        response_deadline: Duration::from_secs(1),
        keep_alive: None,
    })
    .unwrap()
}

async fn group(zk: &ZooKeeper, watchers: usize) -> RunningGroup {
    let group = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(watchers);
    group.env(Kind::Sentinel, "DOWN_AFTER", "1500ms").start().await
}

/// Has a Sentinel move the role by itself, as it does when nothing of ours is quicker.
async fn stock_failover(group: &RunningGroup) {
    let sentinel = &group.all_sentinels()[0];
    let asked = sentinel.command(&["SENTINEL", "FAILOVER", group.name()]).await;
    asked.expect("a sentinel moves the role");
}

/// The moment of the first `+switch-master` that any of these Sentinels publishes.
async fn first_switch(sentinels: Vec<Addr>, name: MasterName) -> Instant {
    let (first, mut heard) = tokio::sync::mpsc::channel(16);
    let mut listeners = tokio::task::JoinSet::new();
    for addr in sentinels {
        let (first, name, dialer) = (first.clone(), name.clone(), dialer());
        listeners.spawn(async move {
            let mut events = dialer.sentinel(&addr).await.unwrap().events().await.unwrap();
            loop {
                if let SentinelEvent::SwitchMaster(switch) = events.next().await.unwrap()
                    && switch.name == name
                {
                    let _ = first.send(Instant::now()).await;
                    return;
                }
            }
        });
    }
    heard.recv().await.expect("a switch")
}

/// The moment at which a watch on `/redis/master` tells that it differs from `before`.
async fn changed(hosts: String, path: String, before: String) -> Instant {
    let client = Client::connect(&hosts).await.unwrap();
    loop {
        let (data, _, watcher) = client.get_and_watch_data(&path).await.unwrap();
        if data != before.as_bytes() {
            return Instant::now();
        }
        watcher.changed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_failover_is_published_within_50_ms_of_the_first_switch() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk, 2).await;
    let rounds = soak::rounds(3, 20);
    let mut delays = Vec::new();
    for _ in 0..rounds {
        let old = group.master().await;
        let before = group.redis(old).addr().contract();
        let sentinels = group
            .all_sentinels()
            .iter()
            .map(|node| node.addr().clone())
            .collect();
        let switch = first_switch(sentinels, group.name().parse().unwrap());
        let published = changed(zk.hosts(), group.path("master"), before);
        let moments = async { tokio::join!(switch, published) };
        let mut listening = tokio::task::JoinSet::new();
        listening.spawn(moments);
        stock_failover(&group).await;
        let moments = tokio::time::timeout(LONG, listening.join_next()).await;
        let (switch, published) = moments.unwrap().unwrap().unwrap();
        delays.push(published.saturating_duration_since(switch));
        group.wait_settled(LONG).await;
    }
    soak::report(
        "stock failover: first +switch-master to /redis/master",
        rounds,
        &soak::spread(&delays),
    );
    // The figure is the soak's to judge; a run of the tests only refuses what no load explains.
    assert!(soak::median(&delays) < Duration::from_millis(500), "{delays:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_any_sentinel_does_not_deafen_the_watcher() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let mut group = group(&zk, 1).await;
    for _ in 0..soak::rounds(1, 6) {
        group.take_sentinel(0).program().kill_tree();
        let old = group.master().await;
        group.redis(old).program().kill_tree();
        let new = group.wait_settled(LONG).await;
        assert_ne!(new, old);
        group.redis(old).program().restart();
        group.add_sentinel();
        group.wait_settled(LONG).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_no_watcher_saw_is_right_within_2_s_of_one_starting() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let mut group = group(&zk, 2).await;
    let mut times = Vec::new();
    let rounds = soak::rounds(1, 10);
    for _ in 0..rounds {
        let old = group.master().await;
        for index in (0..group.all_watchers().len()).rev() {
            group.take_watcher(index).program().kill_tree();
        }
        stock_failover(&group).await;
        let new = eventually("a new master", LONG, async || {
            let mut masters = Vec::new();
            for (index, node) in group.all_redis().iter().enumerate() {
                if index != old && node.role().await == Some(Role::Master) {
                    masters.push(index);
                }
            }
            masters.pop()
        })
        .await;
        eventually("all sentinels to name it", LONG, async || {
            let mut agree = true;
            for sentinel in group.all_sentinels() {
                agree &= sentinel.master(group.name()).await.as_ref() == Some(group.redis(new).addr());
            }
            agree
        })
        .await;
        assert_eq!(
            zk.client().get("/redis/master").await.unwrap(),
            group.redis(old).addr().contract()
        );
        let start = Instant::now();
        group.add_watcher();
        let right = group.redis(new).addr().contract();
        zk.client()
            .wait_for_data("/redis/master", &right, Duration::from_secs(10))
            .await;
        times.push(start.elapsed());
        group.add_watcher();
        group.wait_settled(LONG).await;
    }
    soak::report(
        "watchers down during a failover: start of one to right /redis/master",
        rounds,
        &soak::spread(&times),
    );
    assert!(
        times.iter().all(|time| *time < Duration::from_secs(2)),
        "{times:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_master_back_on_its_port_never_takes_a_write() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk, 1).await;
    let rounds = soak::rounds(2, 20);
    for round in 0..rounds {
        let old = group.master().await;
        group.redis(old).program().kill_tree();
        // Sometimes it is back while the failover runs, sometimes long after.
        if round % 2 == 1 {
            let now = group.wait_settled(LONG).await;
            assert_ne!(now, old);
        }
        group.redis(old).program().restart();
        let node = group.redis(old);
        let mut accepted = 0;
        let deadline = Instant::now() + LONG;
        loop {
            let answer = node.command(&["SET", "probe", "1"]).await;
            accepted += usize::from(answer.is_ok());
            if matches!(node.role().await, Some(Role::Replica { .. })) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "not a replica; its log ends:\n{}",
                node.program().log_tail()
            );
            assert_eq!(node.program().exited(), None::<Exit>);
        }
        assert_eq!(accepted, 0, "round {round}: writes taken by the old master");
        group.wait_settled(LONG).await;
    }
    soak::report(
        "old master restarted on its port: writes it accepted",
        rounds,
        "0",
    );
}
