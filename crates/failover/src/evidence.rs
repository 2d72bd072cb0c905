//! When there is a proof: what a neighbour of the master has seen, and whether that is enough. Pure.
//!
//! Nobody acts on less. A closed connection alone is a CLIENT KILL; a refused one alone may be our own network; Sentinels alone
//! may be the ones that are cut off.

use std::time::Duration;

use topology::Addr;

use crate::{LeaseSeen, Warrant, majority};

/// What was seen of the master since its connection closed, or since it stopped answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The recorded master.
    pub master: Addr,
    /// The last try to reach it.
    pub last: LastTry,
    /// How often in a row nobody listened.
    pub refused: u32,
    /// How many Sentinels exist.
    pub sentinels: usize,
    /// The quorum they are configured with.
    pub quorum: usize,
    /// How many of them have lost it: disconnected, or down.
    pub lost_by: usize,
    /// How many of them hold it for down, and would promote somebody themselves.
    pub down_by: usize,
    /// How many of them wait for its answer to a ping ([`PING_PATIENCE`]).
    pub silent_for: usize,
    /// The lease as we have seen it, if it covers this master and its process; none where none is kept.
    pub lease: Option<LeaseSeen>,
}

/// The last try to reach the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastTry {
    /// It answered, whatever it said.
    Answered,
    /// Nobody listens.
    Refused,
    /// No answer.
    Unreachable,
}

/// Why there is no warrant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoWarrant {
    /// It answers.
    #[error("the master answers")]
    Answers,
    /// Once is not enough.
    #[error("refused only once")]
    RefusedOnce,
    /// The Sentinels still reach it.
    #[error("fewer than a majority of the sentinels have lost the master")]
    SentinelsReachIt,
    /// It keeps renewing its lease.
    #[error("the master's lease is renewed")]
    LeaseIsRenewed,
    /// It cannot be reached, keeps no lease, and so cannot be told from a dead one.
    #[error("the master cannot be reached and keeps no lease; its death cannot be told from a cut")]
    NoLease,
}

impl NoWarrant {
    /// The word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answers => "master-answers",
            Self::RefusedOnce => "refused-once",
            Self::SentinelsReachIt => "sentinels-reach-it",
            Self::LeaseIsRenewed => "lease-is-renewed",
            Self::NoLease => "no-lease",
        }
    }
}

/// How often in a row nobody must listen.
pub const REFUSALS: u32 = 2;

/// Judges.
pub fn warrant(seen: &Evidence) -> Result<Warrant, NoWarrant> {
    let master = seen.master.clone();
    let needed = majority(seen.sentinels, seen.quorum);
    match seen.last {
        LastTry::Answered => Err(NoWarrant::Answers),
        LastTry::Refused if seen.refused < REFUSALS => Err(NoWarrant::RefusedOnce),
        // Without Sentinels the lock decides alone (0006).
        LastTry::Refused if seen.sentinels > 0 && seen.lost_by < needed => Err(NoWarrant::SentinelsReachIt),
        LastTry::Refused => Ok(Warrant::Refused { master }),
        LastTry::Unreachable => {
            let Some(lease) = &seen.lease else {
                if seen.sentinels > 0 && seen.down_by >= needed {
                    return Ok(Warrant::LeaseOver { master });
                }
                return Err(NoWarrant::NoLease);
            };
            // The votes come early, so that what remains of the lease and of the Sentinels' own part in it run side by side.
            if lease.unchanged_for < lease.lease.length() / 2 {
                return Err(NoWarrant::LeaseIsRenewed);
            }
            if seen.lost_by.max(seen.silent_for) < needed {
                return Err(NoWarrant::SentinelsReachIt);
            }
            Ok(Warrant::LeaseOver { master })
        }
    }
}

/// A Sentinel whose ping has waited this long counts as having no answer.
pub const PING_PATIENCE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests;
