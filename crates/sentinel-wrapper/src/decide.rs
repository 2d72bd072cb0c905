//! Keeps the own Sentinel in step with ZooKeeper: what to do about one view.
//!
//! The higher config epoch is right, always. A Sentinel ahead of ZooKeeper is the watcher's business, one behind it is
//! ours: it was cut off, or everything moved while it looked away. Equal epochs never name two masters; where they
//! do, no rule can choose and a person must.

use topology::MasterRecord;

use crate::recorded::NoRecord;
use crate::view::{Monitoring, Own, Peer, Reach, Recorded, Scripts, Standing, View};

/// How often a Sentinel may let an announcement pass before it is started again with the truth in its file.
pub const REFUSALS: u32 = 3;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Keep {
    /// Nothing: all is as it should be, or better.
    InStep(InStep),
    /// Nothing: two masters share one epoch. A person must look.
    Conflict {
        /// ZooKeeper's word.
        recorded: MasterRecord,
        /// The Sentinel's word.
        reported: MasterRecord,
    },
    /// Tell the own Sentinel, in the name of a Sentinel that it knows.
    Announce {
        /// The known Sentinel.
        sender: Peer,
        /// The truth.
        record: MasterRecord,
    },
    /// Start the own Sentinel again, with a file made from ZooKeeper.
    Rewrite(Rewrite),
    /// Nothing yet.
    Wait(Waiting),
}

/// Why nothing is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InStep {
    /// Both name the same master as of the same epoch.
    Same,
    /// The Sentinel knows more than ZooKeeper.
    Ahead,
}

/// Why the Sentinel needs a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// It does not monitor the group: somebody removed it.
    NotMonitored,
    /// It knows no other Sentinel in whose name it could be told.
    Alone,
    /// All that it knows is dead; telling it would leave dead addresses behind, at which strangers may appear.
    EverythingMoved,
    /// It was told and did not listen.
    Refused,
    /// A script of ours is not called, or not any more, and it may be told of none while it runs (`deny-scripts-reconfig`).
    ScriptsMissing,
}

/// Why nothing can be done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// There is no usable record.
    NoRecord(NoRecord),
    /// Without a ZooKeeper session the record may be old.
    RecordStale,
    /// The own Sentinel does not answer.
    SentinelSilent,
    /// The own Sentinel answers, and not in a way that is of use.
    SentinelUnusable,
    /// The recorded master does not say that it is one.
    MasterUnconfirmed,
}

impl Rewrite {
    /// The word for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotMonitored => "group not monitored",
            Self::Alone => "no known peer to speak for",
            Self::EverythingMoved => "everything known to it is dead",
            Self::Refused => "announcements not taken",
            Self::ScriptsMissing => "a script is not called",
        }
    }
}

/// What one view asks for. Whether it turns on the recorded master's own word is [`needs_confirmation`].
pub fn keep(view: &View) -> Keep {
    let (record, standing) = match &view.recorded {
        Recorded::No(reason) => return Keep::Wait(Waiting::NoRecord(reason.clone())),
        Recorded::Stale => return Keep::Wait(Waiting::RecordStale),
        Recorded::Yes { record, standing } => (record, standing),
    };
    let own = match &view.own {
        Own::Silent => return Keep::Wait(Waiting::SentinelSilent),
        Own::Unusable(_) => return Keep::Wait(Waiting::SentinelUnusable),
        Own::Unaware => return Keep::Rewrite(Rewrite::NotMonitored),
        Own::Monitoring(own) => own,
    };
    if own.record == *record {
        return same(own);
    }
    if own.record.epoch == record.epoch {
        return Keep::Conflict {
            recorded: record.clone(),
            reported: own.record.clone(),
        };
    }
    if own.record.epoch > record.epoch {
        return Keep::InStep(InStep::Ahead);
    }
    match standing {
        Standing::Unconfirmed | Standing::NotAsked => Keep::Wait(Waiting::MasterUnconfirmed),
        Standing::Confirmed => tell(own, record, view.refused),
    }
}

/// A Sentinel that knows more than ZooKeeper would lose it with its file, and one that is failing over is needed now.
fn same(own: &Monitoring) -> Keep {
    match own.scripts {
        Scripts::Missing if !own.failover_in_progress => Keep::Rewrite(Rewrite::ScriptsMissing),
        Scripts::Missing | Scripts::InPlace => Keep::InStep(InStep::Same),
    }
}

fn tell(own: &Monitoring, record: &MasterRecord, refused: u32) -> Keep {
    if everything_moved(own, record) {
        return Keep::Rewrite(Rewrite::EverythingMoved);
    }
    if refused >= REFUSALS {
        return Keep::Rewrite(Rewrite::Refused);
    }
    // A ghost will do: what counts is that the name is known.
    let best = own
        .peers
        .iter()
        .min_by_key(|peer| (peer.reach != Reach::Up, &peer.id));
    match best {
        Some(sender) => Keep::Announce {
            sender: sender.clone(),
            record: record.clone(),
        },
        None => Keep::Rewrite(Rewrite::Alone),
    }
}

/// A master that has merely lost its connection is not dead yet: a Sentinel that has just started looks so too.
fn everything_moved(own: &Monitoring, record: &MasterRecord) -> bool {
    let elsewhere = own.record.addr != record.addr && own.replicas.iter().all(|r| r.addr != record.addr);
    elsewhere && own.master == Reach::Down && own.replicas.iter().all(|r| r.reach != Reach::Up)
}

/// Whether the decision turns on the recorded master's own word, so that `observe` must ask it.
pub fn needs_confirmation(record: &MasterRecord, own: &Own) -> bool {
    match own {
        Own::Silent | Own::Unusable(_) | Own::Unaware => false,
        Own::Monitoring(own) => own.record.epoch < record.epoch,
    }
}

#[cfg(test)]
mod tests;
