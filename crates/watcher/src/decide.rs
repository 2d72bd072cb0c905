//! Whether the record must change, and why. Pure: a view in, a verdict out.
//!
//! The Sentinels know who is master; ZooKeeper remembers it. The higher config epoch is right, always, and one epoch
//! never names two masters. Nobody is published who did not just answer `ROLE` with master, so that a client
//! who reads the record can write there. A verdict that writes rests on answers only, never on
//! something still awaited: further answers of the same look cannot change it (a property test says so).

use std::cmp::Ordering;
use std::time::Duration;

use topology::MasterRecord;
use zkpaths::{Cause, Phase, State};

use crate::tally::{Backing, Tally, tally};
use crate::verdict::{Publication, Reason, Verdict, Why, Wrong};
use crate::view::{Answer, StateNode, View};

/// For how long the recorded master must have been looked at in vain before less than a majority of the
/// Sentinels may name another.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Decides one view.
pub(crate) fn decide(view: &View) -> Verdict {
    let state = match &view.recorded.state {
        StateNode::Known(state) => state,
        StateNode::Missing => return unrecorded(view, Why::NothingRecorded),
        StateNode::Malformed(_) => return unrecorded(view, Why::Unreadable),
        StateNode::Newer(_) => return Verdict::Nothing(Reason::NewerRecord),
    };
    if state.name != view.group {
        return Verdict::OtherGroup {
            recorded: state.name.clone(),
        };
    }
    match tally(view) {
        Tally::NoneRegistered => keep(view, state, Reason::NoSentinels),
        Tally::NoReports => keep(view, state, Reason::NoReports),
        Tally::Open => Verdict::Nothing(Reason::Waiting),
        Tally::Split { epoch, .. } if epoch < state.epoch => keep(view, state, Reason::Stale),
        Tally::Split { epoch, one, other } => Verdict::Conflict { epoch, one, other },
        Tally::Named(reported, backing) => match reported.epoch.cmp(&state.epoch) {
            Ordering::Greater => newer(view, &reported, backing),
            Ordering::Less => keep(view, state, Reason::Stale),
            Ordering::Equal if reported.addr == state.master.addr => keep(view, state, Reason::UpToDate),
            Ordering::Equal => same_epoch(view, state, &reported),
        },
    }
}

/// There is no readable state: an old group, a new one, or damage. Only the Sentinels can say who is master.
fn unrecorded(view: &View, why: Why) -> Verdict {
    match tally(view) {
        Tally::NoneRegistered => Verdict::Nothing(Reason::NoSentinels),
        Tally::NoReports => Verdict::Nothing(Reason::NoReports),
        Tally::Open => Verdict::Nothing(Reason::Waiting),
        Tally::Split { epoch, one, other } => Verdict::Conflict { epoch, one, other },
        Tally::Named(reported, backing) => {
            if backing == Backing::Few && !may_replace_recorded(view, &reported) {
                return Verdict::Nothing(Reason::NoMajority);
            }
            publish(view, reported, Cause::Repair, why)
        }
    }
}

fn newer(view: &View, reported: &MasterRecord, backing: Backing) -> Verdict {
    let why = match backing {
        Backing::Majority => Why::HigherEpoch,
        Backing::Few if may_replace_recorded(view, reported) => Why::HighestEpochWithoutMajority,
        Backing::Few => return Verdict::Nothing(Reason::NoMajority),
    };
    publish(view, reported.clone(), Cause::Failover, why)
}

/// The record and the Sentinels name two masters in one epoch. Gossip between Sentinels never resolves that (they take
/// strictly higher epochs only), so the next epoch is opened for whichever of the two is a master.
fn same_epoch(view: &View, state: &State, reported: &MasterRecord) -> Verdict {
    if matches!(state.phase, Phase::Other(_)) {
        return Verdict::Nothing(Reason::UnknownPhase);
    }
    match (view.answer(&state.master.addr), view.answer(&reported.addr)) {
        (Answer::Waiting, _) | (_, Answer::Waiting) => Verdict::Nothing(Reason::Waiting),
        (Answer::Master(_), Answer::Master(_)) => Verdict::Conflict {
            epoch: state.epoch,
            one: state.master.addr.clone(),
            other: reported.addr.clone(),
        },
        (Answer::Master(_), _) => keep(view, state, Reason::SentinelsAstray),
        (_, Answer::Master(_)) if recorded_is_gone(view) => {
            let record = MasterRecord {
                addr: reported.addr.clone(),
                epoch: state.epoch.next(),
            };
            publish(view, record, Cause::Repair, Why::EpochNamedTwo)
        }
        (_, Answer::Master(_)) => Verdict::Nothing(Reason::RecordedMayReturn),
        (_, Answer::Replica | Answer::Loading | Answer::Busy | Answer::Gone | Answer::Denied(_)) => {
            Verdict::Nothing(Reason::NotMasterYet)
        }
    }
}

fn publish(view: &View, record: MasterRecord, cause: Cause, why: Why) -> Verdict {
    match view.answer(&record.addr) {
        Answer::Master(run_id) => Verdict::Publish(Publication {
            run_id: run_id.clone(),
            record,
            cause,
            why,
        }),
        Answer::Waiting => Verdict::Nothing(Reason::Waiting),
        Answer::Replica | Answer::Loading | Answer::Busy | Answer::Gone | Answer::Denied(_) => {
            Verdict::Nothing(Reason::NotMasterYet)
        }
    }
}

/// The state stands. Puts right what clients read beside it, once its master answers as one.
fn keep(view: &View, state: &State, reason: Reason) -> Verdict {
    let settled = match state.phase {
        Phase::Settled => true,
        // The intent of a failover is completed like a claim: the epoch is its own, and its master has answered as one.
        Phase::Claimed | Phase::Promoting => false,
        // Only the Sentinels, with a higher epoch, may end what a newer version has begun.
        Phase::Other(_) => return Verdict::Nothing(Reason::UnknownPhase),
    };
    let wrong = match (
        view.recorded.master.names(&state.master.addr),
        view.recorded.named.names(&state.master.addr),
    ) {
        (true, true) => None,
        (false, true) => Some(Wrong::Master),
        (true, false) => Some(Wrong::Named),
        (false, false) => Some(Wrong::Both),
    };
    if settled && wrong.is_none() {
        return Verdict::Nothing(reason);
    }
    match (view.answer(&state.master.addr), wrong) {
        (Answer::Master(run_id), _) if !settled => Verdict::Settle {
            run_id: run_id.clone(),
        },
        (Answer::Master(_), Some(wrong)) => Verdict::RepairMaster(wrong),
        (Answer::Master(_), None) => Verdict::Nothing(reason),
        (Answer::Waiting, _) => Verdict::Nothing(Reason::Waiting),
        (Answer::Replica | Answer::Loading | Answer::Busy | Answer::Gone | Answer::Denied(_), _) => {
            Verdict::Nothing(Reason::NotMasterYet)
        }
    }
}

/// Whether fewer than a majority may name `reported`: it is the recorded master anyway, or that one is gone.
fn may_replace_recorded(view: &View, reported: &MasterRecord) -> bool {
    view.recorded.addr() == Some(&reported.addr) || recorded_is_gone(view)
}

fn recorded_is_gone(view: &View) -> bool {
    let out = match view.recorded.addr().map(|addr| view.answer(addr)) {
        None | Some(Answer::Gone | Answer::Replica) => true,
        // A loading node becomes what its wrapper makes it, and one that denies us may well be the master.
        Some(Answer::Waiting | Answer::Master(_) | Answer::Loading | Answer::Busy | Answer::Denied(_)) => {
            false
        }
    };
    out && view.silent_for >= PATIENCE
}

#[cfg(test)]
mod tests;
