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
    /// The word for logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Replica { .. } => "replica",
        }
    }
}
