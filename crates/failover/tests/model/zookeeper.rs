//! ZooKeeper: versions, transactions, one ephemeral lock. It takes the product's own writes.

use std::hash::{Hash, Hasher};

use registry::{Expected, Version, Write};
use topology::Epoch;
use uuid::Uuid;
use zkpaths::{Cause, Further, Known, Lease, Phase, RecordedMaster, State};

use crate::names::{index, lineage, lock, node, run_id, tree};
use crate::world::{LEASE, TICK_MS, Tick, World};

#[derive(Debug, Clone)]
pub struct ZooKeeper {
    pub state: State,
    pub state_version: i32,
    /// Whom `/redis/master` names.
    pub master: usize,
    pub lease: Lease,
    pub lease_version: i32,
    /// When the lease was renewed last. Others may have seen it then; earlier is impossible and later is safer.
    pub renewed: Tick,
    /// Whose host holds the failover lock, by which znode.
    pub lock: Option<(usize, u16)>,
    pub locks: u16,
    /// When each host was heard last.
    pub heard: [Tick; crate::names::HOSTS],
}

/// The transaction was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict;

impl ZooKeeper {
    pub fn new() -> Self {
        let state = State {
            group: Uuid::from_u128(7),
            name: "master1".parse().unwrap(),
            epoch: Epoch(1),
            master: RecordedMaster {
                addr: node(0),
                run_id: Some(run_id(0)),
            },
            phase: Phase::Settled,
            cause: Cause::FirstStart,
            since_ms: 0,
            replaces: None,
            known: Some(Known {
                id: lineage(100),
                offset: 11,
            }),
            further: Further::default(),
        };
        Self {
            state,
            state_version: 1,
            master: 0,
            lease: Self::lease(0, 0, 1),
            lease_version: 1,
            renewed: 0,
            lock: None,
            locks: 0,
            heard: [0; crate::names::HOSTS],
        }
    }

    fn lease(holder: usize, life: u8, epoch: u64) -> Lease {
        Lease {
            holder: node(holder),
            run_id: run_id(life),
            epoch: Epoch(epoch),
            lease_ms: u64::from(LEASE) * TICK_MS,
            at_ms: 0,
        }
    }

    /// Whom the record names, as of which epoch.
    pub fn record(&self) -> (u64, usize) {
        (self.state.epoch.0, index(&self.state.master.addr))
    }

    pub fn version(&self) -> Version {
        Version(self.state_version)
    }
}

impl World {
    /// Renews the lease of a node that the record names.
    pub fn renew_lease(&mut self, n: usize) {
        let life = self.nodes[n].life;
        self.zk.lease = ZooKeeper::lease(n, life, self.zk.state.epoch.0);
        self.zk.lease_version += 1;
        self.zk.renewed = self.now;
    }

    /// All writes, or none.
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), Conflict> {
        if !writes.iter().all(|write| self.finds(write)) {
            return Err(Conflict);
        }
        for write in writes {
            if let Write::Set { path, data, .. } = write {
                if *path == tree().state() {
                    let state = State::decode(data).unwrap().unwrap();
                    self.record(state);
                } else {
                    self.zk.master = index(&zkpaths::decode_master(data).unwrap().unwrap());
                }
            }
        }
        Ok(())
    }

    fn finds(&self, write: &Write) -> bool {
        let (path, expected) = match write {
            Write::Set { path, expected, .. }
            | Write::Check { path, expected }
            | Write::Delete { path, expected } => (path, expected),
        };
        let version = if *path == tree().state() {
            Some(self.zk.state_version)
        } else if *path == tree().lease() {
            Some(self.zk.lease_version)
        } else if path.parent() == lock(0).parent() {
            let held = self.zk.lock.is_some_and(|(_, znode)| lock(znode) == path);
            held.then_some(0)
        } else {
            Some(0)
        };
        match (version, expected) {
            (None, _) => false,
            (Some(_), Expected::Any) => true,
            (Some(version), Expected::Version(expected)) => expected.0 == version,
        }
    }

    /// The record changes; this is where it must not go back.
    fn record(&mut self, state: State) {
        let (epoch, master) = (state.epoch.0, index(&state.master.addr));
        let (before, known) = self.zk.record();
        if epoch < before {
            self.breaks(format!("the record went back from epoch {before} to {epoch}"));
        }
        if epoch == before && master != known {
            self.breaks(format!("epoch {epoch} was node {known}'s and is node {master}'s"));
        }
        self.names(epoch, master);
        self.zk.state = state;
        self.zk.state_version += 1;
    }
}

impl Hash for ZooKeeper {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            state: record, lease, ..
        } = self;
        record.epoch.0.hash(state);
        record.master.addr.hash(state);
        record
            .master
            .run_id
            .as_ref()
            .map(topology::RunId::as_str)
            .hash(state);
        record.phase.word().hash(state);
        record.cause.word().hash(state);
        record.replaces.as_ref().map(|old| &old.addr).hash(state);
        record
            .known
            .as_ref()
            .map(|known| (known.id.as_str(), known.offset))
            .hash(state);
        lease.holder.hash(state);
        lease.run_id.as_str().hash(state);
        (self.state_version, self.lease_version, self.renewed).hash(state);
        (self.master, self.lock, self.heard).hash(state);
    }
}
