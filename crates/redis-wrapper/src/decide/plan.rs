//! What a starting node may do, and the name of every reason.

use std::time::Duration;

use topology::{Addr, Candidate, Epoch, MasterName};

use super::address::TakenBy;
use super::cold::{WhyDefer, WhyWin};

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Plan {
    /// Record ourselves, by compare-and-set, and start as master.
    Master {
        /// The epoch to record.
        epoch: Epoch,
        /// Why.
        why: WhyMaster,
        /// Why this one of all that start.
        disk: WhyWin,
    },
    /// Start as a replica.
    Replica {
        /// Of whom.
        of: Addr,
        /// Why.
        why: WhyReplica,
    },
    /// Have another node promoted, then look again.
    Promote {
        /// The best of those that hold data.
        candidate: Box<Candidate>,
        /// Why.
        why: WhyPromote,
    },
    /// Look again shortly.
    Wait(WhyWait),
    /// Let others go first, without the lock, until something changes.
    StandBy(StandBy),
    /// Give up with a clear error: going on would do harm.
    Refuse(WhyRefuse),
}

/// Whom a node lets go first when everything was down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StandBy {
    /// Nodes that were seen lately may come back.
    Missing {
        /// Where they were.
        nodes: Vec<Addr>,
        /// For how long they are waited for.
        left: Duration,
    },
    /// Somebody else has the address that we announce; a predecessor that is stopping goes away.
    AddressTaken {
        /// Who.
        by: TakenBy,
    },
    /// We are the recorded master, come back with less than others have, and too few of them answer to promote one
    /// (`DURABILITY=quorum`).
    TooFew,
    /// Another node that starts has the fresher disk.
    Fresher {
        /// Who.
        node: Addr,
        /// Why.
        why: WhyDefer,
    },
}

/// Why this node becomes master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyMaster {
    /// Nobody is recorded and no Sentinel knows a master.
    FirstStart,
    /// We are recorded, and nobody else holds data.
    ResumeAlone,
    /// We are recorded, and our disk has all that anybody else holds (`DURABILITY=quorum`).
    HasEveryWrite,
    /// The recorded master is gone, and no member and no Sentinel disagrees.
    RecordedIsGone,
}

/// Why this node becomes a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyReplica {
    /// The master by record or by the Sentinels answers as master.
    LiveMaster,
    /// The same, while it loads its data set.
    MasterIsLoading,
    /// The same, while a script holds it.
    MasterIsBusy,
    /// The recorded one is not master, but exactly one other node is.
    AnotherIsMaster,
    /// It does not answer us, but its ZooKeeper session lives or a Sentinel reaches it: it will, or will be replaced.
    OthersReachIt,
    /// It is gone, and too few answer to promote one of them; this one will be one more (`DURABILITY=quorum`).
    TooFewToPromote,
}

/// Why another node is promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyPromote {
    /// We are the recorded master, come back; others hold the data.
    NeverResume,
    /// The master is gone, and there is no Sentinel to replace it.
    NoSentinels,
    /// The Sentinels had their time and did not replace it.
    SentinelsDidNot,
    /// Nobody of the recorded lineage has come back in its time, and this one has data.
    NobodyOfTheLineage,
}

/// Why nothing is decided yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyWait {
    /// A Sentinel is moving the master role.
    FailoverRunning,
    /// Replicas hold the data and the Sentinels will promote one.
    SentinelsWillPromote,
    /// The recorded master does not answer, but its ZooKeeper session is alive.
    MasterStillRegistered,
    /// The recorded master does not answer us, but a Sentinel reaches it.
    SentinelsReachIt,
    /// Registered members do not answer; they may hold data.
    MembersUnclear,
    /// More than one node answers as master.
    TwoMasters,
    /// The recorded master answers, but refuses our credentials.
    MasterDenies,
    /// A newer version's record says what this one does not understand: its programs finish what they have begun.
    NewerRecord,
}

/// Why the wrapper gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyRefuse {
    /// The tree belongs to a group of another name.
    OtherGroup(MasterName),
    /// The master refuses our credentials, still.
    MasterDenies {
        /// Who.
        master: Addr,
        /// In its own words.
        reason: String,
    },
    /// Somebody else has the address that we announce, still.
    AddressTaken {
        /// Who.
        by: TakenBy,
    },
    /// Several nodes answer as master, still; a person must choose.
    TwoMasters(Vec<Addr>),
    /// The record is still one that only a newer version understands.
    NewerRecord,
}
