//! What was warned of already, so that a standing fault is one line.

use std::collections::BTreeSet;

use tracing::warn;
use zkpaths::ZkPath;

/// The memory of warnings.
#[derive(Debug, Default)]
pub struct Notes {
    said: BTreeSet<String>,
}

impl Notes {
    /// Whether this is said for the first time.
    pub fn first(&mut self, text: String) -> bool {
        // Garbage may change for ever; memory of it must not grow for ever.
        if self.said.len() >= 1000 {
            self.said.clear();
        }
        self.said.insert(text)
    }

    /// Warns once of a znode that cannot be understood.
    pub fn malformed(&mut self, parent: &ZkPath, name: &str, problem: &dyn std::fmt::Display) {
        if self.first(format!("{parent}/{name}: {problem}")) {
            warn!(path = %format_args!("{parent}/{name}"), reason = %problem, "malformed znode passed over");
        }
    }
}
