//! A whole group on loopback: our wrappers with their Redis nodes and Sentinels, and our watchers.
//!
//! Each program gets its own ports and directory and the documented environment variables, nothing else. Whether the
//! group works is asked of the servers themselves, never of our programs alone.

mod node;
mod settled;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use topology::Addr;

pub use self::node::{Node, RedisNode, SentinelNode, WatcherNode};
use crate::net::{Host, address};
use crate::redis::directory;
use crate::{Program, RedisClient, SentinelClient, Writer, WriterBuilder, ZkClient, eventually, ports};

const START_DEADLINE: Duration = Duration::from_secs(60);

/// What the group will be like. By default it has no nodes at all.
#[derive(Debug, Clone)]
pub struct Group {
    hosts: String,
    root: String,
    name: String,
    password: Option<String>,
    sentinel_password: Option<String>,
    redis: usize,
    sentinels: usize,
    watchers: usize,
    env: Vec<(Kind, String, String)>,
    hosts_used: Vec<Host>,
}

/// One of our programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `redis-wrapper`.
    Redis,
    /// `sentinel-wrapper`.
    Sentinel,
    /// `watcher`.
    Watcher,
}

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

impl Group {
    /// A group that meets in the ZooKeeper at `hosts`.
    pub fn new(hosts: &str) -> Self {
        Self {
            hosts: hosts.to_owned(),
            root: "/redis".to_owned(),
            name: "master1".to_owned(),
            password: None,
            sentinel_password: None,
            redis: 0,
            sentinels: 0,
            watchers: 0,
            env: Vec::new(),
            hosts_used: Vec::new(),
        }
    }

    /// Puts the first Redis, the first Sentinel and the first watcher on the first of these hosts, and so on, beginning anew where
    /// there are more of them than hosts. They find their own addresses, as `NET_IFACE` says.
    #[must_use]
    pub fn on(mut self, hosts: &[Host]) -> Self {
        self.hosts_used = hosts.to_vec();
        self
    }

    /// So many Redis nodes.
    #[must_use]
    pub fn redis(mut self, count: usize) -> Self {
        self.redis = count;
        self
    }

    /// So many Sentinels.
    #[must_use]
    pub fn sentinels(mut self, count: usize) -> Self {
        self.sentinels = count;
        self
    }

    /// So many watchers.
    #[must_use]
    pub fn watchers(mut self, count: usize) -> Self {
        self.watchers = count;
        self
    }

    /// `ZK_ROOT`, `/redis` by default.
    #[must_use]
    pub fn root(mut self, root: &str) -> Self {
        root.clone_into(&mut self.root);
        self
    }

    /// `MASTER_NAME`, `master1` by default.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// `REDIS_PASSWORD` of every program.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// `SENTINEL_PASSWORD` of every program.
    #[must_use]
    pub fn sentinel_password(mut self, password: &str) -> Self {
        self.sentinel_password = Some(password.to_owned());
        self
    }

    /// One more variable for every program of one kind.
    #[must_use]
    pub fn env(mut self, kind: Kind, name: &str, value: &str) -> Self {
        self.env.push((kind, name.to_owned(), value.to_owned()));
        self
    }

    /// Starts every program at once and waits for nothing.
    pub fn launch(self) -> RunningGroup {
        let mut group = RunningGroup {
            zk: ZkClient::new(&self.hosts),
            redis: Vec::new(),
            sentinels: Vec::new(),
            watchers: Vec::new(),
            dir: directory("group"),
            plan: self,
        };
        for _ in 0..group.plan.redis {
            group.add_redis();
        }
        for _ in 0..group.plan.sentinels {
            group.add_sentinel();
        }
        for _ in 0..group.plan.watchers {
            group.add_watcher();
        }
        group
    }

    /// Starts every program and waits until the group works.
    pub async fn start(self) -> RunningGroup {
        let group = self.launch();
        group.wait_settled(START_DEADLINE).await;
        group
    }

    /// Where the next of its kind runs.
    fn host(&self, count: usize) -> Option<&Host> {
        let of = self.hosts_used.len().max(1);
        self.hosts_used.get(count % of)
    }

    fn program(&self, kind: Kind, port: u16, host: Option<&Host>) -> Program {
        let mut program = Program::new(kind.program())
            .env("ZK_HOSTS", &self.hosts)
            .env("ZK_ROOT", &self.root)
            .env("MASTER_NAME", &self.name)
            .env("PORT0", port.to_string());
        program = match host {
            Some(host) => program.on(host),
            None => program.env("BIND_IP", "127.0.0.1"),
        };
        let secrets = [
            ("REDIS_PASSWORD", &self.password),
            ("SENTINEL_PASSWORD", &self.sentinel_password),
        ];
        for (name, value) in secrets {
            if let Some(value) = value {
                program = program.env(name, value);
            }
        }
        self.env
            .iter()
            .filter(|(of, ..)| *of == kind)
            .fold(program, |program, (_, name, value)| program.env(name, value))
    }
}

impl Kind {
    /// The name of its file.
    pub fn program(self) -> &'static str {
        match self {
            Kind::Redis => "redis-wrapper",
            Kind::Sentinel => "sentinel-wrapper",
            Kind::Watcher => "watcher",
        }
    }
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
