//! Speaks to one Redis or one Sentinel in typed commands with deadlines.
//!
//! The only crate that names the Redis client. Text from servers is turned into words of `topology` here; every
//! connection carries the same credentials and TLS, and every call ends by a deadline, because a server may
//! be stopped, swapped out or cut off and then accepts connections without ever answering.
//!
//! A [`Redis`] or [`Sentinel`] is one connection: when it breaks, calls fail and the caller dials again, so that nobody
//! speaks to a restarted process without noticing. Who keeps one for days uses [`LastingRedis`] or [`LastingSentinel`].
//!
//! Never here: decisions. Which answer wins is `topology`'s, what to do about it the programs'.

mod connection;
mod dialer;
mod error;
mod events;
mod fields;
mod lasting;
mod probe;
mod redis_server;
mod report;
mod sentinel;
mod snapshot;
mod tls;

pub use dialer::{Credentials, DialSettings, Dialer};
pub use error::{InstanceError, Silence};
pub use events::EventStream;
pub use lasting::{LastingRedis, LastingSentinel};
pub use probe::Probe;
pub use redis_server::{Redis, ShutdownMode};
pub use report::{Flags, MasterReport, PeerReport, ReplicaReport};
pub use sentinel::{FailoverReply, QuorumCheck, Sentinel, Vote};
pub use snapshot::Snapshot;
pub use tls::TlsFiles;
