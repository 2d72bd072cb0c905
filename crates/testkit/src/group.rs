//! A whole group on loopback: our wrappers with their Redis nodes and Sentinels, and our watchers.
//!
//! Each program gets its own ports and directory and the documented environment variables, nothing else. Whether the
//! group works is asked of the servers themselves, never of our programs alone.

mod node;
mod plan;
mod settled;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use topology::Addr;

pub use self::node::{Node, RedisNode, SentinelNode, WatcherNode};
pub use self::plan::{Group, Kind};
use crate::net::address;
use crate::{Program, RedisClient, SentinelClient, Writer, WriterBuilder, ZkClient, eventually, ports};

/// A group that runs. Dropping it kills all of it.
#[derive(Debug)]
pub struct RunningGroup {
    plan: Group,
    zk: ZkClient,
    redis: Vec<RedisNode>,
    sentinels: Vec<SentinelNode>,
    watchers: Vec<WatcherNode>,
    dir: TempDir,
}

impl RunningGroup {
    /// One more redis-wrapper, on new ports and with an empty directory. Returns its index.
    pub fn add_redis(&mut self) -> usize {
        let (program, addr, admin) = self.wrapper(Kind::Redis);
        self.start_redis(program, &addr, admin)
    }

    /// One more redis-wrapper, on new ports, with the directory of an earlier one, or any other, and more variables. Returns
    /// its index.
    pub fn add_redis_at(&mut self, data: &Path, env: &[(&str, &str)]) -> usize {
        let (program, addr, admin) = self.wrapper(Kind::Redis);
        let program = program.env("DATA_DIR", data.display().to_string());
        let program = env
            .iter()
            .fold(program, |program, (name, value)| program.env(name, *value));
        self.start_redis(program, &addr, admin)
    }

    fn start_redis(&mut self, program: Program, addr: &Addr, admin: Addr) -> usize {
        let client = RedisClient::new(addr, self.plan.password.as_deref());
        self.redis.push(Node::new(program.start(), client, admin));
        self.redis.len() - 1
    }

    /// One more sentinel-wrapper, on new ports and with an empty directory. Returns its index.
    pub fn add_sentinel(&mut self) -> usize {
        let (program, addr, admin) = self.wrapper(Kind::Sentinel);
        let client = SentinelClient::new(&addr, self.plan.sentinel_password.as_deref());
        self.sentinels.push(Node::new(program.start(), client, admin));
        self.sentinels.len() - 1
    }

    /// One more watcher. Returns its index.
    pub fn add_watcher(&mut self) -> usize {
        let port = ports::free();
        let host = self.plan.host(self.watchers.len());
        let http = address(host, port);
        let program = self.plan.program(Kind::Watcher, port, host);
        self.watchers.push(Node::new(program.start(), (), http));
        self.watchers.len() - 1
    }

    fn wrapper(&self, kind: Kind) -> (Program, Addr, Addr) {
        let [port, admin] = ports::some();
        let host = self.plan.host(match kind {
            Kind::Redis => self.redis.len(),
            Kind::Sentinel => self.sentinels.len(),
            Kind::Watcher => self.watchers.len(),
        });
        let data: PathBuf = self.dir.path().join(format!("{}-{port}", kind.program()));
        std::fs::create_dir(&data).unwrap_or_else(|error| panic!("cannot make {}: {error}", data.display()));
        let program = self
            .plan
            .program(kind, port, host)
            .env("ADMIN_PORT", admin.to_string())
            .env("DATA_DIR", data.display().to_string());
        (program, address(host, port), address(host, admin))
    }

    /// One Redis node, counted from 0 in the order of their starts.
    pub fn redis(&self, index: usize) -> &RedisNode {
        &self.redis[index]
    }

    /// One Sentinel.
    pub fn sentinel(&self, index: usize) -> &SentinelNode {
        &self.sentinels[index]
    }

    /// One watcher.
    pub fn watcher(&self, index: usize) -> &WatcherNode {
        &self.watchers[index]
    }

    /// All Redis nodes, dead ones too.
    pub fn all_redis(&self) -> &[RedisNode] {
        &self.redis
    }

    /// All Sentinels, dead ones too.
    pub fn all_sentinels(&self) -> &[SentinelNode] {
        &self.sentinels
    }

    /// All watchers, dead ones too.
    pub fn all_watchers(&self) -> &[WatcherNode] {
        &self.watchers
    }

    /// Takes a Redis node out of the group; it runs until it is dropped.
    pub fn take_redis(&mut self, index: usize) -> RedisNode {
        self.redis.remove(index)
    }

    /// Takes a Sentinel out of the group; it runs until it is dropped.
    pub fn take_sentinel(&mut self, index: usize) -> SentinelNode {
        self.sentinels.remove(index)
    }

    /// Takes a watcher out of the group; it runs until it is dropped.
    pub fn take_watcher(&mut self, index: usize) -> WatcherNode {
        self.watchers.remove(index)
    }

    /// The group's tree in ZooKeeper.
    pub fn zk(&self) -> &ZkClient {
        &self.zk
    }

    /// The path of a znode of the group, such as `master` or `sentinels`.
    pub fn path(&self, below_root: &str) -> String {
        format!("{}/{below_root}", self.plan.root)
    }

    /// The name under which Sentinels know the master.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// A client that will write through the group's Sentinels.
    pub fn writer(&self) -> WriterBuilder {
        let sentinels = self.sentinels.iter().map(|node| SentinelClient::clone(node));
        let writer = Writer::through(sentinels, self.name());
        match &self.plan.password {
            Some(password) => writer.password(password),
            None => writer,
        }
    }

    /// The index of the one living Redis that says it is master; waits up to 10 s for there to be exactly one.
    pub async fn master(&self) -> usize {
        eventually("one master", Duration::from_secs(10), async || {
            settled::one_master(self).await.map(|(index, _)| index)
        })
        .await
    }

    /// The indexes of the other living Redis nodes.
    pub async fn replicas(&self) -> Vec<usize> {
        let master = self.master().await;
        (0..self.redis.len())
            .filter(|index| *index != master && self.redis[*index].is_alive())
            .collect()
    }

    /// Waits until the group works and returns its master's index: of the living Redis nodes exactly one says master, the
    /// others are its replicas with the link up; `/redis/master` names it; every living Sentinel names it too, is
    /// registered, and sees every other living node as well; every living watcher is ready.
    pub async fn wait_settled(&self, deadline: Duration) -> usize {
        eventually("the group to be settled", deadline, async || {
            settled::look(self).await
        })
        .await
    }
}
