//! The role at the start: one named arm per rule, each with its reason.
//!
//! Pure: no clock, no input or output. `waited` is how long the decision has been put off already, so that no wait is
//! for ever. The two rules that matter most: a live master is always followed, and a node that is itself the recorded
//! master never simply resumes while others hold data, because replicas of a master that came back empty discard
//! theirs (Redis issue 2087).

pub mod address;
pub mod cold;
mod heir;
mod plan;
pub mod quorum;

use std::time::Duration;

use instance::Probe;
use topology::{Epoch, MasterRecord, Role};

use zkpaths::Member;

use self::cold::{Cold, Past, cold};
use self::heir::{Heir, beside_a_foreigner, heir};
pub use self::plan::{Plan, StandBy, WhyMaster, WhyPromote, WhyRefuse, WhyReplica, WhyWait};
use crate::view::{Recorded, View, sees_down};

/// How long to leave a dead master to the Sentinels before acting ourselves: down-after and two failover
/// timeouts at our defaults, with room for one failed attempt.
pub const SENTINELS_PATIENCE: Duration = Duration::from_secs(15);
/// How long to wait for what should end by itself within a ZooKeeper session.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Chooses the role. Deciding again on the same view gives the same answer.
pub fn decide(view: &View, waited: Duration) -> Plan {
    if let Recorded::State(state) = &view.recorded
        && state.name != view.name
    {
        return Plan::Refuse(WhyRefuse::OtherGroup(state.name.clone()));
    }
    if let Some(plan) = address::taken(view) {
        return plan;
    }
    let plan = match view.believed() {
        None => nobody_recorded(view, waited),
        Some(record) if record.addr == view.me => we_are_recorded(view, &record, waited),
        Some(record) => another_is_recorded(view, &record, waited),
    };
    match plan {
        Plan::Master { .. } | Plan::Promote { .. } if view.recorded.is_newer() => {
            if waited < PATIENCE {
                Plan::Wait(WhyWait::NewerRecord)
            } else {
                Plan::Refuse(WhyRefuse::NewerRecord)
            }
        }
        Plan::Master { .. }
        | Plan::Promote { .. }
        | Plan::Replica { .. }
        | Plan::Wait(_)
        | Plan::StandBy(_)
        | Plan::Refuse(_) => plan,
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
    if let Some(Heir::Kin(candidate) | Heir::Foreign(candidate)) = heir(view, None) {
        return Plan::Promote {
            candidate,
            why: WhyPromote::NoSentinels,
        };
    }
    if members_unclear(view, waited) {
        return Plan::Wait(WhyWait::MembersUnclear);
    }
    master(view, Past::None, view.next_epoch(), WhyMaster::FirstStart)
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
    let heir = heir(view, Some(&record.addr));
    if let Some(Heir::Kin(candidate)) = heir {
        return Plan::Promote {
            candidate,
            why: WhyPromote::NeverResume,
        };
    }
    if members_unclear(view, waited) {
        return Plan::Wait(WhyWait::MembersUnclear);
    }
    let plan = master(view, Past::Recorded, record.epoch, WhyMaster::ResumeAlone);
    match heir {
        Some(Heir::Foreign(candidate)) => beside_a_foreigner(view, candidate, plan),
        Some(Heir::Kin(_)) | None => plan,
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
        Some(Probe::Busy) => {
            return Plan::Replica {
                of: record.addr.clone(),
                why: WhyReplica::MasterIsBusy,
            };
        }
        Some(Probe::Denied(_)) if waited < PATIENCE => return Plan::Wait(WhyWait::MasterDenies),
        Some(Probe::Denied(reason)) => {
            return Plan::Refuse(WhyRefuse::MasterDenies {
                master: record.addr.clone(),
                reason: reason.clone(),
            });
        }
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
    let heir = heir(view, Some(&record.addr));
    if let Some(Heir::Kin(candidate)) = heir {
        let why = match view.sentinel_masters().next() {
            None if view.silent_sentinels == 0 => WhyPromote::NoSentinels,
            _ if waited < SENTINELS_PATIENCE => return Plan::Wait(WhyWait::SentinelsWillPromote),
            _ => WhyPromote::SentinelsDidNot,
        };
        return Plan::Promote { candidate, why };
    }
    if members_unclear(view, waited) {
        return Plan::Wait(WhyWait::MembersUnclear);
    }
    let plan = master(view, Past::Recorded, view.next_epoch(), WhyMaster::RecordedIsGone);
    match heir {
        Some(Heir::Foreign(candidate)) => beside_a_foreigner(view, candidate, plan),
        Some(Heir::Kin(_)) | None => plan,
    }
}

/// Nobody alive holds data: the best disk of those that start wins.
fn master(view: &View, past: Past, epoch: Epoch, why: WhyMaster) -> Plan {
    let alive = view
        .probes
        .keys()
        .filter(|addr| view.snapshot(addr).is_some())
        .collect();
    match cold(&view.field, past, view.lineage(), &alive) {
        Cold::Win(disk) => Plan::Master { epoch, why, disk },
        Cold::Wait { missing: nodes, left } => Plan::StandBy(StandBy::Missing { nodes, left }),
        Cold::Defer { to: node, why } => Plan::StandBy(StandBy::Fresher { node, why }),
    }
}

fn failover_running(view: &View) -> bool {
    view.sentinel_masters()
        .any(|(_, flags)| flags.failover_in_progress)
}

/// Whether it is too early to go on without the members that do not answer. One that is registered and is known to have more than we
/// have lives behind a broken network, and is waited for as long as that lasts.
fn members_unclear(view: &View, waited: Duration) -> bool {
    let silent = |member: &&Member| matches!(view.probe(&member.addr), Some(Probe::Unreachable) | None);
    let has_more = |member: &Member| {
        let mut nodes = view.field.nodes.iter();
        nodes.any(|node| node.addr == member.addr && cold::has_more(&view.field, node))
    };
    let mut silent = view.members.iter().filter(silent);
    occupied_members(view) || (unclear_members(view) && waited < PATIENCE) || silent.any(has_more)
}

/// Whether a registered member neither answers nor refuses: it may hold data behind a broken network. One that
/// refuses is dead; one that loads, or is held by a script, holds data and will answer.
fn unclear_members(view: &View) -> bool {
    let unclear = |addr| {
        matches!(
            view.probe(addr),
            Some(Probe::Unreachable | Probe::Loading | Probe::Busy | Probe::Denied(_)) | None
        )
    };
    view.members.iter().any(|member| unclear(&member.addr))
}

/// Whether a registered member is loading, or held by a script: it holds data and will answer, however long it takes.
fn occupied_members(view: &View) -> bool {
    view.members
        .iter()
        .any(|member| matches!(view.probe(&member.addr), Some(Probe::Loading | Probe::Busy)))
}

#[cfg(test)]
mod tests;
