//! What the tests of this crate share: a registry with its tasks, and a wire to ZooKeeper that can be cut silently.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by tests; each uses its part"
)]

mod wire;

use std::time::Duration;

use registry::{Connect, Registry, Session};
use testkit::ZooKeeper;
use tokio_util::task::TaskTracker;
use zkpaths::{Tree, ZkPath, ZkRoot};

pub use wire::Wire;

/// Session timeout of the tests.
pub const SESSION: Duration = Duration::from_secs(2);
/// Longer than anything may take.
pub const LONG: Duration = Duration::from_secs(15);

pub fn connect(hosts: &str) -> Connect {
    Connect {
        hosts: hosts.to_owned(),
        chroot: None,
        session_timeout: SESSION,
        auth: None,
        tls: None,
    }
}

pub fn tree() -> Tree {
    Tree::new(&ZkRoot::default())
}

/// `/redis/members/<name>`.
pub fn member(name: &str) -> ZkPath {
    tree().members().child(name)
}

/// A registry and the tasks that it owns.
pub struct Party {
    pub registry: Registry,
    pub tasks: TaskTracker,
}

impl Party {
    pub fn start(connect: Connect) -> Self {
        let tasks = TaskTracker::new();
        let registry = Registry::start(connect, tree(), &tasks).unwrap();
        Self { registry, tasks }
    }

    /// With its session up.
    pub async fn join(hosts: &str) -> Self {
        let party = Self::start(connect(hosts));
        party.registry.connected(LONG).await.unwrap();
        party
    }

    pub async fn wait(&self, session: Session) {
        let mut now = self.registry.session();
        tokio::time::timeout(LONG, now.wait_for(|now| *now == session))
            .await
            .unwrap_or_else(|_| panic!("the session never became {session:?}"))
            .unwrap();
    }

    /// All tasks end.
    pub async fn ended(&self) {
        self.tasks.close();
        let left = tokio::time::timeout(LONG, self.tasks.wait()).await;
        assert!(left.is_ok(), "{} tasks are left", self.tasks.len());
    }
}

/// A ZooKeeper, and a registry that reaches it only through a wire.
pub async fn wired() -> (ZooKeeper, Wire, Party) {
    let zk = ZooKeeper::start().await;
    let wire = Wire::to(zk.port()).await;
    let party = Party::join(&wire.hosts()).await;
    (zk, wire, party)
}

pub async fn until<T>(
    receiver: &mut tokio::sync::watch::Receiver<T>,
    what: &str,
    wanted: impl FnMut(&T) -> bool,
) {
    let reached = tokio::time::timeout(LONG, receiver.wait_for(wanted)).await;
    assert!(
        reached.is_ok_and(|closed| closed.is_ok()),
        "never reached: {what}"
    );
}
