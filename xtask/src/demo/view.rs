//! One look at the whole group: every server is asked, none of our programs is believed about another.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use testkit::{RedisClient, RedisNode, RunningGroup, SentinelNode, WatcherNode, http, records, text};
use topology::{Addr, LinkStatus, Replication, Role};

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) redis: Vec<SeenRedis>,
    pub(super) sentinels: Vec<SeenSentinel>,
    pub(super) watchers: Vec<SeenWatcher>,
    /// What `/redis/master` holds; `None` when there is none.
    pub(super) published: Option<Addr>,
}

#[derive(Debug, Clone)]
pub(super) struct SeenRedis {
    pub(super) addr: Addr,
    /// Its wrapper; `None` when it has ended.
    pub(super) wrapper: Option<u32>,
    pub(super) server: Option<u32>,
    /// `None` when it did not answer.
    pub(super) replication: Option<Replication>,
}

#[derive(Debug, Clone)]
pub(super) struct SeenSentinel {
    pub(super) addr: Addr,
    pub(super) wrapper: Option<u32>,
    pub(super) server: Option<u32>,
    pub(super) registered: bool,
    pub(super) master: Option<Addr>,
    /// The replicas it finds nothing wrong with.
    pub(super) replicas: BTreeSet<Addr>,
    /// The other Sentinels it finds nothing wrong with.
    pub(super) others: BTreeSet<Addr>,
}

#[derive(Debug, Clone)]
pub(super) struct SeenWatcher {
    pub(super) addr: Addr,
    pub(super) pid: Option<u32>,
    /// `leader` or `standby`.
    pub(super) part: Option<String>,
    pub(super) master: Option<Addr>,
}

/// Asks everyone at once.
pub(super) async fn look(group: &RunningGroup) -> View {
    let registered = registered(group).await;
    let published = group.zk().get(&group.path("master")).await;
    let (redis, sentinels, watchers) = tokio::join!(
        join_all(group.all_redis().iter().map(look_at_redis)),
        join_all(
            group
                .all_sentinels()
                .iter()
                .map(|node| look_at_sentinel(node, group.name(), &registered))
        ),
        join_all(group.all_watchers().iter().map(look_at_watcher)),
    );
    View {
        redis,
        sentinels,
        watchers,
        published: published.and_then(|text| Addr::from_contract(&text).ok()),
    }
}

async fn registered(group: &RunningGroup) -> BTreeSet<String> {
    let parent = group.path("sentinels");
    let mut found = BTreeSet::new();
    for child in group.zk().children(&parent).await {
        found.extend(group.zk().get(&format!("{parent}/{child}")).await);
    }
    found
}

async fn look_at_redis(node: &RedisNode) -> SeenRedis {
    SeenRedis {
        addr: node.addr().clone(),
        wrapper: node.is_alive().then(|| node.program().pid()),
        server: node.program().child_pid(),
        replication: replication(node).await,
    }
}

/// What a Redis says of itself; `None` when it does not answer.
pub(super) async fn replication(redis: &RedisClient) -> Option<Replication> {
    let answer = redis.command(&["INFO", "replication"]).await.ok()?;
    Replication::parse(&text(&answer)).ok()
}

async fn look_at_sentinel(node: &SentinelNode, name: &str, registered: &BTreeSet<String>) -> SeenSentinel {
    SeenSentinel {
        addr: node.addr().clone(),
        wrapper: node.is_alive().then(|| node.program().pid()),
        server: node.program().child_pid(),
        registered: registered.contains(&node.addr().contract()),
        master: node.master(name).await,
        replicas: well(node, &["SENTINEL", "REPLICAS", name]).await,
        others: well(node, &["SENTINEL", "SENTINELS", name]).await,
    }
}

async fn well(node: &SentinelNode, question: &[&str]) -> BTreeSet<Addr> {
    let Ok(reply) = node.command(question).await else {
        return BTreeSet::new();
    };
    records(&reply)
        .into_iter()
        .filter_map(|record| {
            let flags = record.get("flags")?;
            let unwell = flags.contains("down") || flags.contains("disconnected");
            let port = record.get("port")?.parse().ok()?;
            Addr::new(record.get("ip")?, port).ok().filter(|_| !unwell)
        })
        .collect()
}

async fn look_at_watcher(node: &WatcherNode) -> SeenWatcher {
    let status = json(node.http(), "/v1/status").await;
    let part = status
        .as_ref()
        .and_then(|status| status.pointer("/watcher/part")?.as_str().map(str::to_owned));
    SeenWatcher {
        addr: node.http().clone(),
        pid: node.is_alive().then(|| node.program().pid()),
        part,
        master: told_master(node.http()).await,
    }
}

/// The master that a watcher tells.
pub(super) async fn told_master(watcher: &Addr) -> Option<Addr> {
    let master = json(watcher, "/v1/master").await?;
    let port = u16::try_from(master.get("port")?.as_u64()?).ok()?;
    Addr::new(master.get("host")?.as_str()?, port).ok()
}

async fn json(addr: &Addr, path: &str) -> Option<serde_json::Value> {
    let response = http::get(addr, path).await.ok()?;
    serde_json::from_str(&response.body).ok()
}

impl View {
    /// The one Redis that says it is master.
    pub(super) fn master(&self) -> Option<&SeenRedis> {
        let mut masters = self.redis.iter().filter(|redis| redis.is_master());
        let master = masters.next()?;
        masters.next().is_none().then_some(master)
    }

    /// The first thing that is not yet as it should be; `None` when the group works.
    pub(super) fn unsettled(&self) -> Option<String> {
        if let Some(silent) = self.redis.iter().find(|redis| redis.replication.is_none()) {
            return Some(format!("Redis {} does not answer", silent.addr));
        }
        let Some(master) = self.master() else {
            return Some("not exactly one Redis says master".to_owned());
        };
        let master = &master.addr;
        if let Some(redis) = self.redis.iter().find(|redis| !redis.is_well_under(master)) {
            return Some(format!("Redis {} does not follow {master} yet", redis.addr));
        }
        if self.published.as_ref() != Some(master) {
            return Some(format!("{master} is not in /redis/master yet"));
        }
        let mut sentinel = self.sentinels.iter();
        if let Some(reason) = sentinel.find_map(|sentinel| self.in_doubt(sentinel, master)) {
            return Some(reason);
        }
        let leaders = self.watchers.iter().filter(|watcher| watcher.leads()).count();
        if leaders != 1 {
            return Some(format!("{leaders} watchers lead"));
        }
        let other = self
            .watchers
            .iter()
            .find(|watcher| watcher.master.as_ref() != Some(master))?;
        Some(format!("watcher {} does not tell {master} yet", other.addr))
    }

    fn in_doubt(&self, sentinel: &SeenSentinel, master: &Addr) -> Option<String> {
        let addr = &sentinel.addr;
        if sentinel.master.as_ref() != Some(master) {
            return Some(format!("Sentinel {addr} does not name {master} yet"));
        }
        if !sentinel.registered {
            return Some(format!("Sentinel {addr} is not registered yet"));
        }
        let replicas = self
            .redis
            .iter()
            .map(|redis| &redis.addr)
            .filter(|redis| *redis != master);
        let others = self
            .sentinels
            .iter()
            .map(|other| &other.addr)
            .filter(|other| *other != addr);
        let missing = replicas
            .filter(|replica| !sentinel.replicas.contains(replica))
            .chain(others.filter(|other| !sentinel.others.contains(other)))
            .next()?;
        Some(format!("Sentinel {addr} does not see {missing} well yet"))
    }
}

impl SeenRedis {
    pub(super) fn is_master(&self) -> bool {
        self.replication
            .as_ref()
            .is_some_and(|seen| seen.role == Role::Master)
    }

    fn is_well_under(&self, master: &Addr) -> bool {
        self.addr == *master
            || self
                .replication
                .as_ref()
                .is_some_and(|seen| follows(seen, master))
    }
}

impl SeenWatcher {
    pub(super) fn leads(&self) -> bool {
        self.part.as_deref() == Some("leader")
    }
}

/// Whether it is a replica of this master with the link up.
pub(super) fn follows(seen: &Replication, master: &Addr) -> bool {
    seen.link == Some(LinkStatus::Up) && seen.role == Role::Replica { of: master.clone() }
}

#[cfg(test)]
pub(super) mod tests;
