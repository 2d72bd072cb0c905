//! The one fact everything turns on: who is master, and as of which epoch.

use serde::{Deserialize, Serialize};

use crate::{Addr, Epoch};

/// Who is master, and the config epoch that made it so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterRecord {
    /// The master's announced address.
    pub addr: Addr,
    /// The config epoch.
    pub epoch: Epoch,
}
