//! What a group will be like: how many of each, where, and with which variables.

use std::time::Duration;

use crate::net::Host;
use crate::redis::directory;
use crate::{Program, RunningGroup, ZkClient};

const START_DEADLINE: Duration = Duration::from_secs(60);

/// What the group will be like. By default it has no nodes at all.
#[derive(Debug, Clone)]
pub struct Group {
    pub(super) hosts: String,
    pub(super) root: String,
    pub(super) name: String,
    pub(super) password: Option<String>,
    pub(super) sentinel_password: Option<String>,
    pub(super) redis: usize,
    pub(super) sentinels: usize,
    pub(super) watchers: usize,
    pub(super) env: Vec<(Kind, String, String)>,
    pub(super) hosts_used: Vec<Host>,
    pub(super) under: Vec<(Kind, Vec<String>)>,
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
            under: Vec::new(),
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

    /// Runs every program of one kind as the last arguments of this command: see [`Program::under`].
    #[must_use]
    pub fn under(mut self, kind: Kind, command: &[&str]) -> Self {
        let words = command.iter().map(|word| (*word).to_owned()).collect();
        self.under.push((kind, words));
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
    pub(super) fn host(&self, count: usize) -> Option<&Host> {
        let of = self.hosts_used.len().max(1);
        self.hosts_used.get(count % of)
    }

    pub(super) fn program(&self, kind: Kind, port: u16, host: Option<&Host>) -> Program {
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
        let own = self.env.iter().filter(|(of, ..)| *of == kind);
        program = own.fold(program, |program, (_, name, value)| program.env(name, value));
        let under = self.under.iter().filter(|(of, _)| *of == kind);
        under.fold(program, |program, (_, words)| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            program.under(&words)
        })
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
