//! Who alive is to be promoted, and whether our own disk is closer to the record.

use topology::{Addr, Candidate, Epoch, Role, rank};

use super::cold::{Cold, Past, cold, is_of_the_record};
use super::{Plan, StandBy, WhyMaster, WhyPromote};
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

/// The heir of `master`, where anybody alive holds data.
pub(super) fn heir(view: &View, master: Option<&Addr>) -> Option<Heir> {
    let candidates = view.candidates();
    let best = |of: &[Candidate], lineage| rank(of, lineage).ordered.into_iter().next().map(Box::new);
    if let Some(kin) = best(&candidates, view.lineage()) {
        return Some(Heir::Kin(kin));
    }
    let follows = |candidate: &&Candidate| {
        let role = view
            .snapshot(&candidate.addr)
            .map(|snapshot| &snapshot.replication.role);
        matches!((role, master), (Some(Role::Replica { of }), Some(master)) if of == master)
    };
    let followers: Vec<Candidate> = candidates.iter().filter(follows).cloned().collect();
    best(&followers, None)
        .map(Heir::Kin)
        .or_else(|| best(&candidates, None).map(Heir::Foreign))
}

/// Only a foreigner is alive: whoever starts with a disk of the recorded lineage goes first, and those seen lately get their time.
pub(super) fn beside_a_foreigner(
    view: &View,
    candidate: Box<Candidate>,
    epoch: Epoch,
    why: WhyMaster,
) -> Plan {
    let alive = view
        .probes
        .keys()
        .filter(|addr| view.snapshot(addr).is_some())
        .collect();
    match cold(&view.field, Past::Recorded, view.lineage(), &alive) {
        Cold::Win(disk) if is_of_the_record(&view.field, view.lineage()) => Plan::Master { epoch, why, disk },
        Cold::Win(_) => Plan::Promote {
            candidate,
            why: WhyPromote::NobodyOfTheLineage,
        },
        Cold::Wait { missing: nodes, left } => Plan::StandBy(StandBy::Missing { nodes, left }),
        Cold::Defer { to: node, why } => Plan::StandBy(StandBy::Fresher { node, why }),
    }
}
