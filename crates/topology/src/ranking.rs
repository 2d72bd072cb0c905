//! Which replica should become master: Sentinel's own order, with reasons.
//!
//! Follows `sentinelSelectSlave` and `compareSlavesForPromotion` in Redis' sentinel.c: excluded nodes first, then the
//! lower priority number, then the larger replication offset, then the smaller run id. Offsets are only
//! comparable within one lineage, which Sentinel does not check and this does.

use std::cmp::Reverse;

use crate::{Addr, ReplicationId, RunId};

/// One node that might be promoted, as read just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its announced address.
    pub addr: Addr,
    /// `replica-priority`; 0 means never.
    pub priority: u32,
    /// Its replication offset in bytes.
    pub offset: i64,
    /// Its lineage.
    pub lineage: Lineage,
    /// Its run id.
    pub run_id: RunId,
    /// Whether it answers with its data set in memory (not loading, not copying from scratch).
    pub usable: bool,
}

/// The lineages a data set belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// Current replication id.
    pub id: ReplicationId,
    /// The id before the last promotion.
    pub second: ReplicationId,
}

impl Lineage {
    /// Whether the data set descends from `id`.
    pub fn includes(&self, id: &ReplicationId) -> bool {
        self.id == *id || self.second == *id
    }
}

/// Why a node was not considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// `replica-priority 0`.
    PriorityZero,
    /// Loading, or in the middle of its first copy.
    NotUsable,
    /// Its data set descends from another one.
    ForeignLineage,
}

/// The candidates in order, best first, and those left out with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranking {
    /// Best first.
    pub ordered: Vec<Candidate>,
    /// Left out.
    pub excluded: Vec<(Candidate, Exclusion)>,
}

/// Orders candidates. `lineage` is the recorded replication id, where one is known; without it no node is excluded
/// for its lineage. Does not depend on the order of its input.
pub fn rank(candidates: &[Candidate], lineage: Option<&ReplicationId>) -> Ranking {
    let mut ranking = Ranking::default();
    for candidate in candidates {
        let exclusion = if candidate.priority == 0 {
            Some(Exclusion::PriorityZero)
        } else if !candidate.usable {
            Some(Exclusion::NotUsable)
        } else if lineage.is_some_and(|id| !candidate.lineage.includes(id)) {
            Some(Exclusion::ForeignLineage)
        } else {
            None
        };
        match exclusion {
            Some(why) => ranking.excluded.push((candidate.clone(), why)),
            None => ranking.ordered.push(candidate.clone()),
        }
    }
    ranking
        .ordered
        .sort_by_key(|c| (c.priority, Reverse(c.offset), c.run_id.clone(), c.addr.clone()));
    ranking.excluded.sort_by_key(|(c, _)| c.addr.clone());
    ranking
}

#[cfg(test)]
mod tests;
