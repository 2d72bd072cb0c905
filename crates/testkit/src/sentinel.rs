//! A redis-sentinel.

use std::fmt::Write as _;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use topology::Addr;

use crate::needs::{Need, demand, find};
use crate::process::{Launch, Process};
use crate::redis::{directory, write};
use crate::{SentinelClient, eventually, ports};

const START_DEADLINE: Duration = Duration::from_secs(20);

/// What the Sentinel will be like. By default it monitors nothing, and finds a master down after 1 s.
#[derive(Debug, Clone)]
pub struct SentinelBuilder {
    port: Option<u16>,
    monitor: Option<(String, Addr, u32)>,
    down_after: Duration,
    failover_timeout: Duration,
    redis_password: Option<String>,
    password: Option<String>,
    lines: Vec<String>,
    env: Vec<(String, String)>,
}

/// A running Sentinel in its own directory. Dropping it kills it.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    client: SentinelClient,
    dir: TempDir,
}

impl SentinelBuilder {
    /// On this port instead of any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// `sentinel monitor`.
    #[must_use]
    pub fn monitor(mut self, name: &str, master: &Addr, quorum: u32) -> Self {
        self.monitor = Some((name.to_owned(), master.clone(), quorum));
        self
    }

    /// `down-after-milliseconds`, 1 s by default.
    #[must_use]
    pub fn down_after(mut self, time: Duration) -> Self {
        self.down_after = time;
        self
    }

    /// `failover-timeout`, 5 s by default.
    #[must_use]
    pub fn failover_timeout(mut self, time: Duration) -> Self {
        self.failover_timeout = time;
        self
    }

    /// `auth-pass`: what the monitored nodes want.
    #[must_use]
    pub fn redis_password(mut self, password: &str) -> Self {
        self.redis_password = Some(password.to_owned());
        self
    }

    /// `requirepass`: what this Sentinel wants, and gives the other Sentinels.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// One more line of configuration, after ours.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// A variable of its environment, which its scripts inherit.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it answers PING.
    pub async fn start(mut self) -> Sentinel {
        demand(Need::Sentinel);
        let dir = directory("sentinel");
        let port = self.port.unwrap_or_else(ports::free);
        let addr = Addr::new("127.0.0.1", port).expect("a loopback address");
        let config = dir.path().join("sentinel.conf");
        write(&config, &self.configuration(port, dir.path()));
        let process = Process::spawn(Launch {
            name: format!("redis-sentinel {addr}"),
            program: find("redis-server").expect("demanded above"),
            args: vec![config.into(), "--sentinel".into()],
            env: std::mem::take(&mut self.env),
            log: dir.path().join("log"),
            dir: dir.path().to_owned(),
        });
        let sentinel = Sentinel {
            process,
            client: SentinelClient::new(&addr, self.password.as_deref()),
            dir,
        };
        sentinel.ready().await;
        sentinel
    }

    fn configuration(&self, port: u16, dir: &Path) -> String {
        let mut text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\ndaemonize no\n",
            dir.display()
        );
        if let Some(password) = &self.password {
            let _ = writeln!(text, "requirepass \"{password}\"");
        }
        if let Some((name, master, quorum)) = &self.monitor {
            let _ = writeln!(
                text,
                "sentinel monitor {name} {} {} {quorum}\nsentinel down-after-milliseconds {name} {}\nsentinel \
                 failover-timeout {name} {}",
                master.host(),
                master.port(),
                self.down_after.as_millis(),
                self.failover_timeout.as_millis()
            );
            if let Some(password) = &self.redis_password {
                let _ = writeln!(text, "sentinel auth-pass {name} {password}");
            }
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

impl Deref for Sentinel {
    type Target = SentinelClient;

    fn deref(&self) -> &SentinelClient {
        &self.client
    }
}

impl Sentinel {
    /// A Sentinel on a free port that monitors `master` under `name`.
    pub async fn start(name: &str, master: &Addr, quorum: u32) -> Self {
        Self::builder().monitor(name, master, quorum).start().await
    }

    /// Any other Sentinel.
    pub fn builder() -> SentinelBuilder {
        SentinelBuilder {
            port: None,
            monitor: None,
            down_after: Duration::from_secs(1),
            failover_timeout: Duration::from_secs(5),
            redis_password: None,
            password: None,
            lines: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Its directory: configuration and log.
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

    /// Starts it again on the same port with the configuration it has rewritten itself.
    pub async fn restart(&self) {
        self.process.respawn();
        self.ready().await;
    }

    async fn ready(&self) {
        eventually(
            &format!("redis-sentinel {} to answer PING", self.addr()),
            START_DEADLINE,
            async || {
                self.process.assert_alive();
                self.command(&["PING"]).await
            },
        )
        .await;
    }
}
