//! A receiver of events.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::message::Message;

/// A receiver of events. One of a kind may exist several times, each with a name of its own.
pub trait Sink: Send + Sync {
    /// Unique among the sinks of one configuration, and lasting: what was delivered is remembered under it. `slack`, `http:oncall`.
    fn name(&self) -> &str;

    /// Whether this event is for it.
    fn wants(&self, event: &str) -> bool;

    /// The longest a delivery takes.
    fn deadline(&self) -> Duration;

    /// Delivers one event. The caller bounds the time, tries again after a failure, and may deliver one event twice
    /// if it was killed in between; the message's id is the same then.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SinkError>>;
}

/// Why an event is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// It failed; it is worth trying again.
    #[error("{0}")]
    Failed(String),
    /// The receiver asked to be left alone so long.
    #[error("{reason}; asked to wait {} s", after.as_secs())]
    Busy {
        /// What it said.
        reason: String,
        /// For how long.
        after: Duration,
    },
}

/// Told by every Sentinel at every election, without a group's name: only who asks for them by name gets them.
pub const QUIET: [&str; 2] = ["+new-epoch", "+vote-for-leader"];

/// Which events a sink is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// All of them, but for [`QUIET`].
    Every,
    /// Those named.
    On(Vec<String>),
}

impl Trigger {
    /// Whether an event of this name is among them.
    pub fn takes(&self, event: &str) -> bool {
        match self {
            Self::Every => !QUIET.contains(&event),
            Self::On(names) => names.iter().any(|name| name == event),
        }
    }
}
