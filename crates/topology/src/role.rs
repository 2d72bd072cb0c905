//! What a Redis says it is.

use serde::{Deserialize, Serialize};

use crate::Addr;

/// A Redis is a master, or a replica of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "role")]
pub enum Role {
    /// It accepts writes.
    Master,
    /// It copies another node.
    Replica {
        /// The node it copies.
        of: Addr,
    },
}

impl Role {
    /// Where a fenced Redis is pointed: an address where nobody listens. It is a replica of nobody then: it refuses writes, answers
    /// reads, and keeps its lineage, so that it can be master again or follow another without copying everything.
    pub const FENCE: (&str, u16) = ("127.0.0.1", 1);

    /// Whether the node was fenced by its wrapper.
    pub fn is_fenced(&self) -> bool {
        match self {
            Role::Master => false,
            Role::Replica { of } => (of.host(), of.port()) == Self::FENCE,
        }
    }

    /// Whether it is a replica, and not of nobody.
    pub fn follows_somebody(&self) -> bool {
        matches!(self, Role::Replica { .. }) && !self.is_fenced()
    }

    /// The word for logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Replica { .. } => "replica",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_of_nobody_is_fenced() {
        let of = |text: &str| Role::Replica {
            of: text.parse().unwrap(),
        };
        let (host, port) = Role::FENCE;
        assert!(of(&format!("{host}:{port}")).is_fenced());
        assert!(!of("127.0.0.1:6379").is_fenced() && !of("10.0.0.1:1").is_fenced());
        assert!(!Role::Master.is_fenced());
    }
}
