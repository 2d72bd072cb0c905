//! The event relay in real Sentinels: each failover reaches each receiver once, whoever makes it and whatever was away.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testkit::{
    Collector, Group, Kind, Need, Redis, Relay, RunningGroup, Sentinel, ZooKeeper, eventually, require, soak,
};
use topology::Addr;

const LONG: Duration = Duration::from_secs(60);
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(3);

/// Three Sentinels as on three hosts: each with a relay, and so a spool, of its own. What they share is the store and the receiver.
struct Hosts {
    nodes: Vec<Redis>,
    sentinels: Vec<Sentinel>,
    relays: Vec<Relay>,
}

impl Hosts {
    async fn start(collector: &Collector, store: &Redis, env: &[(&str, &str)]) -> Self {
        let master = Redis::start().await;
        let replica = || Redis::builder().replica_of(master.addr()).start();
        let (one, two) = tokio::join!(replica(), replica());
        let nodes = vec![master, one, two];
        let mut hosts = Self {
            nodes,
            sentinels: Vec::new(),
            relays: Vec::new(),
        };
        for _ in 0..3 {
            let mut relay = relay(collector, store);
            for (name, value) in env {
                relay = relay.env(name, *value);
            }
            let mut sentinel = Sentinel::builder()
                .monitor("master1", hosts.nodes[0].addr(), 2)
                // Nobody but the test makes failovers here, however busy the machine is.
                .down_after(Duration::from_secs(5))
                .failover_timeout(FAILOVER_TIMEOUT);
            for (hook, name) in [
                ("notification-script", "eventilator"),
                ("client-reconfig-script", "reconfigurator"),
            ] {
                sentinel = sentinel.line(&format!(
                    "sentinel {hook} master1 {}",
                    relay.script(name).display()
                ));
            }
            for (name, value) in relay.environment() {
                sentinel = sentinel.env(name, value);
            }
            hosts.sentinels.push(sentinel.start().await);
            hosts.relays.push(relay);
        }
        for sentinel in &hosts.sentinels {
            sentinel.wait_knows("master1", 2, 2, LONG).await;
        }
        hosts
    }

    /// Has a Sentinel move the role, and waits until all of them know of it and could do the next.
    async fn failover(&self, by: usize) {
        let before = self.sentinels[by].master("master1").await.unwrap();
        // An attempt may come to nothing (a replica that was slow to answer), and is over after two of its timeouts at the latest.
        let mut asked: Option<Instant> = None;
        let after = eventually("another master", LONG, async || {
            let master = self.sentinels[by].master("master1").await?;
            if master != before {
                return Some(master);
            }
            if asked.is_none_or(|asked| asked.elapsed() > 3 * FAILOVER_TIMEOUT)
                && self.sentinels[by]
                    .command(&["SENTINEL", "FAILOVER", "master1"])
                    .await
                    .is_ok()
            {
                asked = Some(Instant::now());
            }
            None
        })
        .await;
        for sentinel in &self.sentinels {
            eventually("all to name it", LONG, async || {
                (sentinel.master("master1").await.as_ref() == Some(&after)).then_some(())
            })
            .await;
        }
        self.follow(&after).await;
    }

    /// Sentinels that are hurried from one failover to the next sometimes leave a replica with the master before. That is theirs; here the next
    /// failover needs it.
    async fn follow(&self, master: &Addr) {
        let port = master.port().to_string();
        for node in self.nodes.iter().filter(|node| node.addr() != master) {
            eventually("a replica of the new master", LONG, async || {
                let follows = node.info("master_port").await.as_deref() == Some(port.as_str());
                if follows && node.info("master_link_status").await.as_deref() == Some("up") {
                    return Some(());
                }
                if !follows {
                    let _ = node.command(&["REPLICAOF", master.host(), &port]).await;
                }
                None
            })
            .await;
        }
    }

    /// Has every spool delivered, whatever failed before.
    async fn drain(&self) {
        for relay in &self.relays {
            for mode in ["eventilator", "reconfigurator"] {
                let drained = eventually("everything to be delivered", LONG, async || {
                    let done = relay.call(mode, &["drain", "--wait", "5s", "--mode", mode]);
                    if done.status.success() {
                        Ok(())
                    } else {
                        Err(format!("{done:?}\n{}", relay.log()))
                    }
                });
                drained.await;
            }
        }
    }
}

fn relay(collector: &Collector, store: &Redis) -> Relay {
    Relay::new()
        .env("EVENTILATOR_HTTP_URL", collector.url())
        .env("EVENTILATOR_REDIS_ENABLED", "true")
        .env("EVENTILATOR_REDIS_PORT", store.port().to_string())
}

/// What the receiver and the store know of `rounds` failovers: each once.
async fn exact(collector: &Collector, store: &Redis, rounds: usize) {
    let told = agreed(collector, store).await;
    assert_eq!(told, rounds, "{:#?}", collector.keys());
    let switches = collector
        .keys()
        .keys()
        .filter(|key| key.contains("/+switch-master/"))
        .count();
    assert_eq!(switches, rounds, "{:#?}", collector.keys());
}

/// How many failovers the receiver and the store know of: none twice, and the same number.
async fn agreed(collector: &Collector, store: &Redis) -> usize {
    let keys = collector.keys();
    let twice: Vec<_> = keys.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    let told = keys.keys().filter(|key| key.contains("/failover/")).count();
    let counted = of_the_year(store, "failovers:success:master1:counters").await;
    assert_eq!(counted, told as u64, "{keys:#?}");
    told
}

/// A counter's largest windows.
async fn of_the_year(store: &Redis, counter: &str) -> u64 {
    let windows = store.hash(counter).await;
    let years = windows.iter().filter(|(window, _)| !window.contains(':'));
    years.map(|(_, n)| n.parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_failovers_reach_each_receiver_once() {
    if !require(&[Need::Redis, Need::Sentinel]) {
        return;
    }
    let (collector, store) = (Collector::start().await, Redis::start().await);
    let hosts = Hosts::start(&collector, &store, &[]).await;
    let rounds = soak::rounds(2, 20);
    for round in 0..rounds {
        hosts.failover(round % 3).await;
    }
    // A master that dies: what no Sentinel was asked for.
    let dead = hosts.sentinels[0].master("master1").await.unwrap();
    let node = hosts.nodes.iter().find(|node| *node.addr() == dead).unwrap();
    node.kill();
    for sentinel in &hosts.sentinels {
        eventually("another master", LONG, async || {
            sentinel.master("master1").await.filter(|master| *master != dead)
        })
        .await;
    }
    let told = eventually("the last failover to be told", LONG, async || {
        let told = collector
            .keys()
            .keys()
            .filter(|key| key.contains("/failover/"))
            .count();
        if told > rounds { Ok(told) } else { Err(told) }
    })
    .await;
    hosts.drain().await;
    exact(&collector, &store, rounds + 1).await;
    // The death was seen by all, and is one warning.
    let odown = of_the_year(&store, "sentinel:warnings:+odown:master1:counters").await;
    assert_eq!(odown, 1);
    let repeated: usize = hosts
        .relays
        .iter()
        .map(|relay| relay.log().matches(" delivered").count())
        .sum();
    soak::report(
        "relay: stock failovers, three Sentinels with spools of their own",
        rounds + 1,
        &format!("{told} told, each once to HTTP and once to the store; {repeated} deliveries in all"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_receiver_missed_it_gets_once() {
    if !require(&[Need::Redis, Need::Sentinel]) {
        return;
    }
    let rounds = soak::rounds(1, 20);
    // The receiver is away, and every drainer dies besides.
    let (collector, store) = (Collector::start().await, Redis::start().await);
    collector.set_away(true);
    let hosts = Hosts::start(&collector, &store, &[]).await;
    for round in 0..rounds {
        hosts.failover(round % 3).await;
        hosts.relays[round % 3].kill_drainers();
    }
    assert!(collector.got().is_empty());
    collector.set_away(false);
    hosts.drain().await;
    exact(&collector, &store, rounds).await;
    drop(hosts);

    // The store is away. Told to wait for it, nobody delivers anything twice.
    let (collector, store) = (Collector::start().await, Redis::start().await);
    store.kill();
    let hosts = Hosts::start(&collector, &store, &[("EVENTILATOR_STORE_PATIENCE", "1h")]).await;
    for round in 0..rounds {
        hosts.failover(round % 3).await;
    }
    assert!(collector.got().is_empty());
    store.restart().await;
    hosts.drain().await;
    exact(&collector, &store, rounds).await;
    soak::report(
        "relay: failovers while a receiver is away, then while the store is",
        2 * rounds,
        "each once to HTTP and once to the store when they were back",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_does_not_wait_for_the_store_that_failed() {
    if !require(&[Need::Redis, Need::Sentinel]) {
        return;
    }
    let (collector, store) = (Collector::start().await, Redis::start().await);
    store.kill();
    let hosts = Hosts::start(&collector, &store, &[("EVENTILATOR_STORE_PATIENCE", "200ms")]).await;
    hosts.failover(0).await;
    eventually("the alert", LONG, async || {
        collector
            .keys()
            .keys()
            .any(|key| key.contains("/failover/"))
            .then_some(())
    })
    .await;
    // Three hosts that cannot agree tell it three times at most, and under one key.
    let keys = collector.keys();
    let failovers: Vec<_> = keys
        .iter()
        .filter(|(key, _)| key.contains("/failover/"))
        .collect();
    assert!(failovers.len() == 1 && *failovers[0].1 <= 3, "{failovers:?}");
    store.restart().await;
    hosts.drain().await;
    assert_eq!(of_the_year(&store, "failovers:success:master1:counters").await, 1);
}

/// Our own switches are announced, so that every Sentinel is an observer.
#[tokio::test(flavor = "multi_thread")]
async fn announced_switches_reach_each_receiver_once() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let (collector, store) = (Collector::start().await, Redis::start().await);
    let relay = relay(&collector, &store);
    let zk = ZooKeeper::start().await;
    let mut plan = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(1);
    for (name, value) in relay.environment() {
        plan = plan.env(Kind::Sentinel, name, value);
    }
    let script = |name: &str| relay.script(name).display().to_string();
    plan = plan
        .env(Kind::Sentinel, "NOTIFICATION_SCRIPT", &script("eventilator"))
        .env(
            Kind::Sentinel,
            "CLIENT_RECONFIG_SCRIPT",
            &script("reconfigurator"),
        );
    let group: RunningGroup = plan.start().await;
    let rounds = soak::rounds(3, 20);
    for _ in 0..rounds {
        let old = group.wait_settled(LONG).await;
        // A planned stop hands the role over; a kill does not.
        group.redis(old).program().terminate();
        eventually("the role to move", LONG, async || {
            let master = group.master().await;
            (master != old).then_some(())
        })
        .await;
        group.redis(old).program().restart();
    }
    group.wait_settled(LONG).await;
    let drained = eventually("everything to be delivered", LONG, async || {
        let done = relay.call("reconfigurator", &["drain", "--wait", "5s"]);
        let told = collector
            .keys()
            .keys()
            .filter(|key| key.contains("/failover/"))
            .count();
        if done.status.success() && told >= rounds {
            Ok(())
        } else {
            Err(format!("{told} told\n{}", relay.log()))
        }
    });
    drained.await;
    let both = relay.call("eventilator", &["drain", "--wait", "20s"]);
    assert!(both.status.success(), "{both:?}");
    // A Sentinel that promotes somebody by itself just before our announcement makes one failover more, and no switch of it.
    let told = agreed(&collector, &store).await;
    assert!(told >= rounds, "{told} of {rounds}: {:#?}", collector.keys());
    let mut epochs: BTreeMap<String, usize> = BTreeMap::new();
    for key in collector
        .keys()
        .into_keys()
        .filter(|key| key.contains("/failover/"))
    {
        let reign = key.split('/').nth(1).unwrap_or_default().to_owned();
        *epochs.entry(reign).or_default() += 1;
    }
    assert!(
        epochs.values().all(|times| *times == 1),
        "two in one epoch: {epochs:?}"
    );
    let roles: BTreeMap<String, usize> = collector
        .got()
        .iter()
        .filter(|event| event["event"] == "failover")
        .fold(BTreeMap::new(), |mut roles, event| {
            *roles
                .entry(event["role"].as_str().unwrap_or_default().to_owned())
                .or_default() += 1;
            roles
        });
    soak::report(
        "relay: announced switches, three Sentinels with one spool",
        rounds,
        &format!("{told} failovers, each once to HTTP and once to the store; told by {roles:?}"),
    );
}
