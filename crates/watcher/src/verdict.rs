//! The answers a look can come to, each with its reason.

use topology::{Addr, Epoch, MasterName, MasterRecord, RunId};
use zkpaths::Cause;

/// What to do about one view.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// Record this master, everywhere.
    Publish(Publication),
    /// The claimed master has come up: say so in the state.
    Settle {
        /// Run id of its process.
        run_id: RunId,
    },
    /// The state is right; what clients read beside it is not.
    RepairMaster(Wrong),
    /// Two addresses are master in one epoch: no rule can choose, a person must.
    Conflict {
        /// The epoch both have.
        epoch: Epoch,
        /// The recorded address, or one of the two reported.
        one: Addr,
        /// The reported address.
        other: Addr,
    },
    /// The tree belongs to a group of another name.
    OtherGroup {
        /// The name in the state.
        recorded: MasterName,
    },
    /// Leave everything as it is.
    Nothing(Reason),
}

/// A new record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Who is master as of which epoch.
    pub(crate) record: MasterRecord,
    /// Run id of its process.
    pub(crate) run_id: RunId,
    /// What the state says about why.
    pub(crate) cause: Cause,
    /// Which rule it was.
    pub(crate) why: Why,
}

/// The rule behind a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A majority of the Sentinels has a higher epoch than the record.
    HigherEpoch,
    /// The highest epoch anyone has, while a majority is not to be had and the recorded master is gone.
    HighestEpochWithoutMajority,
    /// Nothing was recorded.
    NothingRecorded,
    /// What was recorded could not be read.
    Unreadable,
    /// The record and the Sentinels named two masters in one epoch, and only theirs is one.
    EpochNamedTwo,
}

/// Which of the znodes that clients read disagrees with the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// `/redis/master`.
    Master,
    /// `/redis/masters/<name>`.
    Named,
    /// Both.
    Both,
}

/// Why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The Sentinels and the record agree.
    UpToDate,
    /// The Sentinels have a lower epoch than the record: their wrappers bring them in step.
    Stale,
    /// The Sentinels name another master in the record's epoch, which is none; the recorded one is.
    SentinelsAstray,
    /// The record is in a phase that only a newer version knows, and can complete.
    UnknownPhase,
    /// The record has a shape that only a newer version can read.
    NewerRecord,
    /// No Sentinel is registered.
    NoSentinels,
    /// None of the registered Sentinels answers with a master.
    NoReports,
    /// A new master is named, but by too few Sentinels as yet.
    NoMajority,
    /// The address that should be recorded does not answer as a master yet.
    NotMasterYet,
    /// The recorded master may come back: it is loading, hides behind credentials, or has been gone too short a time.
    RecordedMayReturn,
    /// Answers are still awaited.
    Waiting,
}

impl Reason {
    /// Whether something is going on, so that the next look should come soon.
    pub(crate) fn is_passing(self) -> bool {
        match self {
            Reason::UpToDate
            | Reason::Stale
            | Reason::SentinelsAstray
            | Reason::UnknownPhase
            | Reason::NewerRecord
            | Reason::NoSentinels
            | Reason::NoReports => false,
            Reason::NoMajority | Reason::NotMasterYet | Reason::RecordedMayReturn | Reason::Waiting => true,
        }
    }

    /// The word for logs and pages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Reason::UpToDate => "up-to-date",
            Reason::Stale => "sentinels-stale",
            Reason::SentinelsAstray => "sentinels-astray",
            Reason::UnknownPhase => "unknown-phase",
            Reason::NewerRecord => "newer-record",
            Reason::NoSentinels => "no-sentinels",
            Reason::NoReports => "no-reports",
            Reason::NoMajority => "no-majority",
            Reason::NotMasterYet => "not-master-yet",
            Reason::RecordedMayReturn => "recorded-may-return",
            Reason::Waiting => "waiting",
        }
    }
}

impl Why {
    /// The word for logs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Why::HigherEpoch => "higher-epoch",
            Why::HighestEpochWithoutMajority => "highest-epoch-without-majority",
            Why::NothingRecorded => "nothing-recorded",
            Why::Unreadable => "record-unreadable",
            Why::EpochNamedTwo => "epoch-named-two",
        }
    }
}

impl Verdict {
    /// Whether acting on it writes to ZooKeeper.
    pub(crate) fn writes(&self) -> bool {
        match self {
            Verdict::Publish(_) | Verdict::Settle { .. } | Verdict::RepairMaster(_) => true,
            Verdict::Conflict { .. } | Verdict::OtherGroup { .. } | Verdict::Nothing(_) => false,
        }
    }

    /// Whether further answers of the same look cannot change it.
    pub(crate) fn is_final(&self) -> bool {
        self.writes() || matches!(self, Verdict::OtherGroup { .. })
    }

    /// The word for logs and pages.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Verdict::Publish(publication) => publication.why.word(),
            Verdict::Settle { .. } => "settle",
            Verdict::RepairMaster(_) => "repair-master",
            Verdict::Conflict { .. } => "conflict",
            Verdict::OtherGroup { .. } => "other-group",
            Verdict::Nothing(reason) => reason.word(),
        }
    }
}
