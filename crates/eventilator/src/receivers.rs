//! Where events go: Slack, Sensu, any URL, the system's log, a program of the operator's.
//!
//! Each receiver is a [`crate::sink::Sink`] that delivers one event within its own timeout, whatever the other side does, and says in one
//! line why it did not. None of them tries again, and none remembers anything that another process would have to know: that is the
//! drainer's part. What an event says comes from outside, so no rendering may fail, and none lets a name become a second log line, a
//! header or a mention.

use sinks::http::HttpSetupError;

mod exec;
mod http;
mod requests;
mod sensu;
mod slack;
mod syslog;
mod tcp;
mod wording;

pub use exec::{Exec, ExecConfig};
pub use http::{Http, HttpConfig, Method};
pub use sensu::{Sensu, SensuConfig};
pub use slack::{DEFAULT_API, Slack, SlackConfig};
pub use syslog::{Facility, Syslog, SyslogConfig, SyslogTo, UnknownFacility};

/// Why a receiver cannot be set up. The name is the sink's.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A URL, an authority or a token that cannot be used.
    #[error("{name}: no requests can be sent")]
    Http {
        /// Which sink.
        name: String,
        /// What is wrong.
        #[source]
        source: HttpSetupError,
    },
    /// A user in the URL and a token besides: one header cannot carry both.
    #[error("{name}: both a user in the URL and a token are set; remove one of them")]
    TwoWays {
        /// Which sink.
        name: String,
    },
    /// Slack without a way in.
    #[error("{name}: neither a token nor a webhook is set; set one of them")]
    NoWay {
        /// Which sink.
        name: String,
    },
    /// Slack with a token, which does not say where to.
    #[error("{name}: a token needs a channel; set its name, for example sentinel-events")]
    NoChannel {
        /// Which sink.
        name: String,
    },
    /// Nothing to connect to.
    #[error("{name}: no host is set, or no port; set both, for example 127.0.0.1 and {example}")]
    NoHost {
        /// Which sink.
        name: String,
        /// The usual port.
        example: u16,
    },
    /// No program to start, or no socket to write to.
    #[error("{name}: no path is set; set one, for example {example}")]
    NoPath {
        /// Which sink.
        name: String,
        /// A usual path.
        example: &'static str,
    },
}

#[cfg(test)]
mod tests;
