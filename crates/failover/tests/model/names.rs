//! The names of things: made once, as a view is built for every look.

use std::sync::LazyLock;

use topology::{Addr, ReplicationId, RunId};
use zkpaths::{Lock, Tree, ZkPath, ZkRoot};

/// Data nodes, and hosts: each has a node with its wrapper, and a Sentinel.
pub const HOSTS: usize = 3;
/// ZooKeeper as an end of a link.
pub const ZOOKEEPER: usize = HOSTS;

static NODES: LazyLock<Vec<Addr>> = LazyLock::new(|| {
    (0..HOSTS)
        .map(|n| format!("10.0.0.{n}:6379").parse().unwrap())
        .collect()
});
static SENTINELS: LazyLock<Vec<Addr>> = LazyLock::new(|| {
    (0..HOSTS)
        .map(|n| format!("10.0.0.{n}:26379").parse().unwrap())
        .collect()
});
static BLACK_HOLE: LazyLock<Addr> = LazyLock::new(|| "127.0.0.1:1".parse().unwrap());
static RUN_IDS: LazyLock<Vec<RunId>> =
    LazyLock::new(|| (0..=u8::MAX).map(|n| RunId::from_bytes([n; 20])).collect());
static LINEAGES: LazyLock<Vec<ReplicationId>> = LazyLock::new(|| {
    (0..=u8::MAX)
        .map(|n| ReplicationId::from_bytes([n; 20]))
        .collect()
});
static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::new(&ZkRoot::default()));
static LOCKS: LazyLock<Vec<ZkPath>> = LazyLock::new(|| {
    let parent = TREE.lock(Lock::Failover);
    (0..4096).map(|n| parent.child(&format!("lock-{n}"))).collect()
});

pub fn node(n: usize) -> Addr {
    NODES[n].clone()
}

pub fn sentinel(n: usize) -> Addr {
    SENTINELS[n].clone()
}

pub fn black_hole() -> Addr {
    BLACK_HOLE.clone()
}

/// Which data node has this address.
pub fn index(addr: &Addr) -> usize {
    NODES
        .iter()
        .position(|known| known == addr)
        .expect("a data node's address")
}

pub fn run_id(life: u8) -> RunId {
    RUN_IDS[usize::from(life)].clone()
}

pub fn lineage(n: u8) -> ReplicationId {
    LINEAGES[usize::from(n)].clone()
}

pub fn tree() -> &'static Tree {
    &TREE
}

/// The znode by which the failover lock is held the n-th time.
pub fn lock(n: u16) -> &'static ZkPath {
    &LOCKS[usize::from(n)]
}
