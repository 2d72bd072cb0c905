//! What one look saw: the words in which `decide` is asked.
//!
//! Only what a decision turns on is here. `observe` fills it from the servers; tests write it by hand.

use topology::{Addr, Epoch, MasterRecord, RunId};

use crate::recorded::NoRecord;

/// Everything that the decision to keep in step turns on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What ZooKeeper says, and whether it may be believed now.
    pub recorded: Recorded,
    /// What the own Sentinel says.
    pub own: Own,
    /// How often the own Sentinel was told of the recorded master and did not take it.
    pub refused: u32,
}

/// The master in ZooKeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing usable is recorded.
    No(NoRecord),
    /// The copy may be old: there is no session.
    Stale,
    /// A master, and whether it is one.
    Yes {
        /// The record.
        record: MasterRecord,
        /// Whether the node at that address says the same.
        standing: Standing,
    },
}

/// Whether the recorded master is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It answered `ROLE` with master.
    Confirmed,
    /// It answered otherwise, or not at all.
    Unconfirmed,
    /// Nobody asked, since nothing turns on it.
    NotAsked,
}

/// What the own Sentinel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// It does not answer.
    Silent,
    /// It answers, and not in a way that is of use; these are its words.
    Unusable(String),
    /// It answers, and does not know the group.
    Unaware,
    /// It monitors the group.
    Monitoring(Box<Monitoring>),
}

/// The group as one Sentinel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitoring {
    /// The master it names, as of which epoch.
    pub record: MasterRecord,
    /// How the master looks to it.
    pub master: Reach,
    /// Whether a failover is running on it.
    pub failover_in_progress: bool,
    /// Whether it calls the scripts that it was told to call.
    pub scripts: Scripts,
    /// The Sentinels it knows.
    pub peers: Vec<Peer>,
    /// The replicas it knows.
    pub replicas: Vec<Replica>,
}

/// What became of the scripts that a Sentinel was told to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// It calls all that can be run, or was told of none.
    InPlace,
    /// One is missing: somebody has removed the group and had it monitored again, or it could not be run at the last start and
    /// can be now.
    Missing,
}

/// Whether a Sentinel reaches another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Connected, answering.
    Up,
    /// Not connected at this moment, which may be only the moment.
    Disconnected,
    /// Silent for longer than `down-after-milliseconds`.
    Down,
}

/// A Sentinel known to a Sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its run id.
    pub id: RunId,
    /// Its address, exactly as the knowing Sentinel has it.
    pub addr: Addr,
    /// Whether it is reached.
    pub reach: Reach,
}

/// A replica known to a Sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its address.
    pub addr: Addr,
    /// Whether it is reached.
    pub reach: Reach,
}

/// A living Sentinel, by ZooKeeper's word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Living {
    /// Its run id.
    pub id: RunId,
    /// Its announced address.
    pub addr: Addr,
}

/// What a new Sentinel is told before it starts, so that it is a full voter in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// Its run id.
    pub id: RunId,
    /// The master, as of which config epoch.
    pub master: MasterRecord,
    /// The highest epoch that anyone voted in or decided by. It votes only in later ones.
    pub epoch: Epoch,
    /// The other living Sentinels.
    pub peers: Vec<Living>,
    /// The replicas.
    pub replicas: Vec<Addr>,
}
