//! What the lease is told, what it asks for, and where it stands.

use std::fmt;
use std::time::Duration;

use registry::Version;
use supervisor::BootTime;
use topology::{Addr, Epoch, Role};
use zkpaths::Phase;

use super::isolation::Silent;
use super::sentinels::Answer;

/// Something has become known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Nothing but the time.
    Woke,
    /// What our Redis answered to ROLE; `None` if nothing.
    Role {
        /// When it was asked.
        asked: BootTime,
        /// Its answer.
        role: Option<Role>,
    },
    /// What `/redis/state` says.
    Recorded(Record),
    /// Who else there is, as last read.
    Around {
        /// Registered Redis nodes besides this one.
        others: usize,
        /// Registered Sentinels.
        sentinels: usize,
    },
    /// ZooKeeper took a renewal.
    Renewed {
        /// When it was sent: it holds from then.
        sent: BootTime,
        /// The epoch it was checked against.
        epoch: Epoch,
    },
    /// It did not.
    NotRenewed {
        /// When it was sent.
        sent: BootTime,
        /// Why not.
        why: NotRenewed,
    },
    /// The Sentinels were asked.
    Polled {
        /// When.
        sent: BootTime,
        /// Those that answered in time.
        answers: Vec<Answer>,
        /// Who did not, among them and the other members.
        silent: Silent,
    },
    /// Redis took the fence.
    Fenced,
    /// Redis needed none: it follows a master by now.
    Follows,
    /// Redis is master again.
    Unfenced,
    /// It did not say that it is.
    NotUnfenced,
    /// `/redis/lease` names us no more.
    Released,
    /// Nobody confirmed that.
    NotReleased,
}

/// Why ZooKeeper did not take a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRenewed {
    /// `/redis/state` or `/redis/lease` had changed; both have been read anew.
    Conflict,
    /// No answer, or no session.
    Unanswered,
}

/// `/redis/state`, as far as it concerns the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Not read yet, or unreadable.
    Unknown,
    /// It names nobody.
    Nobody,
    /// It names this node.
    Us {
        /// The version of the znode, which a renewal checks.
        version: Version,
        /// As of which epoch.
        epoch: Epoch,
    },
    /// It names another.
    Another {
        /// Whom.
        addr: Addr,
        /// As of which epoch.
        epoch: Epoch,
        /// Whether it is done.
        phase: Phase,
    },
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Renew through ZooKeeper: check this version of `/redis/state` and set `/redis/lease`.
    Renew {
        /// The version to check.
        state: Version,
        /// The epoch to write.
        epoch: Epoch,
    },
    /// Ask every Sentinel.
    AskSentinels,
    /// Ask our Redis for its role.
    AskRole,
    /// Make our Redis a replica of nobody.
    Fence(WhyFence),
    /// Close its clients' connections, so that they look for a master.
    Disconnect,
    /// Make it master again.
    Unfence(Way),
    /// End it: it does not take the fence.
    Kill(WhyFence),
    /// Write into `/redis/lease` that none is kept.
    Release,
    /// Come back at this time, if nothing happens before.
    WakeAt(BootTime),
}

/// Where the lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Our Redis is no master, as far as is known.
    Idle,
    /// It is master, and nobody could be promoted in its place: it needs no lease.
    Free,
    /// It may take writes until then.
    Held {
        /// Until when.
        until: BootTime,
        /// Who renewed last.
        by: Way,
    },
    /// The fence is asked for.
    Fencing {
        /// When Redis is killed instead.
        deadline: BootTime,
        /// Why.
        why: WhyFence,
    },
    /// It takes no writes.
    Fenced {
        /// Why.
        why: WhyFence,
    },
    /// The lease is renewed, and Redis asked to be master again.
    Unfencing {
        /// Until when it may take writes.
        until: BootTime,
        /// Who renewed.
        by: Way,
        /// Why it was fenced.
        why: WhyFence,
    },
    /// It was killed.
    Killed {
        /// Why.
        why: WhyFence,
    },
}

impl Standing {
    /// Every word of [`Standing::word`].
    pub const WORDS: [&'static str; 5] = ["none", "free", "held", "fenced", "killed"];

    /// The word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Idle => "none",
            Self::Free => "free",
            Self::Held { .. } => "held",
            Self::Fencing { .. } | Self::Fenced { .. } | Self::Unfencing { .. } => "fenced",
            Self::Killed { .. } => "killed",
        }
    }

    /// Why our Redis takes no writes, where it does not.
    pub fn fenced(&self) -> Option<WhyFence> {
        match self {
            Self::Fencing { why, .. }
            | Self::Fenced { why }
            | Self::Unfencing { why, .. }
            | Self::Killed { why } => Some(*why),
            Self::Idle | Self::Free | Self::Held { .. } => None,
        }
    }
}

/// Who renewed the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nobody yet: it became master, or somebody appeared who could be promoted, less than a lease ago.
    Beginning,
    /// ZooKeeper.
    ZooKeeper,
    /// A majority of the Sentinels, while ZooKeeper does not answer.
    Sentinels,
}

impl Way {
    /// The word for metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::ZooKeeper => "zookeeper",
            Self::Sentinels => "sentinels",
        }
    }
}

/// Why Redis is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyFence {
    /// Nobody renewed the lease.
    Expired {
        /// For how long nobody has.
        silent: Duration,
        /// How many Sentinels agreed when last asked.
        agreed: usize,
        /// How many would have had to.
        needed: usize,
    },
    /// The clock jumped over its end: the machine, or this program, stood still.
    ClockJumped {
        /// By how much.
        by: Duration,
    },
    /// Another master is recorded, at a higher epoch.
    Outranked {
        /// At which.
        epoch: Epoch,
    },
    /// ZooKeeper answers, but a majority of the Sentinels does not, nor does a member that they might promote.
    Isolated {
        /// How many Sentinels neither answered nor refused.
        silent: usize,
    },
    /// It was found so: somebody else did it.
    Found,
}

impl WhyFence {
    /// Every word of [`WhyFence::word`].
    pub const WORDS: [&'static str; 5] = ["expired", "clock-jumped", "outranked", "isolated", "found"];

    /// The word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::ClockJumped { .. } => "clock-jumped",
            Self::Outranked { .. } => "outranked",
            Self::Isolated { .. } => "isolated",
            Self::Found => "found",
        }
    }
}

impl fmt::Display for WhyFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired {
                silent,
                agreed,
                needed,
            } => write!(
                f,
                "its lease is over: zookeeper did not renew it for {} ms, and {agreed} of the {needed} sentinels needed agreed",
                silent.as_millis()
            ),
            Self::ClockJumped { by } => write!(
                f,
                "its lease is over: this program or machine stood still for {} ms",
                by.as_millis()
            ),
            Self::Outranked { epoch } => write!(f, "another master is recorded at epoch {epoch}"),
            Self::Isolated { silent } => write!(
                f,
                "zookeeper answers, but {silent} sentinels, a majority, and a member that they might promote do not"
            ),
            Self::Found => f.write_str("it was found following nobody"),
        }
    }
}
