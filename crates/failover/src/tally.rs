//! How many votes are enough, and whether there are.

use crate::{View, Votes};

/// Whether we may move the master in this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Election {
    /// There is no Sentinel: the lock alone decides.
    NobodyVotes,
    /// Too few Sentinels can be asked.
    TooFew {
        /// How many answer.
        answering: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Nobody was asked yet.
    NotHeld,
    /// Won.
    Won,
    /// Lost: others got votes, or some did not answer.
    Lost {
        /// How many voted for us.
        granted: usize,
        /// How many were needed.
        needed: usize,
    },
}

/// The majority of the known, and at least the quorum, as `sentinelGetLeader` in sentinel.c has it.
pub fn majority(known: usize, quorum: usize) -> usize {
    (known / 2 + 1).max(quorum)
}

/// Counts. Sentinels that do not know the group cannot vote.
pub(crate) fn tally(view: &View, votes: Option<Votes>) -> Election {
    let known = view.known_sentinels();
    if known == 0 {
        return Election::NobodyVotes;
    }
    let needed = majority(known, view.quorum());
    let answering = view.reports().count();
    match votes {
        Some(votes) if votes.granted >= needed => Election::Won,
        _ if answering < needed => Election::TooFew { answering, needed },
        Some(votes) => Election::Lost {
            granted: votes.granted,
            needed,
        },
        None => Election::NotHeld,
    }
}

#[cfg(test)]
mod tests;
