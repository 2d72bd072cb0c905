//! What a Sentinel remembers and nobody is any more.
//!
//! Sentinel counts every run id it ever met into the majority, and never forgets a replica's address: a few ghosts
//! make failover impossible, and a stranger who appears at a remembered address is enslaved and wiped. The only cure
//! is `SENTINEL RESET`, which forgets the living too, for a moment. So a ghost must look like one for a while, on
//! every look, and the reset waits until the group could bear a Sentinel that knows nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use topology::{Addr, MasterRecord, RunId};

use crate::view::{Living, Monitoring, Reach};

/// How long a peer without a living holder must be seen so.
pub const PEER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a replica that is no member must be seen so; longer, as Redis nodes restart more slowly.
pub const REPLICA_PATIENCE: Duration = Duration::from_secs(30);
/// How long a registration must refuse connections before it is nobody's.
pub const REGISTRATION_PATIENCE: Duration = Duration::from_secs(60);

/// Something that may be a ghost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspect {
    /// A Sentinel known to ours.
    Peer(RunId, Addr),
    /// A replica known to ours.
    Replica(Addr),
    /// A child of `/redis/sentinels`, by its name.
    Registration(String),
}

impl Suspect {
    fn patience(&self) -> Duration {
        match self {
            Self::Peer(..) => PEER_PATIENCE,
            Self::Replica(_) => REPLICA_PATIENCE,
            Self::Registration(_) => REGISTRATION_PATIENCE,
        }
    }
}

impl std::fmt::Display for Suspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(id, addr) => write!(f, "sentinel {id} at {addr}"),
            Self::Replica(addr) => write!(f, "replica {addr}"),
            Self::Registration(name) => write!(f, "registration {name}"),
        }
    }
}

/// Who lives, by ZooKeeper's word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Sentinels whose identity has a living holder.
    pub sentinels: BTreeSet<Living>,
    /// Every address under `/redis/sentinels`, old components' too.
    pub registered: BTreeSet<Addr>,
    /// Addresses of the Redis members.
    pub members: BTreeSet<Addr>,
}

/// Which of the Sentinel's memories nobody stands behind.
pub fn suspects(own: &Monitoring, census: &Census, recorded: &MasterRecord) -> BTreeSet<Suspect> {
    let living: BTreeSet<&RunId> = census.sentinels.iter().map(|living| &living.id).collect();
    let peers = own.peers.iter().filter(|peer| {
        peer.reach != Reach::Up && !living.contains(&peer.id) && !census.registered.contains(&peer.addr)
    });
    let replicas = own.replicas.iter().filter(|replica| {
        replica.reach != Reach::Up && !census.members.contains(&replica.addr) && replica.addr != recorded.addr
    });
    let peers = peers.map(|peer| Suspect::Peer(peer.id.clone(), peer.addr.clone()));
    peers
        .chain(replicas.map(|replica| Suspect::Replica(replica.addr.clone())))
        .collect()
}

/// Since when each suspect has been seen on every look.
#[derive(Debug, Default)]
pub struct Suspicion {
    since: BTreeMap<Suspect, Instant>,
}

impl Suspicion {
    /// One more look: those seen long enough now. Whoever was not seen this time starts anew.
    pub fn look(&mut self, seen: BTreeSet<Suspect>, now: Instant) -> Vec<Suspect> {
        self.since.retain(|suspect, _| seen.contains(suspect));
        for suspect in seen {
            self.since.entry(suspect).or_insert(now);
        }
        let ripe = self
            .since
            .iter()
            .filter(|(suspect, since)| now.duration_since(**since) >= suspect.patience());
        ripe.map(|(suspect, _)| suspect.clone()).collect()
    }

    /// A look that could not see: nothing was seen on every look any more.
    pub fn blind(&mut self) {
        self.since.clear();
    }
}

/// What another living Sentinel says about the master, asked before ours forgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Who.
    pub addr: Addr,
    /// What it says; `None` where it did not answer or does not know the group.
    pub says: Option<Testimony>,
}

/// A Sentinel's word about the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testimony {
    /// The master it names.
    pub record: MasterRecord,
    /// How that looks to it.
    pub master: Reach,
    /// Whether a failover is running on it.
    pub failover_in_progress: bool,
}

/// Why nothing may be forgotten now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotNow {
    /// The master does not answer `ROLE` with master.
    MasterSilent,
    /// A living Sentinel does not answer; ours would be missed.
    WitnessSilent(Addr),
    /// A Sentinel does not reach the master.
    MasterSuspected(Addr),
    /// A Sentinel is moving the master.
    FailoverRunning(Addr),
    /// A Sentinel names another master: first they must agree.
    Disagreement(Addr),
}

impl std::fmt::Display for NotNow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MasterSilent => f.write_str("the master does not answer as master"),
            Self::WitnessSilent(addr) => write!(f, "sentinel {addr} does not answer"),
            Self::MasterSuspected(addr) => write!(f, "sentinel {addr} does not reach the master"),
            Self::FailoverRunning(addr) => write!(f, "a failover is running on sentinel {addr}"),
            Self::Disagreement(addr) => write!(f, "sentinel {addr} names another master"),
        }
    }
}

/// Whether the group can bear a Sentinel that knows nobody for some seconds. `witnesses` are all living Sentinels,
/// ours among them.
pub fn may_forget(record: &MasterRecord, master_answers: bool, witnesses: &[Witness]) -> Result<(), NotNow> {
    if !master_answers {
        return Err(NotNow::MasterSilent);
    }
    for Witness { addr, says } in witnesses {
        let Some(says) = says else {
            return Err(NotNow::WitnessSilent(addr.clone()));
        };
        if says.failover_in_progress {
            return Err(NotNow::FailoverRunning(addr.clone()));
        }
        if says.record.addr != record.addr {
            return Err(NotNow::Disagreement(addr.clone()));
        }
        if says.master != Reach::Up {
            return Err(NotNow::MasterSuspected(addr.clone()));
        }
    }
    Ok(())
}

/// Whether the Sentinel knows the living again, and nobody else. `others` are the living Sentinels without ours.
pub fn recovered(own: &Monitoring, others: &BTreeSet<Living>, members: &BTreeSet<Addr>) -> bool {
    let known: BTreeSet<&RunId> = own.peers.iter().map(|peer| &peer.id).collect();
    let living: BTreeSet<&RunId> = others.iter().map(|living| &living.id).collect();
    let replicas = members
        .iter()
        .filter(|member| **member != own.record.addr)
        .count();
    known == living && own.replicas.len() >= replicas
}

/// Free identities are kept for the next Sentinels, but not without end.
pub const FREE_KEPT: usize = 16;

/// The free identities beyond those kept, for a caller that deletes them. `free` has no holder.
pub fn surplus(free: &BTreeSet<RunId>) -> Vec<RunId> {
    free.iter().skip(FREE_KEPT).cloned().collect()
}

#[cfg(test)]
mod tests;
