//! What may happen in a model, and what its executor leaves out: a checker that finds nothing proves nothing until it has been seen to find.

use failover::Durability;

/// How the executor is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Not at all.
    No,
    /// Nobody is asked for votes; all count as given.
    SkipsTheVote,
    /// Votes are as old as the first question, not as the last answer.
    CountsFromTheFirstVote,
    /// Every lease counts as over.
    IgnoresTheLease,
    /// What is written to ZooKeeper does not depend on what was read.
    WritesBlindly,
    /// A handover goes on although its pause may be over.
    ForgetsThePause,
    /// Replicas are pointed at the new master whatever they are by then.
    RepointsBlindly,
    /// A new master that was made a replica is promoted again, whoever is master by then.
    PromotesAgain,
    /// A candidate is promoted although its process is another by now.
    PromotesAnyProcess,
    /// What a dead predecessor began is left as it is.
    LeavesItUnfinished,
}

#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub broken: Broken,
    pub durability: Durability,
    /// How many faults happen at most.
    pub faults: u8,
    /// Whether links may be cut.
    pub cuts: bool,
    /// Whether Sentinels move the role themselves.
    pub sentinels: bool,
    /// Whether the group must recover by itself in the end.
    pub recovers: bool,
    /// Time ends here.
    pub horizon: u16,
}

impl Rules {
    /// Everything that can happen, `faults` times.
    pub fn all(faults: u8) -> Self {
        Self {
            broken: Broken::No,
            durability: Durability::Async,
            faults,
            cuts: true,
            sentinels: true,
            recovers: true,
            horizon: 400,
        }
    }

    pub fn broken(self, broken: Broken) -> Self {
        Self { broken, ..self }
    }

    /// Clients confirm writes with WAIT. What Sentinels do by themselves keeps no such promise.
    pub fn quorum(self) -> Self {
        Self {
            durability: Durability::Quorum,
            sentinels: false,
            ..self
        }
    }
}
