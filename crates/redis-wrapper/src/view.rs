//! What a wrapper knows of its group at one moment, before it decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use instance::{Flags, Probe, Snapshot};
use topology::{Addr, Candidate, Epoch, Lineage, LinkStatus, MasterName, MasterRecord, ReplicationId, Role};
use uuid::Uuid;
use zkpaths::{Member, Phase, State};

use crate::decide::cold::Field;

/// Everything the start decision may look at. Read by [`crate::observe`], never changed.
#[derive(Debug, Clone)]
pub struct View {
    /// The address this node will announce.
    pub me: Addr,
    /// Who else has that address.
    pub own: OwnAddress,
    /// The group's name.
    pub name: MasterName,
    /// What ZooKeeper has recorded.
    pub recorded: Recorded,
    /// Every registered Sentinel that answered, and what it says of this group.
    pub sentinels: Vec<SentinelReport>,
    /// How many registered Sentinels did not answer.
    pub silent_sentinels: usize,
    /// The replicas that Sentinels know, registered or not, this one's own address left out.
    pub known_replicas: BTreeSet<Addr>,
    /// The registered nodes, this one's own address left out.
    pub members: Vec<Member>,
    /// What answered at every address named by the above.
    pub probes: BTreeMap<Addr, Probe>,
    /// The disks of the group, for the day when nobody who holds data is alive.
    pub field: Field,
}

/// What is known of others at the address that this node announces.
#[derive(Debug, Clone, Default)]
pub struct OwnAddress {
    /// What answers there; `None` if nobody was asked.
    pub probe: Option<Probe>,
    /// The registered nodes that announce it, this one left out. So are earlier starts on our own data directory: it is locked
    /// while it is used, so they have ended, however long their entries stay.
    pub members: Vec<Member>,
    /// The data directory of another starting node for which it is recorded.
    pub claimed_by: Option<Uuid>,
    /// For how long somebody has had it.
    pub held_for: Duration,
    /// How long a dead node stays registered.
    pub session: Duration,
}

/// `/redis/state` and `/redis/master`, read together.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// Neither names anyone.
    Nobody,
    /// Only `/redis/master` does: a group of the original redis-zk.
    Legacy(Addr),
    /// The group's state.
    State(Box<State>),
    /// The group's state in a newer version's shape: there is a record, and it must not be written over.
    Newer,
}

/// One Sentinel's answer.
#[derive(Debug, Clone)]
pub struct SentinelReport {
    /// Where it was asked.
    pub sentinel: Addr,
    /// Whom it names, as of which epoch; `None` if it does not know the group.
    pub master: Option<(MasterRecord, Flags)>,
    /// The epoch of its last vote.
    pub last_vote: Epoch,
}

impl View {
    /// Who is believed to be master: the higher epoch of what is recorded and what any Sentinel says. On equal epochs the one that
    /// more Sentinels name wins over the record.
    pub fn believed(&self) -> Option<MasterRecord> {
        let mut named: BTreeSet<(Epoch, usize, Addr)> = BTreeSet::new();
        for (record, _) in self.sentinel_masters() {
            let votes = self
                .sentinel_masters()
                .filter(|(other, _)| *other == record)
                .count();
            named.insert((record.epoch, votes, record.addr.clone()));
        }
        if let Some(record) = self.recorded.record() {
            let votes = self
                .sentinel_masters()
                .filter(|(other, _)| **other == record)
                .count();
            named.insert((record.epoch, votes, record.addr));
        }
        named
            .pop_last()
            .map(|(epoch, _, addr)| MasterRecord { addr, epoch })
    }

    /// What the Sentinels that know the group say.
    pub fn sentinel_masters(&self) -> impl Iterator<Item = (&MasterRecord, &Flags)> {
        self.sentinels
            .iter()
            .filter_map(|report| report.master.as_ref())
            .map(|(record, flags)| (record, flags))
    }

    /// An epoch above everything anyone has.
    pub fn next_epoch(&self) -> Epoch {
        let recorded = self.recorded.record().map(|record| record.epoch);
        let named = self.sentinel_masters().map(|(record, _)| record.epoch);
        let votes = self.sentinels.iter().map(|report| report.last_vote);
        recorded
            .into_iter()
            .chain(named)
            .chain(votes)
            .max()
            .map_or(Epoch(0), Epoch::next)
    }

    /// What answered at an address; `None` if nobody was asked.
    pub fn probe(&self, addr: &Addr) -> Option<&Probe> {
        self.probes.get(addr)
    }

    /// The snapshot of a node that answered.
    pub fn snapshot(&self, addr: &Addr) -> Option<&Snapshot> {
        match self.probes.get(addr)? {
            Probe::Answered(snapshot) => Some(snapshot),
            Probe::Loading | Probe::Busy | Probe::Refused | Probe::Unreachable | Probe::Denied(_) => None,
        }
    }

    /// The nodes that answer as masters, this one left out, in the order of their addresses.
    pub fn live_masters(&self) -> Vec<Addr> {
        let others = self.probes.keys().filter(|addr| **addr != self.me);
        let is_master = |addr: &&Addr| {
            self.snapshot(addr)
                .is_some_and(|s| s.replication.role == Role::Master)
        };
        others.filter(is_master).cloned().collect()
    }

    /// The lineage of the group's data, where it is recorded.
    pub fn lineage(&self) -> Option<&ReplicationId> {
        match &self.recorded {
            Recorded::State(state) => state.known.as_ref().map(|known| &known.id),
            Recorded::Nobody | Recorded::Legacy(_) | Recorded::Newer => None,
        }
    }

    /// The nodes that answer as replicas, as candidates for promotion. Whether one holds data of the group is
    /// [`holds_data`]'s to say; a node without any is marked unusable.
    pub fn candidates(&self) -> Vec<Candidate> {
        let candidate = |addr: &Addr| {
            let snapshot = self
                .snapshot(addr)
                .filter(|s| s.replication.role != Role::Master)?;
            let replication = &snapshot.replication;
            let lineage = Lineage {
                id: replication.id.clone(),
                second: replication.second_id.clone(),
            };
            Some(Candidate {
                addr: addr.clone(),
                priority: replication.priority,
                offset: replication.offset,
                run_id: snapshot.run_id.clone(),
                usable: holds_data(snapshot, self.lineage()),
                lineage,
            })
        };
        let registered = self.members.iter().map(|member| &member.addr);
        let all: BTreeSet<&Addr> = registered.chain(&self.known_replicas).collect();
        all.into_iter().filter_map(candidate).collect()
    }
}

/// Whether a Sentinel with these flags does not reach the master: its connection is gone at once when the process dies.
pub fn sees_down(flags: Flags) -> bool {
    flags.subjectively_down || flags.objectively_down || flags.disconnected
}

/// Whether a node holds data of the group. A replica that has never synchronised has a lineage of its own and reports
/// offset 1 (server.c, `genRedisInfoString`); one that is linked or has replicated a byte counts whatever its lineage.
pub fn holds_data(snapshot: &Snapshot, lineage: Option<&ReplicationId>) -> bool {
    let replication = &snapshot.replication;
    let own = Lineage {
        id: replication.id.clone(),
        second: replication.second_id.clone(),
    };
    match lineage {
        Some(recorded) if own.includes(recorded) => true,
        _ => replication.offset > 1 || replication.link == Some(LinkStatus::Up),
    }
}

impl Recorded {
    /// Whether only a newer version can go on with what is recorded.
    pub fn is_newer(&self) -> bool {
        match self {
            Recorded::Newer => true,
            Recorded::State(state) => matches!(state.phase, Phase::Other(_)),
            Recorded::Nobody | Recorded::Legacy(_) => false,
        }
    }

    /// Who is recorded as master. A legacy group has no epoch; 0 is what its Sentinels start with.
    pub fn record(&self) -> Option<MasterRecord> {
        match self {
            Recorded::Nobody | Recorded::Newer => None,
            Recorded::Legacy(addr) => Some(MasterRecord {
                addr: addr.clone(),
                epoch: Epoch(0),
            }),
            Recorded::State(state) => Some(state.record()),
        }
    }
}
