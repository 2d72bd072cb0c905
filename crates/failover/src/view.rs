//! What the procedure sees at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use instance::{MasterReport, PeerReport, Probe, Snapshot};
use registry::Version;
use topology::{Addr, Epoch, MasterName, MasterRecord, Role, RunId};
use zkpaths::{Lease, Pause, State};

/// Everything the plan may look at.
#[derive(Debug, Clone)]
pub struct View {
    /// The group's name.
    pub name: MasterName,
    /// `/redis/state`, with the version that a write must find; none while nothing is recorded.
    pub recorded: Option<(State, Version)>,
    /// Every registered Sentinel that answered.
    pub sentinels: Vec<SentinelView>,
    /// How many are registered.
    pub registered_sentinels: usize,
    /// What answered at the address of every data node that anybody names.
    pub nodes: BTreeMap<Addr, Probe>,
    /// `/redis/lease`; none while nobody ever held one.
    pub lease: Option<LeaseSeen>,
    /// The operator's pause, while it holds.
    pub paused: Option<Pause>,
    /// How many data nodes the group has, the master and those that are away included, as far as anybody remembers.
    pub group_size: usize,
    /// How many Sentinels that others count neither answer nor refuse, so that they may be moving the role among themselves. Only looked
    /// for when a master returns.
    pub unheard: usize,
}

/// The lease as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSeen {
    /// What it says.
    pub lease: Lease,
    /// The version a write must find: any renewal changes it.
    pub version: Version,
    /// For how long we have seen this version.
    pub unchanged_for: Duration,
}

/// One Sentinel.
#[derive(Debug, Clone)]
pub struct SentinelView {
    /// Where it was asked.
    pub addr: Addr,
    /// What it says of the group; none if it does not know it.
    pub report: Option<MasterReport>,
    /// The epoch of its last vote.
    pub last_vote: Epoch,
    /// The other Sentinels that it knows.
    pub peers: Vec<PeerReport>,
    /// The replica it has chosen, when it moves the role itself.
    pub promoted: Option<Addr>,
    /// Whether it takes an announcement.
    pub takes: Takes,
}

/// Whether a Sentinel takes an announcement in a peer's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// It was tried.
    Yes,
    /// It was tried and did not.
    No,
    /// It knows no peer to speak for.
    NoPeer,
}

impl View {
    /// Who is recorded as master.
    pub fn record(&self) -> Option<MasterRecord> {
        self.recorded.as_ref().map(|(state, _)| state.record())
    }

    /// What the Sentinels that know the group say.
    pub fn reports(&self) -> impl Iterator<Item = (&SentinelView, &MasterReport)> {
        self.sentinels
            .iter()
            .filter_map(|sentinel| Some((sentinel, sentinel.report.as_ref()?)))
    }

    /// An epoch above everything anyone has.
    pub fn next_epoch(&self) -> Epoch {
        let recorded = self.record().map(|record| record.epoch);
        let named = self.reports().map(|(_, report)| report.record.epoch);
        let votes = self.sentinels.iter().map(|sentinel| sentinel.last_vote);
        recorded
            .into_iter()
            .chain(named)
            .chain(votes)
            .max()
            .map_or(Epoch(0), Epoch::next)
    }

    /// How many Sentinels exist, as far as anybody counts.
    pub fn known_sentinels(&self) -> usize {
        let counted = self
            .reports()
            .map(|(_, report)| usize::try_from(report.other_sentinels).unwrap_or(usize::MAX - 1) + 1);
        counted.max().unwrap_or(0).max(self.registered_sentinels)
    }

    /// The highest quorum any Sentinel is configured with.
    pub fn quorum(&self) -> usize {
        let quorums = self
            .reports()
            .map(|(_, report)| usize::try_from(report.quorum).unwrap_or(usize::MAX));
        quorums.max().unwrap_or(1)
    }

    /// The snapshot of a node that answered.
    pub fn snapshot(&self, addr: &Addr) -> Option<&Snapshot> {
        match self.nodes.get(addr)? {
            Probe::Answered(snapshot) => Some(snapshot),
            Probe::Loading | Probe::Busy | Probe::Refused | Probe::Unreachable | Probe::Denied(_) => None,
        }
    }

    /// Whether a node answers as master, and by which run id.
    pub fn answers_as_master(&self, addr: &Addr) -> Option<&RunId> {
        let snapshot = self.snapshot(addr)?;
        (snapshot.replication.role == Role::Master).then_some(&snapshot.run_id)
    }
}
