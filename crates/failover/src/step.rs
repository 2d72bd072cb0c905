//! What the plan may answer: a step, or why there is none.

use std::time::Duration;

use topology::{Addr, Epoch, MasterRecord};

use crate::choose::{Choice, WhyNoChoice};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Nothing, and nothing later either.
    Stop(Stop),
    /// Nothing yet; look again after this time.
    Wait {
        /// How long at most.
        at_most: Duration,
        /// What for.
        why: Wait,
    },
    /// Ask every Sentinel for its vote.
    Elect {
        /// In this epoch.
        epoch: Epoch,
    },
    /// Make the candidate hold everything the master has (handover): pause the writes, wait for equal offsets.
    Prepare {
        /// Whom.
        candidate: Addr,
    },
    /// Record the intent, then promote, then announce.
    Promote {
        /// Whom, and who else was looked at.
        choice: Box<Choice>,
        /// As of this epoch.
        epoch: Epoch,
        /// Instead of whom.
        replaces: Addr,
    },
    /// The candidate of a dead predecessor is master already: announce and settle it.
    Finish {
        /// As recorded.
        record: MasterRecord,
    },
    /// A dead predecessor promoted nobody, and the master it wanted to replace is well: record that one again.
    Undo {
        /// Whom.
        master: Addr,
        /// As of this epoch.
        epoch: Epoch,
    },
    /// Too few Sentinels take announcements: have one of them move the role.
    AskSentinel {
        /// Instead of whom.
        replaces: Addr,
    },
}

/// Why nothing is done at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// No master is recorded.
    #[error("nobody is recorded as master")]
    NothingRecorded,
    /// Somebody else has moved the role.
    #[error("{} is master as of epoch {}", .0.addr, .0.epoch)]
    EpochMovedOn(MasterRecord),
    /// A newer version has begun something that only it can end; the Sentinels can still end it with a higher epoch.
    #[error(
        "the record is in the phase `{0}`, which this version does not know; it is left to programs that do"
    )]
    UnknownPhase(String),
    /// The master lives.
    #[error("{0} answers")]
    MasterAnswers(Addr),
    /// An operator wants no automatic failover.
    #[error("failovers are paused by {who}: {why}")]
    Paused {
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// Too few Sentinels can be reached to be elected; they decide by themselves.
    #[error("only {answering} of the {needed} sentinels needed can be reached; the role is left to them")]
    TooFewSentinels {
        /// How many answer.
        answering: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The Sentinels voted for somebody else.
    #[error("{granted} of the {needed} votes needed; the role is left to the sentinels")]
    NotElected {
        /// How many we got.
        granted: usize,
        /// How many were needed.
        needed: usize,
    },
    /// Without Sentinels nobody can tell a master that is cut off from one that is dead.
    #[error("no sentinel is registered, so nobody can say whether the master is dead or cut off")]
    NobodyVotes,
    /// It cannot be reached and keeps no lease, so it cannot be told from one that still takes writes.
    #[error("{0} cannot be reached and keeps no lease; the role is left to the sentinels")]
    NoLease(Addr),
    /// Nobody is fit.
    #[error("{0}")]
    NoCandidate(WhyNoChoice),
    /// A live master is only moved by an announcement, and the Sentinels do not take it.
    #[error("too few sentinels take announcements, and a live master is not moved without")]
    NotAnnounceable,
}

impl Stop {
    /// The word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NothingRecorded => "nothing-recorded",
            Self::EpochMovedOn(_) => "epoch-moved-on",
            Self::UnknownPhase(_) => "unknown-phase",
            Self::MasterAnswers(_) => "master-answers",
            Self::Paused { .. } => "paused",
            Self::TooFewSentinels { .. } => "too-few-sentinels",
            Self::NotElected { .. } => "not-elected",
            Self::NobodyVotes => "nobody-votes",
            Self::NoLease(_) => "no-lease",
            Self::NoCandidate(WhyNoChoice::Nobody { .. }) => "no-candidate",
            Self::NoCandidate(WhyNoChoice::NotEnoughSeen { .. }) => "not-enough-seen",
            Self::NoCandidate(WhyNoChoice::OthersHaveMore { .. }) => "others-have-more",
            Self::NotAnnounceable => "not-announceable",
        }
    }
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// A Sentinel has chosen a replica itself; its choice is followed.
    #[error("a sentinel is moving the role{}", .0.as_ref().map(|addr| format!(" to {addr}")).unwrap_or_default())]
    SentinelsAreMovingIt(Option<Addr>),
    /// The master's lease runs.
    #[error("the lease of {0} is not over yet")]
    LeaseRuns(Addr),
}
