//! One HAProxy, what it is told over its socket, and pictures to bring it to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sinks::haproxy::{Runtime, RuntimeSink};
use sinks::{Assurance, Fitness, Group, Master, Picture, Replica};
use tempfile::TempDir;
use testkit::{Launch, Process, RedisClient, eventually};
use topology::{Addr, Epoch};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A HAProxy in a directory of its own. Dropping it kills it.
pub(crate) struct Proxy {
    pub(crate) dir: TempDir,
    pub(crate) process: Process,
}

impl Proxy {
    /// Starts one whose configuration is `body` below what all of them have, and waits until it answers.
    pub(crate) async fn start(body: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("haproxy.cfg");
        fs::write(&config, format!("{}{body}", head(dir.path()))).expect("a file");
        let process = Process::spawn(Launch {
            name: "haproxy".to_owned(),
            program: program(),
            args: vec!["-db".into(), "-f".into(), config.into()],
            env: Vec::new(),
            log: dir.path().join("log"),
            dir: dir.path().to_owned(),
        });
        let proxy = Self { dir, process };
        proxy.answers().await;
        proxy
    }

    /// Waits until it answers.
    pub(crate) async fn answers(&self) {
        eventually("HAProxy to answer", SOON, async || {
            self.try_ask("show info")
                .map_err(|error| format!("{error}; {}", self.process.log_tail()))
        })
        .await;
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub(crate) fn ask(&self, command: &str) -> String {
        self.try_ask(command).expect("HAProxy answers")
    }

    fn try_ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.socket())?;
        writeln!(stream, "{command}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// `address:port admin-state op-state` of every server of a backend.
    pub(crate) fn servers(&self, backend: &str) -> Vec<String> {
        let answer = self.ask(&format!("show servers state {backend}"));
        let rows = answer
            .lines()
            .filter(|line| line.contains(&format!(" {backend} ")));
        rows.map(|row| {
            let words: Vec<&str> = row.split(' ').collect();
            format!("{}:{} {} {}", words[4], words[18], words[6], words[5])
        })
        .collect()
    }

    /// A sink for its socket.
    pub(crate) fn sink(&self, master: &str, replicas: Option<&str>) -> RuntimeSink {
        RuntimeSink::new(Runtime {
            socket: self.socket().display().to_string().parse().expect("a path"),
            master: master.parse().expect("backend/server"),
            replicas: replicas.map(|text| text.parse().expect("a backend")),
            deadline: Duration::from_secs(5),
        })
    }
}

/// What every HAProxy of ours has.
pub(crate) fn head(dir: &Path) -> String {
    format!(
        "global\n  stats socket {} level admin\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 60s\n  \
         timeout server 60s\n  option abortonclose\n",
        dir.join("s").display()
    )
}

pub(crate) fn program() -> PathBuf {
    let places = ["/usr/sbin/haproxy", "/usr/bin/haproxy"].map(PathBuf::from);
    places.into_iter().find(|file| file.is_file()).expect("required")
}

pub(crate) fn loopback(port: u16) -> Addr {
    Addr::new("127.0.0.1", port).expect("an address")
}

pub(crate) fn client(port: u16) -> RedisClient {
    RedisClient::new(&loopback(port), None)
}

/// One group, as a picture shows it.
pub(crate) fn group(name: &str, epoch: u64, master: &Addr, fit: &[&Addr]) -> Group {
    let replica = |addr: &&Addr| {
        let addr = Addr::clone(addr);
        (
            addr.clone(),
            Replica {
                addr,
                fitness: Fitness::Fit,
            },
        )
    };
    Group {
        name: name.parse().expect("a name"),
        external_port: None,
        assurance: Assurance::Current,
        master: Master {
            addr: master.clone(),
            epoch: Epoch(epoch),
            run_id: None,
            cause: "failover".to_owned(),
            since_ms: 0,
            origin: sinks::Origin::Recorded,
            seen: Instant::now(),
        },
        replicas: fit.iter().map(replica).collect(),
    }
}

/// A picture of these groups alone.
pub(crate) fn picture(groups: Vec<Group>) -> Picture {
    let groups: BTreeMap<_, _> = groups
        .into_iter()
        .map(|group| (group.name.clone(), group))
        .collect();
    Picture {
        groups,
        awaited: Vec::new(),
    }
}
