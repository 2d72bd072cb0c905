//! `/redis/pause`: an operator's wish that nobody moves the master role by itself.

use serde::{Deserialize, Serialize};

use crate::PayloadError;
use crate::payload::{from_json, to_json};

/// Who paused automatic failovers, why, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who asked for it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until when, in milliseconds since 1970; a pause without an end would be forgotten.
    pub until_ms: u64,
}

impl Pause {
    /// Reads the znode; empty is none.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, PayloadError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            Ok(None)
        } else {
            from_json(bytes).map(Some)
        }
    }

    /// The bytes to write.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Whether it holds at `now_ms`, in milliseconds since 1970.
    pub fn holds(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }
}
