//! Whose disk wins when everything was down.
//!
//! Called where [`super::decide`] finds nobody alive who holds data. A node is beaten by one whose data set contains its own and
//! more; among those that nobody beats, the recorded lineage counts first, then what it goes on from, then time. Everybody who looks at the
//! same candidacies comes to the same answer, and somebody always wins: nobody waits in a circle.

use std::collections::BTreeSet;
use std::time::Duration;

use topology::{Addr, Family, ReplicationId};
use uuid::Uuid;
use zkpaths::{Candidacy, Holding, Node, Window};

use super::WhyMaster;

/// How long others may take to come back, from the first candidacy that is seen.
pub const WINDOW: Duration = Duration::from_secs(5);
/// A node that was not heard of for longer is not waited for, unless it has more than we have.
const LATELY_MS: u64 = 60 * 60 * 1000;

/// What a starting node knows of the disks of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Our own candidacy; `None` where this node is not a candidate.
    pub mine: Option<Candidacy>,
    /// Our disk has every write that our Redis ever acknowledged.
    pub whole: bool,
    /// The other nodes that wait for the decision.
    pub others: Vec<Candidacy>,
    /// What is remembered of every data directory.
    pub nodes: Vec<Node>,
    /// How long ago the first candidacy was seen.
    pub open_for: Duration,
    /// The time of the look, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Whether anything was recorded before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// A group is: its nodes get time to come back.
    Recorded,
    /// Nothing is: there is nobody to wait for, but a node that is here with data is not overlooked.
    None,
}

/// Who becomes master.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Cold {
    /// This node.
    Win(WhyWin),
    /// Not known yet: these nodes were seen lately and may come back until the window is over.
    Wait {
        /// Whom we wait for: where they were last.
        missing: Vec<Addr>,
        /// Until when.
        left: Duration,
    },
    /// Another node that starts.
    Defer {
        /// Who.
        to: Addr,
        /// Why.
        why: WhyDefer,
    },
}

/// Why this node's disk wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyWin {
    /// No other node starts, and none was seen lately.
    Alone,
    /// No other node starts, and those seen lately had their time.
    NobodyCame,
    /// Of all that start no disk is fresher.
    Freshest,
    /// No disk holds anything.
    AllEmpty,
}

/// Why another node's disk wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyDefer {
    /// We hold nothing.
    WeAreEmpty,
    /// It holds everything that we do, and more.
    FurtherInOurLineage,
    /// Its data is of the recorded lineage, ours is not.
    RecordedLineage,
    /// Neither contains the other, and its data was written to later.
    Newer,
}

/// How close a data set is to the record: the later variant wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kinship {
    Nothing,
    Other,
    Ancestor,
    Recorded,
}

impl Default for Field {
    fn default() -> Self {
        Self {
            mine: None,
            whole: false,
            others: Vec::new(),
            nodes: Vec::new(),
            open_for: Duration::ZERO,
            at_ms: 0,
        }
    }
}

/// Chooses. `recorded` is the lineage of the recorded master; `alive` are the addresses that answered, which are not waited for.
pub fn cold(field: &Field, past: Past, recorded: Option<&ReplicationId>, alive: &BTreeSet<&Addr>) -> Cold {
    let missing = missing(field, alive);
    let others_are_done = field.others.iter().any(|other| other.window == Window::Over);
    let left = WINDOW.saturating_sub(field.open_for);
    if past == Past::Recorded && !missing.is_empty() && !left.is_zero() && !others_are_done {
        return Cold::Wait { missing, left };
    }
    let family = Node::family(&field.nodes);
    let nothing = Holding::Nothing;
    let mine = field.mine.as_ref().map_or(&nothing, |mine| &mine.holds);
    let all = || {
        let others = field.others.iter().map(|other| &other.holds);
        others.chain([mine])
    };
    let unbeaten = |holds: &Holding| !all().any(|other| beats(&family, other, holds));
    let standing = |holds: &Holding| (kinship(&family, recorded, holds), holds.modified_ms());
    let best = all().filter(|holds| unbeaten(holds)).map(standing).max();
    let wins = |holds: &Holding| best.is_none() || (unbeaten(holds) && Some(standing(holds)) == best);
    if wins(mine) {
        return Cold::Win(why_win(field, &missing));
    }
    let mut winners: Vec<&Candidacy> = field.others.iter().filter(|other| wins(&other.holds)).collect();
    winners.sort_by_key(|winner| (&winner.addr, winner.node));
    match winners.first() {
        Some(winner) => Cold::Defer {
            to: winner.addr.clone(),
            why: why_defer(&family, recorded, mine, &winner.holds),
        },
        None => Cold::Win(WhyWin::Freshest),
    }
}

/// What a master begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Beginning {
    /// The group is new.
    New,
    /// What is on its disk.
    WithData,
    /// Nothing, although there was a master before: its data set is gone, or it never had one.
    EmptyAgain,
}

/// Whether a person should hear that a group goes on with nothing. An empty disk wins only where nobody has data.
pub fn beginning(why: WhyMaster, mine: Option<&Holding>) -> Beginning {
    match (why, mine) {
        (WhyMaster::FirstStart, _) => Beginning::New,
        (WhyMaster::ResumeAlone | WhyMaster::RecordedIsGone, None | Some(Holding::Nothing)) => {
            Beginning::EmptyAgain
        }
        (WhyMaster::HasEveryWrite, _) | (WhyMaster::ResumeAlone | WhyMaster::RecordedIsGone, Some(_)) => {
            Beginning::WithData
        }
    }
}

/// Whether a remembered node has more than we have, as far as is known.
pub fn has_more(field: &Field, node: &Node) -> bool {
    let family = Node::family(&field.nodes);
    let mine = field.mine.as_ref().and_then(|mine| mine.holds.point());
    // Offset 1 is a replica that never synchronised.
    node.point.offset > 1 && !mine.is_some_and(|mine| family.includes(mine, &node.point))
}

/// The nodes that neither start nor run, and were seen lately or have more than we have.
fn missing(field: &Field, alive: &BTreeSet<&Addr>) -> Vec<Addr> {
    let here: BTreeSet<Uuid> = field
        .others
        .iter()
        .chain(&field.mine)
        .map(|candidacy| candidacy.node)
        .collect();
    let lately = |node: &&Node| node.at_ms.saturating_add(LATELY_MS) >= field.at_ms || has_more(field, node);
    let gone = |node: &&Node| !here.contains(&node.id) && !alive.contains(&node.addr);
    let missing = field.nodes.iter().filter(lately).filter(gone);
    missing.map(|node| node.addr.clone()).collect()
}

/// Whether our disk descends from the recorded master.
pub fn is_of_the_record(field: &Field, recorded: Option<&ReplicationId>) -> bool {
    let family = Node::family(&field.nodes);
    let mine = field.mine.as_ref().map(|mine| &mine.holds);
    mine.is_some_and(|mine| kinship(&family, recorded, mine) == Kinship::Recorded)
}

/// Whether one data set contains another, and more.
fn beats(family: &Family, strong: &Holding, weak: &Holding) -> bool {
    match (strong.point(), weak.point()) {
        (Some(strong), Some(weak)) => family.includes(strong, weak) && !family.includes(weak, strong),
        _ => false,
    }
}

fn kinship(family: &Family, recorded: Option<&ReplicationId>, holds: &Holding) -> Kinship {
    match (holds, recorded) {
        (Holding::Nothing, _) => Kinship::Nothing,
        (Holding::Known { point, .. }, Some(recorded)) if family.descends(&point.id, recorded) => {
            Kinship::Recorded
        }
        (Holding::Known { point, .. }, Some(recorded)) if family.descends(recorded, &point.id) => {
            Kinship::Ancestor
        }
        (Holding::Known { .. } | Holding::Unknown { .. }, _) => Kinship::Other,
    }
}

fn why_win(field: &Field, missing: &[Addr]) -> WhyWin {
    let holding = field.others.iter().chain(&field.mine);
    let all_empty = holding
        .clone()
        .all(|candidacy| candidacy.holds == Holding::Nothing);
    match (field.others.is_empty(), missing.is_empty()) {
        (true, true) => WhyWin::Alone,
        (true, false) => WhyWin::NobodyCame,
        (false, _) if all_empty => WhyWin::AllEmpty,
        (false, _) => WhyWin::Freshest,
    }
}

fn why_defer(
    family: &Family,
    recorded: Option<&ReplicationId>,
    mine: &Holding,
    winner: &Holding,
) -> WhyDefer {
    if *mine == Holding::Nothing {
        WhyDefer::WeAreEmpty
    } else if beats(family, winner, mine) {
        WhyDefer::FurtherInOurLineage
    } else if kinship(family, recorded, winner) > kinship(family, recorded, mine) {
        WhyDefer::RecordedLineage
    } else {
        WhyDefer::Newer
    }
}

#[cfg(test)]
mod tests;
