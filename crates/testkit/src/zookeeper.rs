//! A ZooKeeper of one node, and what its nodes share with an ensemble's.
//!
//! Timings differ from a production server's in three places: short ticks, so that short sessions are allowed; no fsync, as
//! the data lives for a test; no HTTP admin server, which would want port 8080.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use topology::Addr;

use crate::needs::{Need, demand, find};
use crate::net::{Host, address};
use crate::process::{Launch, Process};
use crate::redis::{directory, write};
use crate::{ZkClient, eventually, ports};

/// Where Debian installs it. Its manifest names the other jars.
pub(crate) const JAR: &str = "/usr/share/java/zookeeper.jar";
/// Its logging, which the manifest does not name.
pub(crate) const LOGGING_JAR: &str = "/usr/share/java/slf4j-simple.jar";

const START_DEADLINE: Duration = Duration::from_secs(60);

/// One running ZooKeeper server. Dropping it kills it.
#[derive(Debug)]
pub struct ZooKeeper {
    process: Process,
    addr: Addr,
    client: ZkClient,
    dir: TempDir,
}

impl ZooKeeper {
    /// A ZooKeeper of one node, serving.
    pub async fn start() -> Self {
        Self::start_at(None).await
    }

    /// The same on a host of a [`Net`](crate::Net).
    pub async fn start_on(host: &Host) -> Self {
        Self::start_at(Some(host)).await
    }

    async fn start_at(host: Option<&Host>) -> Self {
        let server = Self::spawn(ports::free(), host, "", None);
        server.ready().await;
        server
    }

    /// Starts a server with further lines of configuration, without waiting for it.
    pub(crate) fn spawn(port: u16, host: Option<&Host>, lines: &str, id: Option<usize>) -> Self {
        demand(Need::ZooKeeper);
        let addr = address(host, port);
        let dir = directory("zookeeper");
        if let Some(id) = id {
            write(&dir.path().join("myid"), &id.to_string());
        }
        let config = dir.path().join("zoo.cfg");
        write(&config, &configuration(&addr, dir.path(), lines));
        let mut args: Vec<_> = [
            "-Xms16m",
            "-Xmx64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Dzookeeper.jmx.log4j.disable=true",
            "-Dzookeeper.forceSync=no",
            "-cp",
            &format!("{JAR}:{LOGGING_JAR}"),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        ]
        .map(Into::into)
        .to_vec();
        args.push(config.into());
        let launch = Launch {
            name: format!("zookeeper {addr}"),
            program: find("java").expect("demanded above"),
            args,
            env: Vec::new(),
            log: dir.path().join("log"),
            dir: dir.path().to_owned(),
        };
        Self {
            process: Process::spawn_on(launch, host.cloned()),
            client: ZkClient::new(&addr.to_string()),
            addr,
            dir,
        }
    }

    /// Waits until it serves: alone, or as a member of a quorum.
    pub(crate) async fn ready(&self) {
        eventually(
            &format!("zookeeper {} to serve", self.addr),
            START_DEADLINE,
            async || {
                self.process.assert_alive();
                self.mode()
                    .await
                    .ok_or_else(|| format!("a log that ends:\n{}", self.process.log_tail()))
            },
        )
        .await;
    }

    /// The text for `ZK_HOSTS`.
    pub fn hosts(&self) -> String {
        self.addr.to_string()
    }

    /// Its client port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// A client for looking at the tree and changing it, with a session of its own.
    pub fn client(&self) -> &ZkClient {
        &self.client
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

    /// Starts it again on the same port with the same data. Kills it first when it still runs.
    pub async fn restart(&self) {
        self.process.respawn();
        self.ready().await;
    }

    /// Deletes everything it has on disk. Kill it first: this is a machine that was replaced.
    pub fn wipe(&self) {
        let data = self.dir.path().join("version-2");
        std::fs::remove_dir_all(&data)
            .unwrap_or_else(|error| panic!("cannot remove {}: {error}", data.display()));
    }

    /// `standalone`, `leader` or `follower`; `None` while it does not serve.
    pub async fn mode(&self) -> Option<String> {
        // `ruok` says imok long before the server serves.
        let answer = self.four_letters("srvr").await?;
        answer
            .lines()
            .find_map(|line| line.strip_prefix("Mode: "))
            .map(|mode| mode.trim().to_owned())
    }

    /// The answer to one of ZooKeeper's four-letter commands, such as `srvr`, `cons` or `dump`.
    pub async fn four_letters(&self, word: &str) -> Option<String> {
        let conversation = async {
            let mut stream = TcpStream::connect((self.addr.host(), self.addr.port())).await?;
            stream.write_all(word.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        tokio::time::timeout(Duration::from_secs(2), conversation)
            .await
            .ok()?
            .ok()
    }
}

fn configuration(addr: &Addr, dir: &Path, lines: &str) -> String {
    format!(
        "tickTime=500\nminSessionTimeout=1000\nmaxSessionTimeout=60000\ndataDir={}\nadmin.enableServer=false\n\
         maxClientCnxns=0\n4lw.commands.whitelist=ruok,srvr,stat,mntr,cons,dump,conf,isro\n{}{lines}",
        dir.display(),
        // An ensemble's members are told their client addresses by the list of servers.
        if lines.is_empty() {
            format!("clientPort={}\nclientPortAddress={}\n", addr.port(), addr.host())
        } else {
            String::new()
        },
    )
}
