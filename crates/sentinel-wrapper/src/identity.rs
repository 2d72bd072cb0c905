//! Which run id a new Sentinel takes: the pure choice.
//!
//! Run ids are slots in ZooKeeper that outlive their Sentinels. A new Sentinel under an old run id replaces its
//! predecessor in the others' count; under a new one it is added, and the predecessor stays as a ghost. So an old one
//! is worth a short wait. Two Sentinels under one run id make the others flap between their addresses, which the
//! exclusive holder excludes; the choice here only says which to try.

use std::collections::BTreeMap;

use topology::{Addr, RunId};

/// Who has a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A wrapper whose Sentinel has not answered yet.
    Starting,
    /// A Sentinel at this address.
    At {
        /// Where.
        addr: Addr,
        /// Whether anybody accepts connections there.
        answers: Answers,
    },
}

/// Whether a holder's Sentinel accepts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// It does.
    Yes,
    /// Refused or unreachable: its session will end soon.
    No,
}

/// Whether there is time to wait for a dying holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Its session may still end.
    Left,
    /// Its session should have ended long ago.
    Exhausted,
}

/// What to do for a run id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Choice {
    /// Claim this free slot.
    Take(RunId, Taken),
    /// Wait: the holder of one of these is dying.
    Await(Vec<RunId>),
    /// Make a new one.
    New(Made),
}

/// Why this slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The one this data directory had before.
    Own,
    /// One that nobody has.
    Free,
}

/// Why a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Every holder is alive.
    AllAlive,
    /// A dying holder did not let go in time.
    WaitedLongEnough,
}

/// Chooses among the slots. `own` is the address this Sentinel will have, where nobody else can be; `chance` keeps
/// several new Sentinels from trying the same slot first.
pub fn choose(
    slots: &BTreeMap<RunId, Holder>,
    previous: Option<&RunId>,
    own: &Addr,
    patience: Patience,
    chance: usize,
) -> Choice {
    if let Some(previous) = previous.filter(|id| slots.get(id) == Some(&Holder::Nobody)) {
        return Choice::Take(previous.clone(), Taken::Own);
    }
    let free: Vec<&RunId> = slots
        .iter()
        .filter(|(_, holder)| **holder == Holder::Nobody)
        .map(|(id, _)| id)
        .collect();
    if !free.is_empty() {
        return Choice::Take(free[chance % free.len()].clone(), Taken::Free);
    }
    let dying = |holder: &Holder| match holder {
        Holder::Nobody | Holder::Starting => false,
        Holder::At { addr, answers } => addr == own || *answers == Answers::No,
    };
    let dying: Vec<RunId> = slots
        .iter()
        .filter(|(_, h)| dying(h))
        .map(|(id, _)| id.clone())
        .collect();
    match patience {
        _ if dying.is_empty() => Choice::New(Made::AllAlive),
        Patience::Left => Choice::Await(dying),
        Patience::Exhausted => Choice::New(Made::WaitedLongEnough),
    }
}

#[cfg(test)]
mod tests;
