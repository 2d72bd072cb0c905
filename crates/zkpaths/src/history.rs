//! `/redis/history/<sequence>`: one finished failover each, for the person who asks afterwards what happened and why.

use serde::{Deserialize, Serialize};
use topology::{Addr, Epoch};

use crate::payload::{from_json, to_json};
use crate::{Cause, PayloadError};

/// One move of the master role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// The epoch of the new master.
    pub epoch: Epoch,
    /// Why the role was moved.
    pub cause: Cause,
    /// The proof that allowed it, in one line.
    pub warrant: String,
    /// The master before; none when nobody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Addr>,
    /// The master after.
    pub to: Addr,
    /// The announce address of the node whose wrapper moved it, or the command that did.
    pub by: String,
    /// Every node that was looked at.
    pub candidates: Vec<Considered>,
    /// How many Sentinels voted for it, of how many known.
    pub votes: (usize, usize),
    /// Where the time went.
    pub timings: Timings,
    /// When it was finished, in milliseconds since 1970.
    pub at_ms: u64,
}

/// One node that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Its announced address.
    pub addr: Addr,
    /// How far its data set had come, in bytes; none if it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// `chosen`, or why not.
    pub verdict: String,
}

/// Milliseconds from the moment the warrant was given to the end of each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// The failover lock was ours.
    pub locked_ms: u64,
    /// A majority of the Sentinels had voted.
    pub elected_ms: u64,
    /// The intent was recorded.
    pub recorded_ms: u64,
    /// The new master answered as master.
    pub promoted_ms: u64,
    /// A majority of the Sentinels had been told.
    pub announced_ms: u64,
    /// `/redis/master` named it.
    pub published_ms: u64,
}

impl Failover {
    /// Reads the znode.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        from_json(bytes)
    }

    /// The bytes to write.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }
}
