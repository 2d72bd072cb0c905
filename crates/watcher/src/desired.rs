//! What ZooKeeper should hold after a verdict. Pure: time and the new group's identity are arguments.

use topology::{Addr, Epoch};
use uuid::Uuid;
use zkpaths::{Further, Phase, RecordedMaster, State};

use crate::verdict::{Publication, Verdict};
use crate::view::{StateNode, View};

/// The state to record. `/redis/master` and `/redis/masters/<name>` follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Desired {
    /// The group's memory.
    pub(crate) state: State,
}

impl Desired {
    /// Who is master then.
    pub(crate) fn addr(&self) -> &Addr {
        &self.state.master.addr
    }

    /// As of which epoch.
    pub(crate) fn epoch(&self) -> Epoch {
        self.state.epoch
    }
}

/// What `verdict` wants recorded; `None` where it wants nothing. `fresh` becomes the identity of a group that has none.
pub(crate) fn desired(view: &View, verdict: &Verdict, now_ms: u64, fresh: Uuid) -> Option<Desired> {
    let known = match &view.recorded.state {
        StateNode::Known(state) => Some(state.as_ref()),
        StateNode::Missing | StateNode::Malformed(_) | StateNode::Newer(_) => None,
    };
    let state = match verdict {
        Verdict::Publish(publication) => published(view, known, publication, now_ms, fresh),
        Verdict::Settle { run_id } => {
            let mut state = known?.clone();
            state.phase = Phase::Settled;
            state.replaces = None;
            state.master.run_id = Some(run_id.clone());
            state
        }
        Verdict::RepairMaster(_) => known?.clone(),
        Verdict::Conflict { .. } | Verdict::OtherGroup { .. } | Verdict::Nothing(_) => return None,
    };
    Some(Desired { state })
}

fn published(
    view: &View,
    known: Option<&State>,
    publication: &Publication,
    now_ms: u64,
    fresh: Uuid,
) -> State {
    State {
        group: known.map_or(fresh, |state| state.group),
        name: view.group.clone(),
        epoch: publication.record.epoch,
        master: RecordedMaster {
            addr: publication.record.addr.clone(),
            run_id: Some(publication.run_id.clone()),
        },
        phase: Phase::Settled,
        cause: publication.cause.clone(),
        since_ms: now_ms,
        replaces: None,
        known: known.and_then(|state| state.known.clone()),
        further: Further::default(),
    }
}
