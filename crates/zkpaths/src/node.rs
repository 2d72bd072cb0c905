//! `/redis/nodes/<node id>`: what one data directory is known to hold, for the day when everything was down.
//!
//! An append-only file says nothing of lineage and offset, and an RDB only of the moment it was saved. So the wrapper writes
//! down what its Redis said while it ran. Every offset here is one that `INFO` gave.

use serde::{Deserialize, Serialize};
use topology::{Addr, Branch, Family, Point};
use uuid::Uuid;

use crate::PayloadError;
use crate::payload::{from_json, to_json};

/// One data directory. Kept current about once a second while its Redis runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Identity of the data directory; a file in it.
    pub id: Uuid,
    /// The address it was last served at.
    pub addr: Addr,
    /// How far the data set had come.
    pub point: Point,
    /// Where its lineage, and those before it, branched off others; the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Branch>,
    /// The append-only file at that moment, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub append_only: Option<AppendOnly>,
    /// How its Redis ended.
    pub stopped: Stopped,
    /// When this was written, in milliseconds since 1970.
    pub at_ms: u64,
}

/// The append-only file that was being written: what was appended since is newer than the offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendOnly {
    /// Sequence number in its manifest; 0 for the single file of Redis before 7.0.
    pub sequence: u64,
    /// Its length.
    pub bytes: u64,
}

/// How a node's Redis ended, as far as its wrapper could say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// It runs, or nobody could write down that it does not.
    No,
    /// It was stopped, and saved what it is configured to save.
    Clean,
}

impl Node {
    /// How many branches are remembered.
    const BRANCHES: usize = 8;

    /// Reads the znode.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        from_json(bytes)
    }

    /// The bytes to write.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Remembers one more branch; of too many the oldest is forgotten.
    pub fn remember(&mut self, branch: Branch) {
        if !self.branches.contains(&branch) {
            self.branches.push(branch);
            let surplus = self.branches.len().saturating_sub(Self::BRANCHES);
            self.branches.drain(..surplus);
        }
    }

    /// Who descends from whom, as far as these nodes know.
    pub fn family<'a>(nodes: impl IntoIterator<Item = &'a Self>) -> Family {
        nodes
            .into_iter()
            .flat_map(|node| node.branches.iter().cloned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use topology::ReplicationId;

    use super::*;

    fn branch(n: u8) -> Branch {
        Branch {
            id: ReplicationId::from_bytes([n + 1; 20]),
            from: Point {
                id: ReplicationId::from_bytes([n; 20]),
                offset: 7,
            },
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let mut node = Node {
            id: Uuid::nil(),
            addr: "127.0.0.1:6379".parse().unwrap(),
            point: branch(1).from,
            branches: Vec::new(),
            append_only: Some(AppendOnly {
                sequence: 2,
                bytes: 3,
            }),
            stopped: Stopped::Clean,
            at_ms: 5,
        };
        let bytes = node.encode();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.contains(r#""offset":7"#) && text.contains(r#""stopped":"clean""#),
            "{text}"
        );
        assert_eq!(Node::decode(&bytes).unwrap(), node);
        for n in 0..12 {
            node.remember(branch(n));
            node.remember(branch(n));
        }
        assert_eq!(node.branches.len(), 8);
        assert_eq!(node.branches.last(), Some(&branch(11)));
        assert_eq!(Node::decode(&node.encode()).unwrap(), node);
    }
}
