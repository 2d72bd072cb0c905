//! A redis-server.

use std::fmt::Write as _;
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use topology::Addr;

use crate::needs::{Need, demand, find};
use crate::process::{Launch, Process};
use crate::{RedisClient, eventually, ports};

const START_DEADLINE: Duration = Duration::from_secs(20);

/// What the server will be like. By default: a master on 127.0.0.1 that saves nothing.
#[derive(Debug, Default, Clone)]
pub struct RedisBuilder {
    port: Option<u16>,
    replica_of: Option<Addr>,
    password: Option<String>,
    lines: Vec<String>,
}

/// A running redis-server in its own directory. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    client: RedisClient,
    dir: TempDir,
}

impl RedisBuilder {
    /// On this port instead of any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// As a replica.
    #[must_use]
    pub fn replica_of(mut self, master: &Addr) -> Self {
        self.replica_of = Some(master.clone());
        self
    }

    /// `requirepass` and `masterauth`.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// One more line of configuration, after ours, so that it wins.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts it and waits until it answers PING.
    pub async fn start(self) -> Redis {
        demand(Need::Redis);
        let dir = directory("redis");
        let port = self.port.unwrap_or_else(ports::free);
        let addr = Addr::new("127.0.0.1", port).expect("a loopback address");
        let config = dir.path().join("redis.conf");
        write(&config, &self.configuration(port, dir.path()));
        let process = Process::spawn(Launch {
            name: format!("redis-server {addr}"),
            program: find("redis-server").expect("demanded above"),
            args: vec![config.into()],
            env: Vec::new(),
            log: dir.path().join("log"),
            dir: dir.path().to_owned(),
        });
        let redis = Redis {
            process,
            client: RedisClient::new(&addr, self.password.as_deref()),
            dir,
        };
        redis.ready().await;
        redis
    }

    fn configuration(&self, port: u16, dir: &Path) -> String {
        // Diskless replication waits 5 s for more replicas by default; a test does not.
        let mut text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\ndaemonize no\nsave \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n",
            dir.display()
        );
        if let Some(master) = &self.replica_of {
            let _ = writeln!(text, "replicaof {} {}", master.host(), master.port());
        }
        if let Some(password) = &self.password {
            let _ = writeln!(text, "requirepass \"{password}\"\nmasterauth \"{password}\"");
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

impl Deref for Redis {
    type Target = RedisClient;

    fn deref(&self) -> &RedisClient {
        &self.client
    }
}

impl Redis {
    /// A master on a free port.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Any other Redis.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Its directory: configuration, data and log.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// SIGSTOP: alive, connected, silent.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.process.cont();
    }

    /// Starts it again on the same port, in the same directory with its present configuration file, which Redis or
    /// Sentinel may have rewritten. Kills it first when it still runs.
    pub async fn restart(&self) {
        self.process.respawn();
        self.ready().await;
    }

    async fn ready(&self) {
        eventually(
            &format!("redis-server {} to answer PING", self.addr()),
            START_DEADLINE,
            async || {
                self.process.assert_alive();
                self.command(&["PING"]).await
            },
        )
        .await;
    }
}

pub(crate) fn directory(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("testkit-{name}-"))
        .tempdir()
        .expect("a temporary directory can be made")
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
