//! Who alive is to be promoted, and whether our own disk is closer to the record.

use topology::{Addr, Candidate, Role, rank};

use super::cold::is_of_the_record;
use super::{Plan, WhyPromote};
use crate::view::View;

/// The best node that holds data, by Sentinel's own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heir {
    /// Its data descends from the recorded master, or it follows that one: the record may be two promotions old.
    Kin(Box<Candidate>),
    /// It holds data, and that descends from somebody else, or from before the recorded promotion. An empty master must not erase it,
    /// but a disk of the recorded lineage comes first.
    Foreign(Box<Candidate>),
}

/// The heir of `master`, where anybody alive holds data. Who is kin is as the failover has it (`kin` in failover's `choose.rs`): what
/// it would refuse is not asked of it.
pub(super) fn heir(view: &View, master: Option<&Addr>) -> Option<Heir> {
    let candidates = view.candidates();
    let best = |of: &[Candidate], lineage| rank(of, lineage).ordered.into_iter().next().map(Box::new);
    if let Some(kin) = best(&candidates, view.lineage()) {
        return Some(Heir::Kin(kin));
    }
    let descends = |candidate: &Candidate| {
        let recorded = view.lineage();
        candidate.usable && recorded.is_some_and(|id| candidate.lineage.includes(id))
    };
    let known = candidates.iter().any(descends);
    let follows = |candidate: &&Candidate| {
        let role = view
            .snapshot(&candidate.addr)
            .map(|snapshot| &snapshot.replication.role);
        !known && matches!((role, master), (Some(Role::Replica { of }), Some(master)) if of == master)
    };
    let followers: Vec<Candidate> = candidates.iter().filter(follows).cloned().collect();
    best(&followers, None)
        .map(Heir::Kin)
        .or_else(|| best(&candidates, None).map(Heir::Foreign))
}

/// What is done where only a foreigner is alive: `otherwise` is what our disks come to, and one of the recorded lineage goes first.
pub(super) fn beside_a_foreigner(view: &View, candidate: Box<Candidate>, otherwise: Plan) -> Plan {
    if matches!(otherwise, Plan::Master { .. }) && !is_of_the_record(&view.field, view.lineage()) {
        return Plan::Promote {
            candidate,
            why: WhyPromote::NobodyOfTheLineage,
        };
    }
    otherwise
}

#[cfg(test)]
mod tests;
