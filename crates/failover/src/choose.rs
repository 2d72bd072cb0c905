//! Which replica becomes master: Sentinel's order within the master's lineage, and with `quorum` durability never one that may
//! lack a confirmed write.

use std::cmp::Reverse;

use topology::{Addr, Candidate, Exclusion, Lineage, LinkStatus, Ranking, ReplicationId, Role, rank};

use crate::{Attempt, View, Warrant};

/// What a client may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The best replica that answers is promoted.
    #[default]
    Async,
    /// A write that a client confirmed with `WAIT <majority>` survives: nobody is promoted before enough nodes are seen.
    Quorum,
}

/// Seconds by which a replica's link may have broken before another's, and it still counts as its equal.
const STALE_S: u64 = 10;

/// The answer, with every node that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The best.
    pub candidate: Candidate,
    /// The others in their order.
    pub behind: Vec<Candidate>,
    /// Left out.
    pub excluded: Vec<(Candidate, Exclusion)>,
}

/// Nobody can be promoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyNoChoice {
    /// No replica is fit.
    #[error("no replica is fit to become master{}", listed(excluded))]
    Nobody {
        /// Those that answer, and what is wrong with each.
        excluded: Vec<(Addr, Exclusion)>,
    },
    /// DURABILITY=quorum: a confirmed write may be on a node that does not answer.
    #[error(
        "only {seen} of {needed} replicas answer that together hold every confirmed write (DURABILITY=quorum); waiting for {}",
        named(missing)
    )]
    NotEnoughSeen {
        /// How many replicas with data answer.
        seen: usize,
        /// How many must.
        needed: usize,
        /// Those that are known and do not answer.
        missing: Vec<Addr>,
    },
    /// DURABILITY=quorum: who may be promoted lacks what another has, and that may be a confirmed write.
    #[error("{best} lacks what {ahead} has, which cannot be promoted (DURABILITY=quorum)")]
    OthersHaveMore {
        /// The best that may be promoted.
        best: Addr,
        /// One that has more, and has priority 0 or did not become master when it was told to.
        ahead: Addr,
    },
}

fn listed(excluded: &[(Addr, Exclusion)]) -> String {
    let one = |(addr, why): &(Addr, Exclusion)| format!("; {addr}: {}", word(*why));
    excluded.iter().map(one).collect()
}

fn named(addrs: &[Addr]) -> String {
    if addrs.is_empty() {
        return "one that nobody remembers".to_owned();
    }
    addrs.iter().map(Addr::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a node was left out, in words.
pub(crate) fn word(why: Exclusion) -> &'static str {
    match why {
        Exclusion::PriorityZero => "its replica-priority is 0",
        Exclusion::NotUsable => "it holds no complete copy",
        Exclusion::ForeignLineage => "its data descends from another master",
    }
}

/// How many of `replicas` must be seen so that at least one holds any write that a majority of the group has: a client waits
/// for `WAIT w`, and w replicas and the master are a majority of all.
pub(crate) fn replicas_to_see(group_size: usize) -> usize {
    let replicas = group_size.saturating_sub(1);
    let waited_for = group_size / 2;
    (replicas + 1).saturating_sub(waited_for).max(1)
}

/// Chooses among the nodes that answer as replicas, without `replaced` and without those that have failed in this attempt.
pub(crate) fn choose(
    view: &View,
    replaced: &Addr,
    attempt: &Attempt,
    durability: Durability,
) -> Result<Choice, WhyNoChoice> {
    let lineage = view
        .recorded
        .as_ref()
        .and_then(|(state, _)| state.known.as_ref().map(|known| known.id.clone()))
        // What was confirmed within the lineage may be nowhere else.
        .filter(|_| !attempt.any_lineage || durability == Durability::Quorum);
    let candidates: Vec<Candidate> = view
        .nodes
        .keys()
        .filter(|addr| *addr != replaced)
        .filter_map(|addr| candidate(view, addr, lineage.as_ref()))
        .collect();
    let candidates = kin(view, candidates, replaced, lineage.as_ref());
    let ranking = rank(&candidates, lineage.as_ref());
    let seen = with_data(&ranking, lineage.as_ref());
    let farthest = seen
        .iter()
        .max_by_key(|c| (c.offset, Reverse(&c.addr)))
        .copied()
        .cloned();
    let with_data = seen.len();
    let needed = replicas_to_see(view.group_size);
    if durability == Durability::Quorum && with_data < needed {
        let missing = view
            .nodes
            .keys()
            .filter(|addr| *addr != replaced && !candidates.iter().any(|c| c.usable && c.addr == **addr))
            .cloned()
            .collect();
        return Err(WhyNoChoice::NotEnoughSeen {
            seen: with_data,
            needed,
            missing,
        });
    }
    let mut ordered = ranking.ordered;
    ordered.retain(|candidate| !attempt.failed.contains(&candidate.addr));
    stale_last(view, &mut ordered);
    if durability == Durability::Quorum {
        // The farthest has them all; a preferred but shorter one may lack a confirmed write.
        ordered.sort_by_key(|c| (Reverse(c.offset), c.priority, c.run_id.clone(), c.addr.clone()));
    }
    if ordered.is_empty() {
        let excluded = ranking
            .excluded
            .into_iter()
            .map(|(candidate, why)| (candidate.addr, why))
            .collect();
        return Err(WhyNoChoice::Nobody { excluded });
    }
    let candidate = ordered.remove(0);
    // Who takes over from a living master is compared with that one itself, once its writes are held back.
    let compares = !matches!(attempt.warrant, Warrant::Handover { .. });
    if durability == Durability::Quorum
        && compares
        && let Some(ahead) = farthest.filter(|farthest| farthest.offset > candidate.offset)
    {
        let (best, ahead) = (candidate.addr, ahead.addr);
        return Err(WhyNoChoice::OthersHaveMore { best, ahead });
    }
    Ok(Choice {
        candidate,
        behind: ordered,
        excluded: ranking.excluded,
    })
}

/// A replica whose link broke long before the others' lacks what they have, whatever its priority: Sentinel leaves it out.
fn stale_last(view: &View, ordered: &mut [Candidate]) {
    let down = |candidate: &Candidate| {
        let snapshot = view.snapshot(&candidate.addr);
        snapshot.map_or(0, |snapshot| snapshot.replication.link_down_s)
    };
    let least = ordered.iter().map(down).min().unwrap_or(0);
    ordered.sort_by_key(|candidate| down(candidate) > least + STALE_S);
}

/// Those whose data counts: they are of the lineage, whether they may become master or not.
fn with_data<'a>(ranking: &'a Ranking, lineage: Option<&ReplicationId>) -> Vec<&'a Candidate> {
    let vetoed = ranking.excluded.iter().filter(|(candidate, why)| {
        let ours = lineage.is_none_or(|id| candidate.lineage.includes(id));
        *why == Exclusion::PriorityZero && candidate.usable && ours
    });
    ranking
        .ordered
        .iter()
        .chain(vetoed.map(|(candidate, _)| candidate))
        .collect()
}

/// Who follows the master that is replaced has replicated from it, whatever lineage was recorded when. But where anybody is known to
/// descend from the record, only those do who have the same lineage as one of them: another may have been told to follow that master
/// just now, with the data of some other.
fn kin(
    view: &View,
    mut candidates: Vec<Candidate>,
    replaced: &Addr,
    recorded: Option<&ReplicationId>,
) -> Vec<Candidate> {
    let Some(recorded) = recorded else {
        return candidates;
    };
    let known: Vec<ReplicationId> = candidates
        .iter()
        .filter(|candidate| candidate.usable && candidate.lineage.includes(recorded))
        .map(|candidate| candidate.lineage.id.clone())
        .collect();
    for candidate in &mut candidates {
        let follows = view.snapshot(&candidate.addr).is_some_and(
            |snapshot| matches!(&snapshot.replication.role, Role::Replica { of } if of == replaced),
        );
        let akin = known.is_empty() || known.contains(&candidate.lineage.id);
        if follows && akin && candidate.usable && !candidate.lineage.includes(recorded) {
            candidate.lineage.second = recorded.clone();
        }
    }
    candidates
}

fn candidate(view: &View, addr: &Addr, recorded: Option<&ReplicationId>) -> Option<Candidate> {
    let snapshot = view.snapshot(addr)?;
    let replication = &snapshot.replication;
    if replication.role == Role::Master {
        return None;
    }
    let lineage = Lineage {
        id: replication.id.clone(),
        second: replication.second_id.clone(),
    };
    let descends = recorded.is_some_and(|id| lineage.includes(id));
    // A replica that has never synchronised has a lineage of its own and reports offset 1 (server.c, `genRedisInfoString`).
    let holds = descends || replication.offset > 1 || replication.link == Some(LinkStatus::Up);
    Some(Candidate {
        addr: addr.clone(),
        priority: replication.priority,
        offset: replication.offset,
        lineage,
        run_id: snapshot.run_id.clone(),
        usable: holds && !replication.syncing,
    })
}

#[cfg(test)]
mod tests;
