//! A group for the tests: one ZooKeeper, Redis nodes, and sentinel-wrappers, with the tree written by hand.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use testkit::{Program, Redis, Running, SentinelClient, ZkClient, ZooKeeper, eventually, ports};
use topology::{Addr, Epoch, Role, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Member, Phase, RecordedMaster, State};

/// The name of the group.
pub(crate) const NAME: &str = "master1";

/// Long enough for a machine under load.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// ZooKeeper, a master, two replicas; members and state are in the tree.
pub(crate) struct Group {
    /// ZooKeeper.
    pub(crate) zk: ZooKeeper,
    /// The master.
    pub(crate) master: Redis,
    /// The replicas.
    pub(crate) replicas: Vec<Redis>,
    dir: TempDir,
}

impl Group {
    /// Starts it, with this epoch recorded.
    pub(crate) async fn start(replicas: usize, epoch: u64) -> Self {
        let (zk, master) = tokio::join!(ZooKeeper::start(), Redis::start());
        let mut group = Self {
            zk,
            master,
            replicas: Vec::new(),
            dir: TempDir::new().unwrap(),
        };
        for _ in 0..replicas {
            let replica = Redis::builder().replica_of(group.master.addr()).start().await;
            group.replicas.push(replica);
        }
        let nodes: Vec<Addr> = group.nodes().cloned().collect();
        for addr in &nodes {
            add_member(group.zk.client(), addr).await;
        }
        group.record(&group.master.addr().clone(), epoch).await;
        group
    }

    fn nodes(&self) -> impl Iterator<Item = &Addr> {
        std::iter::once(self.master.addr()).chain(self.replicas.iter().map(|redis| redis.addr()))
    }

    /// Writes `/redis/state` and `/redis/master`.
    pub(crate) async fn record(&self, master: &Addr, epoch: u64) {
        record(self.zk.client(), master, epoch).await;
    }

    /// A data directory that outlives its wrapper.
    pub(crate) fn data_dir(&self, name: &str) -> PathBuf {
        let dir = self.dir.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// A wrapper on a new port, with a directory of its own.
    pub(crate) fn wrapper(&self) -> Wrapper {
        let port = ports::free();
        Wrapper::start(
            port,
            program(&self.zk.hosts(), port, &self.data_dir(&port.to_string())),
        )
    }

    /// So many wrappers whose Sentinels know one another and the replicas.
    pub(crate) async fn wrappers(&self, count: usize) -> Vec<Wrapper> {
        let wrappers: Vec<Wrapper> = (0..count).map(|_| self.wrapper()).collect();
        for wrapper in &wrappers {
            wrapper
                .sentinel
                .wait_knows(NAME, self.replicas.len(), count - 1, SOON)
                .await;
        }
        wrappers
    }
}

/// A sentinel-wrapper and its Sentinel.
pub(crate) struct Wrapper {
    /// The program.
    pub(crate) program: Running,
    /// Its Sentinel.
    pub(crate) sentinel: SentinelClient,
    /// Where it is announced.
    pub(crate) addr: Addr,
}

impl Wrapper {
    /// Starts a program that was told to use this port.
    pub(crate) fn start(port: u16, program: Program) -> Self {
        let addr = Addr::new("127.0.0.1", port).unwrap();
        Self {
            program: program.start(),
            sentinel: SentinelClient::new(&addr, None),
            addr,
        }
    }

    /// Waits until it is registered.
    pub(crate) async fn wait_registered(&self, zk: &ZkClient) -> String {
        eventually("a registration", SOON, async || {
            registration(zk, &self.addr).await
        })
        .await
    }

    /// Its Sentinel's own run id.
    pub(crate) async fn id(&self) -> String {
        eventually("MYID", SOON, async || {
            Some(testkit::text(
                &self.sentinel.command(&["SENTINEL", "MYID"]).await.ok()?,
            ))
        })
        .await
    }

    /// Waits until its Sentinel names this master at this epoch.
    pub(crate) async fn wait_names(&self, master: &Addr, epoch: u64, deadline: Duration) {
        eventually(
            &format!("{} to name {master} at {epoch}", self.addr),
            deadline,
            async || {
                let seen = (
                    self.sentinel.master(NAME).await,
                    self.sentinel.field(NAME, "config-epoch").await,
                );
                if seen == (Some(master.clone()), Some(epoch.to_string())) {
                    Ok(())
                } else {
                    Err(format!("{seen:?}"))
                }
            },
        )
        .await;
    }

    /// The ports of the other Sentinels it knows, sorted.
    pub(crate) async fn known_sentinels(&self) -> Vec<u16> {
        let Ok(reply) = self.sentinel.command(&["SENTINEL", "SENTINELS", NAME]).await else {
            return Vec::new();
        };
        let testkit::Value::Array(peers) = reply else {
            return Vec::new();
        };
        let port = |peer: &testkit::Value| {
            let testkit::Value::Array(fields) = peer else {
                return None;
            };
            let pair = fields
                .chunks_exact(2)
                .find(|pair| testkit::text(&pair[0]) == "port")?;
            testkit::text(&pair[1]).parse().ok()
        };
        let mut ports: Vec<u16> = peers.iter().filter_map(port).collect();
        ports.sort_unstable();
        ports
    }

    /// Whether it sees a quorum.
    pub(crate) async fn quorum(&self) -> Result<(), String> {
        match self.sentinel.command(&["SENTINEL", "CKQUORUM", NAME]).await {
            Ok(reply) if testkit::text(&reply).starts_with("OK") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}

/// The registration of the Sentinel at `addr`.
pub(crate) async fn registration(zk: &ZkClient, addr: &Addr) -> Option<String> {
    for name in zk.children("/redis/sentinels").await {
        let path = format!("/redis/sentinels/{name}");
        if zk.get(&path).await.as_deref() == Some(&addr.contract()) {
            return Some(path);
        }
    }
    None
}

/// The program with what it always needs.
pub(crate) fn program(zk: &str, port: u16, data_dir: &Path) -> Program {
    Program::new("sentinel-wrapper")
        .env("ZK_HOSTS", zk)
        .env("ZK_SESSION_TIMEOUT", "2s")
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
        .env("DATA_DIR", data_dir.display().to_string())
        .env("MASTER_WAIT", "20s")
        .env("RUST_LOG", "info,sentinel_wrapper=debug")
}

/// Writes `/redis/state` and `/redis/master`.
pub(crate) async fn record(zk: &ZkClient, master: &Addr, epoch: u64) {
    let state = State {
        group: Uuid::nil(),
        name: NAME.parse().unwrap(),
        epoch: Epoch(epoch),
        master: RecordedMaster {
            addr: master.clone(),
            run_id: None,
        },
        phase: Phase::Settled,
        cause: Cause::FirstStart,
        since_ms: 0,
        replaces: None,
        known: None,
        further: zkpaths::Further::default(),
    };
    // Ours write both at once. Here the state comes first: a master without one is an old redis-zk's, of whatever name.
    zk.set("/redis/state", &String::from_utf8(state.encode()).unwrap())
        .await;
    zk.set("/redis/master", &master.contract()).await;
}

/// Registers a Redis as a member.
pub(crate) async fn add_member(zk: &ZkClient, addr: &Addr) {
    let id = Uuid::new_v4();
    let member = Member {
        id,
        node: None,
        addr: addr.clone(),
        admin: None,
        role: Role::Master,
        run_id: RunId::from_bytes([1; 20]),
        replication_id: RunId::from_bytes([2; 20]),
        second_replication_id: RunId::from_bytes([0; 20]),
        second_offset: -1,
        offset: 0,
        link: None,
        priority: 100,
        server_version: "7.0.15".to_owned(),
        version: "0.1.0".to_owned(),
        fenced: None,
        at_ms: 0,
    };
    zk.create(
        &format!("/redis/members/{id}"),
        &String::from_utf8(member.encode()).unwrap(),
    )
    .await;
}

/// Takes a Redis out of the members.
pub(crate) async fn remove_member(zk: &ZkClient, addr: &Addr) {
    for name in zk.children("/redis/members").await {
        let path = format!("/redis/members/{name}");
        let data = zk.get(&path).await.unwrap_or_default();
        if Member::decode(data.as_bytes()).is_ok_and(|member| member.addr == *addr) {
            zk.delete(&path).await;
        }
    }
}

/// Whether this process lives; a zombie does not.
pub(crate) fn alive(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Sends a signal, by its name, to a process that the program under test has started.
pub(crate) fn signal_to(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}
