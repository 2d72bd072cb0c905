//! `/redis/candidates/<uuid>`: what a node that starts could serve, if it became master.
//!
//! Registered before the node takes the bootstrap lock, so that whoever holds the lock compares disks instead of being first.

use serde::{Deserialize, Serialize};
use topology::{Addr, Point};
use uuid::Uuid;

use crate::PayloadError;
use crate::payload::{from_json, to_json};

/// One node that waits for the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidacy {
    /// Identity of its data directory.
    pub node: Uuid,
    /// The address it will serve at.
    pub addr: Addr,
    /// What its disk holds.
    pub holds: Holding,
    /// Whether it has waited long enough for others.
    pub window: Window,
}

/// What a disk holds, before a Redis has read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "data")]
pub enum Holding {
    /// No data set, or an empty one.
    Nothing,
    /// A data set of which nobody knows the lineage.
    Unknown {
        /// When it was last written to, in milliseconds since 1970.
        modified_ms: u64,
    },
    /// A data set at a point of a lineage.
    Known {
        /// At least this point.
        #[serde(flatten)]
        point: Point,
        /// When it was last written to, in milliseconds since 1970.
        modified_ms: u64,
    },
}

/// The time for other nodes to come back, counted from the first candidacy that a node sees. Told by each on its own clock, since
/// the clocks of hosts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// Others may still come.
    Open,
    /// They had their time.
    Over,
}

impl Candidacy {
    /// Reads the znode.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        from_json(bytes)
    }

    /// The bytes to write.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }
}

impl Holding {
    /// The point, where one is known.
    pub fn point(&self) -> Option<&Point> {
        match self {
            Self::Known { point, .. } => Some(point),
            Self::Nothing | Self::Unknown { .. } => None,
        }
    }

    /// When it was last written to; 0 for nothing.
    pub fn modified_ms(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Unknown { modified_ms } | Self::Known { modified_ms, .. } => *modified_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use topology::ReplicationId;

    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let point = Point {
            id: ReplicationId::from_bytes([2; 20]),
            offset: 9,
        };
        let held = [
            Holding::Nothing,
            Holding::Unknown { modified_ms: 4 },
            Holding::Known {
                point,
                modified_ms: 4,
            },
        ];
        for holds in held {
            let candidacy = Candidacy {
                node: Uuid::nil(),
                addr: "127.0.0.1:6379".parse().unwrap(),
                holds,
                window: Window::Open,
            };
            assert_eq!(Candidacy::decode(&candidacy.encode()).unwrap(), candidacy);
        }
    }
}
