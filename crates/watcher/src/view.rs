//! What one look saw: everything a decision rests on, and nothing else.
//!
//! A view may be incomplete. What has not answered yet is [`Sighting::Waiting`] or [`Answer::Waiting`], which is evidence
//! of nothing: so a look can be decided after each answer, and a failover is published without waiting for the
//! host that died with the master. Pure values: no clock, no connection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use topology::{Addr, MasterName, MasterRecord, RunId};
use zkpaths::State;

/// One look at the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// The group this watcher speaks for.
    pub(crate) group: MasterName,
    /// Every registered Sentinel, by address: one Sentinel registered twice has one vote.
    pub(crate) sentinels: BTreeMap<Addr, Sighting>,
    /// What each address that somebody names answered to `ROLE`.
    pub(crate) nodes: BTreeMap<Addr, Answer>,
    /// What ZooKeeper has.
    pub(crate) recorded: Recorded,
    /// For how long, before this look, the recorded master has answered no look as a master.
    pub(crate) silent_for: Duration,
}

/// What one registered Sentinel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// It has not answered yet.
    Waiting,
    /// Who is master, in its opinion.
    Reports(MasterRecord),
    /// It answers, and knows no master of this name.
    NotMonitoring,
    /// It refused, broke off or did not answer in time.
    Silent,
    /// It answers, but not to us: credentials or its ACL. With the reason, for the page.
    Denied(String),
}

/// What one Redis says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has not answered yet.
    Waiting,
    /// `ROLE` is master.
    Master(RunId),
    /// `ROLE` is replica.
    Replica,
    /// It is reading its data set and may become either.
    Loading,
    /// A script holds it; it may be either.
    Busy,
    /// Nobody listens there, or nothing came back in time.
    Gone,
    /// Somebody answers, but not to us: credentials, or no Redis at all. With the reason, for the log.
    Denied(String),
}

impl Answer {
    /// The word for logs and pages.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Answer::Waiting => "waiting",
            Answer::Master(_) => "master",
            Answer::Replica => "replica",
            Answer::Loading => "loading",
            Answer::Busy => "busy",
            Answer::Gone => "gone",
            Answer::Denied(_) => "denied",
        }
    }
}

/// What ZooKeeper has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// `/redis/state`.
    pub(crate) state: StateNode,
    /// `/redis/master`.
    pub(crate) master: AddressNode,
    /// `/redis/masters/<name>`.
    pub(crate) named: AddressNode,
}

/// `/redis/state`, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateNode {
    /// Not there, or empty: a group that was never recorded, or an old redis-zk group.
    Missing,
    /// Bytes that are no state; shortened, for the log.
    Malformed(String),
    /// A state in a newer version's shape. It is not ours to write over; why, for the log.
    Newer(String),
    /// The group's memory.
    Known(Box<State>),
}

/// A znode that names a master in the contract's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AddressNode {
    /// Not there, or empty: no master.
    Absent,
    /// Bytes other than the contract's, which clients would stumble over; shortened, for the log.
    Malformed(String),
    /// Exactly the contract's bytes.
    Names(Addr),
}

impl AddressNode {
    /// The address it names, where it names one.
    pub(crate) fn addr(&self) -> Option<&Addr> {
        match self {
            AddressNode::Names(addr) => Some(addr),
            AddressNode::Absent | AddressNode::Malformed(_) => None,
        }
    }

    /// Whether it names exactly `addr`.
    pub(crate) fn names(&self, addr: &Addr) -> bool {
        self.addr() == Some(addr)
    }
}

impl Recorded {
    /// Who is master according to ZooKeeper: the state, or `/redis/master` where there is none.
    pub(crate) fn addr(&self) -> Option<&Addr> {
        match &self.state {
            StateNode::Known(state) => Some(&state.master.addr),
            StateNode::Missing | StateNode::Malformed(_) | StateNode::Newer(_) => self.master.addr(),
        }
    }
}

impl View {
    /// What `addr` answered; waiting, when nobody has asked it yet.
    pub(crate) fn answer(&self, addr: &Addr) -> &Answer {
        self.nodes.get(addr).unwrap_or(&Answer::Waiting)
    }

    /// Every address that must be asked for its role before this view is complete.
    pub(crate) fn named(&self) -> BTreeSet<Addr> {
        let reported = self.sentinels.values().filter_map(|sighting| match sighting {
            Sighting::Reports(record) => Some(&record.addr),
            Sighting::Waiting | Sighting::NotMonitoring | Sighting::Silent | Sighting::Denied(_) => None,
        });
        reported.chain(self.recorded.addr()).cloned().collect()
    }

    /// How many Sentinels are a majority.
    pub(crate) fn majority(&self) -> usize {
        self.sentinels.len() / 2 + 1
    }
}
