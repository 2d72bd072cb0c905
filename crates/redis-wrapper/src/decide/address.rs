//! Whether the address that this node announces is free.
//!
//! Behind NAT the announced address is somebody's word, and two nodes that are given the same one would each be found in the record
//! and become master. So whoever else has the address is waited for: a predecessor that is stopping is gone, at the latest, with its
//! ZooKeeper session. One that stays is an error that only a person can mend.

use std::fmt;
use std::time::Duration;

use instance::Probe;
use topology::RunId;
use uuid::Uuid;

use super::{PATIENCE, Plan, StandBy, WhyRefuse};
use crate::view::View;

/// Who has the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenBy {
    /// A registered node.
    Member {
        /// Its wrapper.
        id: Uuid,
        /// Its Redis.
        run_id: RunId,
    },
    /// A node that has claimed to be master and whose Redis does not serve yet.
    Claimant {
        /// Its data directory.
        node: Uuid,
    },
    /// A Redis that is not registered and answers there.
    Stranger {
        /// Which one.
        run_id: RunId,
    },
    /// Something lives there and does not say which one it is.
    Unnamed(String),
}

impl fmt::Display for TakenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { id, run_id } => write!(f, "member {id} with run id {run_id}"),
            Self::Claimant { node } => write!(f, "starting node {node}"),
            Self::Stranger { run_id } => write!(f, "unregistered redis with run id {run_id}"),
            Self::Unnamed(what) => write!(f, "unregistered server ({what})"),
        }
    }
}

/// Who else has the announced address; our own Redis does not run yet. Nobody who listens there and nobody who is registered: it is free.
/// Silence says nothing, as not every network leads a host back to its own announced address.
pub fn holder(view: &View) -> Option<TakenBy> {
    let own = &view.own;
    let answering = match &own.probe {
        Some(Probe::Answered(snapshot)) => Some(&snapshot.run_id),
        Some(Probe::Loading | Probe::Busy | Probe::Denied(_) | Probe::Refused | Probe::Unreachable)
        | None => None,
    };
    let member = own
        .members
        .iter()
        .max_by_key(|member| (Some(&member.run_id) == answering, member.id));
    if let Some(member) = member {
        return Some(TakenBy::Member {
            id: member.id,
            run_id: member.run_id.clone(),
        });
    }
    if let Some(node) = own.claimed_by {
        return Some(TakenBy::Claimant { node });
    }
    match own.probe.as_ref()? {
        Probe::Answered(snapshot) => Some(TakenBy::Stranger {
            run_id: snapshot.run_id.clone(),
        }),
        Probe::Loading => Some(TakenBy::Unnamed("it is loading its data set".to_owned())),
        Probe::Busy => Some(TakenBy::Unnamed("a script holds it".to_owned())),
        Probe::Denied(reason) => Some(TakenBy::Unnamed(reason.clone())),
        Probe::Refused | Probe::Unreachable => None,
    }
}

/// What to do while somebody else has the address; `None` while nobody has.
pub(super) fn taken(view: &View) -> Option<Plan> {
    let by = holder(view)?;
    Some(if view.own.held_for < patience(view.own.session) {
        Plan::StandBy(StandBy::AddressTaken { by })
    } else {
        Plan::Refuse(WhyRefuse::AddressTaken { by })
    })
}

/// How long a predecessor may take to leave: its session is over within this time, with room for a server that is slow to say so.
fn patience(session: Duration) -> Duration {
    PATIENCE.max(session * 3 / 2)
}
