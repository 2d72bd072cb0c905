//! How a sink stands: for the pages, the metrics and the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use topology::{Epoch, MasterName};

/// One sink, as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name, such as `haproxy:/run/haproxy.sock`. No secrets in it.
    pub name: String,
    /// How it is in step, or why not.
    pub step: Step,
    /// The epoch of each group that it has confirmed.
    pub confirmed: BTreeMap<MasterName, Epoch>,
    /// From the moment this program learned of the last move to its confirmation.
    pub last_took: Option<Duration>,
    /// Moves that it confirmed.
    pub moves: u64,
    /// Times that it did not take what it should.
    pub failures: u64,
    /// What it remarked last.
    pub remark: Option<String>,
}

/// Whether a sink is in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing was to be told yet.
    Idle,
    /// Another watcher tells it.
    Standby,
    /// It has what the picture says, as was read back then.
    InStep {
        /// When.
        at: Instant,
    },
    /// It has not.
    Behind {
        /// Since when.
        since: Instant,
        /// How often it was tried.
        tries: u32,
        /// Why not, in one line.
        reason: String,
    },
}

impl Standing {
    /// Of a sink that nothing was told yet.
    pub fn idle(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            step: Step::Idle,
            confirmed: BTreeMap::new(),
            last_took: None,
            moves: 0,
            failures: 0,
            remark: None,
        }
    }
}
