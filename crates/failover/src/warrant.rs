//! Why the role may be moved, and what one attempt remembers.
//!
//! A warrant is a value that names its proof. Code that has none cannot ask for a failover.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use instance::Probe;
use topology::{Addr, Epoch, RunId};
use zkpaths::Cause;

/// The proof by which the master may be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warrant {
    /// Its process ended, and its parent says so.
    Died {
        /// Its announced address.
        master: Addr,
        /// Its run id, where it had answered before.
        run_id: Option<RunId>,
    },
    /// Nobody listens at its address, and a majority of the Sentinels has lost it too.
    Refused {
        /// Its announced address.
        master: Addr,
    },
    /// Nobody reaches it, and its lease will be over.
    LeaseOver {
        /// Its announced address.
        master: Addr,
    },
    /// It gives the role away.
    Handover {
        /// Its announced address.
        master: Addr,
    },
    /// It starts again, and others hold data that it may not have.
    Returned {
        /// Its announced address.
        master: Addr,
    },
    /// The record says that somebody was moving the role, and nobody is any more.
    Unfinished,
}

impl Warrant {
    /// The master it is about, where it is about one.
    pub fn master(&self) -> Option<&Addr> {
        match self {
            Self::Died { master, .. }
            | Self::Refused { master }
            | Self::LeaseOver { master }
            | Self::Handover { master }
            | Self::Returned { master } => Some(master),
            Self::Unfinished => None,
        }
    }

    /// What is recorded as the cause. An unfinished move keeps the cause that is recorded already.
    pub fn cause(&self, recorded: &Cause) -> Cause {
        match self {
            Self::Died { .. } => Cause::Died,
            Self::Refused { .. } => Cause::Refused,
            Self::LeaseOver { .. } => Cause::LeaseOver,
            Self::Handover { .. } => Cause::Handover,
            Self::Returned { .. } => Cause::PromotedMember,
            Self::Unfinished => recorded.clone(),
        }
    }

    /// Whether the master may be taking writes until its lease is over, as far as it is seen now. An unfinished move rests on what it
    /// was begun with.
    pub fn rests_on_the_lease(&self, recorded: &Cause, seen: Option<&Probe>) -> bool {
        match self {
            Self::LeaseOver { .. } => true,
            // It may have come back and been cut off while the lock was waited for.
            Self::Refused { .. } => seen != Some(&Probe::Refused),
            Self::Unfinished => match recorded {
                // What a newer version took for proof is not known; it may not have been a death.
                Cause::LeaseOver | Cause::Handover | Cause::Other(_) => true,
                Cause::FirstStart
                | Cause::TakeOver
                | Cause::PromotedMember
                | Cause::Failover
                | Cause::Died
                | Cause::Refused
                | Cause::Repair => false,
            },
            Self::Died { .. } | Self::Handover { .. } | Self::Returned { .. } => false,
        }
    }

    /// Whether nobody asked for it: an operator's pause holds it back.
    pub fn is_automatic(&self) -> bool {
        match self {
            Self::Died { .. } | Self::Refused { .. } | Self::LeaseOver { .. } | Self::Unfinished => true,
            Self::Handover { .. } | Self::Returned { .. } => false,
        }
    }
}

impl fmt::Display for Warrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died { master, .. } => write!(f, "the process of {master} ended"),
            Self::Refused { master } => {
                write!(f, "nobody listens at {master}, and the sentinels have lost it")
            }
            Self::LeaseOver { master } => write!(f, "nobody reaches {master}, and its lease is over"),
            Self::Handover { master } => write!(f, "{master} gives the role away"),
            Self::Returned { master } => write!(f, "{master} starts again, and others hold data"),
            Self::Unfinished => f.write_str("a move of the role was left unfinished"),
        }
    }
}

/// What one attempt remembers between two looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The proof.
    pub warrant: Warrant,
    /// The votes of the last election.
    pub votes: Option<Votes>,
    /// How many elections were held.
    pub elections: u32,
    /// The replica that holds everything the paused master has (handover only).
    pub prepared: Option<Addr>,
    /// Nodes that did not become master when they were told to.
    pub failed: BTreeSet<Addr>,
    /// Nobody of the recorded lineage has come back in its time: whoever holds data will do.
    pub any_lineage: bool,
    /// Sentinels that are not heard have been waited for long enough.
    pub unheard_for_long: bool,
}

impl Attempt {
    /// Nothing done yet.
    pub fn new(warrant: Warrant) -> Self {
        Self {
            warrant,
            votes: None,
            elections: 0,
            prepared: None,
            failed: BTreeSet::new(),
            any_lineage: false,
            unheard_for_long: false,
        }
    }
}

/// The outcome of one election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Votes {
    /// In which epoch.
    pub epoch: Epoch,
    /// How many Sentinels voted for us.
    pub granted: usize,
    /// How long ago the last of them was given, or later: until then a Sentinel may have renewed the master's lease.
    pub age: Duration,
}
