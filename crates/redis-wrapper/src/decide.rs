//! The role at the start: one named arm per rule, each with its reason.
//!
//! Pure: no clock, no input or output. `waited` is how long the decision has been put off already, so that no wait is
//! for ever. The two rules that matter most: a live master is always followed, and a node that is itself the recorded
//! master never simply resumes while others hold data, because replicas of a master that came back empty discard
//! theirs (Redis issue 2087).

use std::time::Duration;

use instance::Probe;
use topology::{Addr, Candidate, Epoch, MasterName, MasterRecord, Role, rank};

use crate::view::{Recorded, View, sees_down};

/// How long to leave a dead master to the Sentinels before acting ourselves: down-after and two failover
/// timeouts at our defaults, with room for one failed attempt.
pub const SENTINELS_PATIENCE: Duration = Duration::from_secs(15);
/// How long to wait for what should end by itself within a ZooKeeper session.
pub const PATIENCE: Duration = Duration::from_secs(30);

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
    /// Give up with a clear error: going on would do harm.
    Refuse(WhyRefuse),
}

/// Why this node becomes master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyMaster {
    /// Nobody is recorded and no Sentinel knows a master.
    FirstStart,
    /// We are recorded, and nobody else holds data.
    ResumeAlone,
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
    /// The recorded one is not master, but exactly one other node is.
    AnotherIsMaster,
    /// It does not answer us, but its ZooKeeper session lives or a Sentinel reaches it: it will, or will be replaced.
    OthersReachIt,
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
}

/// Why the wrapper gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyRefuse {
    /// The tree belongs to a group of another name.
    OtherGroup(MasterName),
    /// The master refuses our credentials, still.
    MasterDenies(Addr),
    /// Several nodes answer as master, still; a person must choose.
    TwoMasters(Vec<Addr>),
}

/// Chooses the role. Deciding again on the same view gives the same answer.
pub fn decide(view: &View, waited: Duration) -> Plan {
    if let Recorded::State(state) = &view.recorded
        && state.name != view.name
    {
        return Plan::Refuse(WhyRefuse::OtherGroup(state.name.clone()));
    }
    match view.believed() {
        None => nobody_recorded(view, waited),
        Some(record) if record.addr == view.me => we_are_recorded(view, &record, waited),
        Some(record) => another_is_recorded(view, &record, waited),
    }
}

fn nobody_recorded(view: &View, waited: Duration) -> Plan {
    match &view.live_masters()[..] {
        [master] => {
            return Plan::Replica {
                of: master.clone(),
                why: WhyReplica::AnotherIsMaster,
            };
        }
        [] => {}
        _ if waited < PATIENCE => return Plan::Wait(WhyWait::TwoMasters),
        several => return Plan::Refuse(WhyRefuse::TwoMasters(several.to_vec())),
    }
    if let Some(candidate) = best(view) {
        return Plan::Promote {
            candidate,
            why: WhyPromote::NoSentinels,
        };
    }
    if loading_members(view) || (unclear_members(view) && waited < PATIENCE) {
        return Plan::Wait(WhyWait::MembersUnclear);
    }
    Plan::Master {
        epoch: view.next_epoch(),
        why: WhyMaster::FirstStart,
    }
}

fn we_are_recorded(view: &View, record: &MasterRecord, waited: Duration) -> Plan {
    match &view.live_masters()[..] {
        [master] => {
            return Plan::Replica {
                of: master.clone(),
                why: WhyReplica::AnotherIsMaster,
            };
        }
        [] => {}
        _ if waited < PATIENCE => return Plan::Wait(WhyWait::TwoMasters),
        several => return Plan::Refuse(WhyRefuse::TwoMasters(several.to_vec())),
    }
    if failover_running(view) && waited < PATIENCE {
        return Plan::Wait(WhyWait::FailoverRunning);
    }
    if let Some(candidate) = best(view) {
        return Plan::Promote {
            candidate,
            why: WhyPromote::NeverResume,
        };
    }
    if loading_members(view) || (unclear_members(view) && waited < PATIENCE) {
        return Plan::Wait(WhyWait::MembersUnclear);
    }
    Plan::Master {
        epoch: record.epoch,
        why: WhyMaster::ResumeAlone,
    }
}

fn another_is_recorded(view: &View, record: &MasterRecord, waited: Duration) -> Plan {
    match view.probe(&record.addr) {
        Some(Probe::Answered(snapshot)) if snapshot.replication.role == Role::Master => {
            return Plan::Replica {
                of: record.addr.clone(),
                why: WhyReplica::LiveMaster,
            };
        }
        Some(Probe::Loading) => {
            return Plan::Replica {
                of: record.addr.clone(),
                why: WhyReplica::MasterIsLoading,
            };
        }
        Some(Probe::Denied(_)) if waited < PATIENCE => return Plan::Wait(WhyWait::MasterDenies),
        Some(Probe::Denied(_)) => return Plan::Refuse(WhyRefuse::MasterDenies(record.addr.clone())),
        Some(Probe::Answered(_) | Probe::Refused | Probe::Unreachable) | None => {}
    }
    match &view.live_masters()[..] {
        [master] => {
            return Plan::Replica {
                of: master.clone(),
                why: WhyReplica::AnotherIsMaster,
            };
        }
        [] => {}
        _ if waited < PATIENCE => return Plan::Wait(WhyWait::TwoMasters),
        several => return Plan::Refuse(WhyRefuse::TwoMasters(several.to_vec())),
    }
    if failover_running(view) && waited < PATIENCE {
        return Plan::Wait(WhyWait::FailoverRunning);
    }
    recorded_is_gone(view, record, waited)
}

/// The recorded master does not answer as master, nobody else does, and no failover runs.
fn recorded_is_gone(view: &View, record: &MasterRecord, waited: Duration) -> Plan {
    let registered = view.members.iter().any(|member| member.addr == record.addr);
    let demoted = matches!(view.probe(&record.addr), Some(Probe::Answered(_)));
    let follow_anyway = || Plan::Replica {
        of: record.addr.clone(),
        why: WhyReplica::OthersReachIt,
    };
    if registered && !demoted {
        return if waited < PATIENCE {
            Plan::Wait(WhyWait::MasterStillRegistered)
        } else {
            follow_anyway()
        };
    }
    let reached = view
        .sentinel_masters()
        .any(|(named, flags)| named.addr == record.addr && !sees_down(*flags));
    if reached && !demoted {
        return if waited < PATIENCE {
            Plan::Wait(WhyWait::SentinelsReachIt)
        } else {
            follow_anyway()
        };
    }
    if let Some(candidate) = best(view) {
        let why = match view.sentinel_masters().next() {
            None if view.silent_sentinels == 0 => WhyPromote::NoSentinels,
            _ if waited < SENTINELS_PATIENCE => return Plan::Wait(WhyWait::SentinelsWillPromote),
            _ => WhyPromote::SentinelsDidNot,
        };
        return Plan::Promote { candidate, why };
    }
    if loading_members(view) || (unclear_members(view) && waited < PATIENCE) {
        return Plan::Wait(WhyWait::MembersUnclear);
    }
    Plan::Master {
        epoch: view.next_epoch(),
        why: WhyMaster::RecordedIsGone,
    }
}

/// The best node to promote, by Sentinel's own order, among those that hold data: of the recorded lineage if there is one,
/// otherwise of any, as the record may be two promotions old and an empty master must not erase them.
fn best(view: &View) -> Option<Box<Candidate>> {
    let candidates = view.candidates();
    let first = |lineage| rank(&candidates, lineage).ordered.into_iter().next();
    first(view.lineage()).or_else(|| first(None)).map(Box::new)
}

fn failover_running(view: &View) -> bool {
    view.sentinel_masters()
        .any(|(_, flags)| flags.failover_in_progress)
}

/// Whether a registered member neither answers nor refuses: it may hold data behind a broken network. One that
/// refuses is dead; one that loads holds data and will answer.
fn unclear_members(view: &View) -> bool {
    let unclear = |addr| {
        matches!(
            view.probe(addr),
            Some(Probe::Unreachable | Probe::Loading | Probe::Denied(_)) | None
        )
    };
    view.members.iter().any(|member| unclear(&member.addr))
}

/// Whether a registered member is loading: it holds data and will answer, however long it takes.
fn loading_members(view: &View) -> bool {
    view.members
        .iter()
        .any(|member| matches!(view.probe(&member.addr), Some(Probe::Loading)))
}

#[cfg(test)]
mod tests;
