//! What a running node corrects: pure, looked at about once a second and whenever `/redis/state` changes.
//!
//! Sentinels command a running Redis; this only closes the gaps they leave for seconds: an old master that came back
//! beside a new one, and a replica that follows a node which is no longer master. It never acts against Sentinels
//! that name somebody else at a higher epoch, or that are moving the role right now.

use std::time::Duration;

use topology::{Addr, Epoch, MasterRecord, ReplicationId, Role, RunId};
use uuid::Uuid;
use zkpaths::{Member, Phase, State};

use crate::view::SentinelReport;

/// How long a disagreement must stand before a replica is pointed elsewhere; Sentinels move replicas themselves
/// within this time after a failover.
pub const REPLICA_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a node that answers as master while another one is recorded and confirmed.
pub const MASTER_PATIENCE: Duration = Duration::from_millis(500);
/// So often the record is completed within [`SETTLING`]. A start and a promotion need two each; more is a quarrel with somebody.
pub const SETTLEMENTS: usize = 4;
/// For how long a completion counts.
pub const SETTLING: Duration = Duration::from_secs(60);

/// What one look sees.
#[derive(Debug, Clone)]
pub struct Look {
    /// The address this node announces.
    pub me: Addr,
    /// What our Redis says it is.
    pub role: Role,
    /// Its run id, as recorded when it is master.
    pub run_id: RunId,
    /// Its lineage.
    pub replication_id: ReplicationId,
    /// `/redis/state` now.
    pub record: Record,
    /// The last record that was accepted: it only ever goes forward.
    pub known: Option<Accepted>,
    /// What the recorded master answers, if it is another node and was asked.
    pub recorded_role: Option<Role>,
    /// What the Sentinels say, if they were asked; `None` if some are registered and none answered.
    pub sentinels: Option<Vec<SentinelReport>>,
    /// For how long the disagreement has stood.
    pub standing: Duration,
    /// Other registered nodes with our address, if they were asked for: only when [`unsettled`].
    pub namesakes: Option<Vec<Member>>,
    /// How often we have completed the record within [`SETTLING`].
    pub settled: usize,
}

impl Look {
    /// The epoch of the record.
    pub fn recorded_epoch(&self) -> Epoch {
        match &self.record {
            Record::Named(state) => state.epoch,
            Record::Unknown | Record::Empty => Epoch::default(),
        }
    }

    /// The Redis that the record means.
    pub fn recorded_run_id(&self) -> Option<&RunId> {
        match &self.record {
            Record::Named(state) => state.master.run_id.as_ref(),
            Record::Unknown | Record::Empty => None,
        }
    }
}

/// `/redis/state`, as far as it can be read.
#[derive(Debug, Clone)]
pub enum Record {
    /// It cannot be read at the moment.
    Unknown,
    /// It is empty, gone, or holds what nobody can read.
    Empty,
    /// It names a master.
    Named(Box<State>),
}

/// A record that this node has acted upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The group's identity.
    pub group: Uuid,
    /// Who was master, as of which epoch.
    pub master: MasterRecord,
}

impl From<&State> for Accepted {
    fn from(state: &State) -> Self {
        Self {
            group: state.group,
            master: state.record(),
        }
    }
}

/// What to correct.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Keep {
    /// Nothing.
    Nothing(WhyNothing),
    /// We are the recorded master: complete the record (phase, run id, lineage).
    Settle,
    /// We are the master that was recorded before ZooKeeper lost the record: put it back.
    Restore,
    /// Follow the recorded master.
    Follow {
        /// The recorded, confirmed master.
        to: Addr,
        /// Why.
        why: WhyFollow,
    },
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNothing {
    /// Role and record agree.
    Agreed,
    /// The record cannot be read at the moment, or is empty: the Sentinels command.
    RecordUnknown,
    /// The record is empty, and it is not for us to write it.
    Empty,
    /// The record names another master at an epoch that is not above the last one: ZooKeeper has lost its data, and somebody
    /// without any began anew. Following it would erase the group.
    WentBack,
    /// The recorded node does not answer as master.
    NotConfirmed,
    /// Sentinels are registered and none of them answers: they may know better.
    SentinelsSilent,
    /// A Sentinel names another master at a higher epoch, or is moving the role.
    SentinelsAreAhead,
    /// The disagreement is young; Sentinels usually end it themselves.
    Patience,
    /// The record is another node's, which has our address and is alive: completing it would take it away from that node, which would
    /// take it back. A person is needed.
    AddressShared,
    /// Who else has our address cannot be read at the moment.
    MembersUnknown,
    /// The record was completed again and again and does not stay so.
    SettledTooOften,
}

/// Why this node is pointed at another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyFollow {
    /// Another node is the recorded and confirmed master.
    NoLongerMaster,
    /// We follow a node that is not master.
    WrongMaster,
    /// We are fenced, and another node has become master.
    Fenced,
}

/// Whether the recorded master must be asked for its role before deciding: only when role and record disagree.
pub fn disagreement<'a>(me: &Addr, role: &Role, state: Option<&'a State>) -> Option<&'a Addr> {
    let recorded = &state?.master.addr;
    let agrees = match role {
        Role::Master => recorded == me,
        Role::Replica { of } => recorded == of || recorded == me,
    };
    (!agrees).then_some(recorded)
}

/// Decides. Acting on the answer makes the next look agree.
pub fn keep(look: &Look) -> Keep {
    let was_ours = look.role == Role::Master && look.known.as_ref().is_some_and(|k| k.master.addr == look.me);
    let state = match &look.record {
        Record::Unknown => return Keep::Nothing(WhyNothing::RecordUnknown),
        Record::Empty if was_ours => return Keep::Restore,
        Record::Empty => return Keep::Nothing(WhyNothing::Empty),
        Record::Named(state) if went_back(look.known.as_ref(), state) => {
            return if was_ours {
                Keep::Restore
            } else {
                Keep::Nothing(WhyNothing::WentBack)
            };
        }
        Record::Named(state) => state,
    };
    let Some(recorded) = disagreement(&look.me, &look.role, Some(state)) else {
        return if unsettled(&look.me, &look.run_id, &look.replication_id, state) {
            settle(look, state)
        } else {
            Keep::Nothing(WhyNothing::Agreed)
        };
    };
    if look.recorded_role != Some(Role::Master) {
        return Keep::Nothing(WhyNothing::NotConfirmed);
    }
    let Some(sentinels) = &look.sentinels else {
        return Keep::Nothing(WhyNothing::SentinelsSilent);
    };
    if sentinels_are_ahead(sentinels, &state.record()) {
        return Keep::Nothing(WhyNothing::SentinelsAreAhead);
    }
    let moved_on = look
        .known
        .as_ref()
        .is_some_and(|known| known.master.epoch < state.epoch);
    let (patience, why) = match look.role {
        // The record has moved on while we were away: no reason to take one more write.
        Role::Master if moved_on => (Duration::ZERO, WhyFollow::NoLongerMaster),
        Role::Master => (MASTER_PATIENCE, WhyFollow::NoLongerMaster),
        // Nobody but we can end this, and it serves nobody.
        Role::Replica { .. } if look.role.is_fenced() => (Duration::ZERO, WhyFollow::Fenced),
        Role::Replica { .. } => (REPLICA_PATIENCE, WhyFollow::WrongMaster),
    };
    if look.standing < patience {
        return Keep::Nothing(WhyNothing::Patience);
    }
    Keep::Follow {
        to: recorded.clone(),
        why,
    }
}

/// Whether a record is older than one that was accepted. The epoch of a group only rises.
pub fn went_back(known: Option<&Accepted>, state: &State) -> bool {
    known.is_some_and(|known| known.master.addr != state.master.addr && state.epoch <= known.master.epoch)
}

/// Whether the record names `me` and lacks something: who else has that address must be asked before it is completed.
pub fn unsettled(me: &Addr, run_id: &RunId, lineage: &ReplicationId, state: &State) -> bool {
    let known = state.known.as_ref().map(|known| &known.id);
    let begun = match state.phase {
        Phase::Claimed | Phase::Promoting => true,
        Phase::Settled => false,
        // Whoever has begun it knows what is missing.
        Phase::Other(_) => return false,
    };
    state.master.addr == *me
        && (begun || state.master.run_id.as_ref() != Some(run_id) || known != Some(lineage))
}

/// Our record is incomplete, or not ours.
fn settle(look: &Look, state: &State) -> Keep {
    let Some(namesakes) = &look.namesakes else {
        return Keep::Nothing(WhyNothing::MembersUnknown);
    };
    if owner(namesakes, state).is_some() {
        Keep::Nothing(WhyNothing::AddressShared)
    } else if look.role != Role::Master {
        // On its way to being promoted.
        Keep::Nothing(WhyNothing::Agreed)
    } else if look.settled >= SETTLEMENTS {
        Keep::Nothing(WhyNothing::SettledTooOften)
    } else {
        Keep::Settle
    }
}

/// The live namesake whose Redis the record means.
pub fn owner<'a>(namesakes: &'a [Member], state: &State) -> Option<&'a Member> {
    let recorded = state.master.run_id.as_ref()?;
    namesakes.iter().find(|member| member.run_id == *recorded)
}

fn sentinels_are_ahead(reports: &[SentinelReport], recorded: &MasterRecord) -> bool {
    reports
        .iter()
        .filter_map(|report| report.master.as_ref())
        .any(|(named, flags)| {
            flags.failover_in_progress || (named.epoch > recorded.epoch && named.addr != recorded.addr)
        })
}

#[cfg(test)]
mod tests;
