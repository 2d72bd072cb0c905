//! What a replicated Redis is, and which of two facts wins.
//!
//! Only words and rules that two or more crates share live here. Everything is pure: no input or output, no
//! clock, no logging, so every rule can be tested as a table. Text from the outside is parsed here once;
//! inside, an invalid value cannot exist.

mod addr;
pub mod arguments;
pub mod conf_file;
mod event;
mod family;
mod hello;
mod ids;
mod ranking;
mod record;
mod replication;
mod role;

pub use addr::{Addr, AddrError};
pub use event::{EventError, SentinelEvent, SwitchMaster};
pub use family::{Branch, Family, Point};
pub use hello::Hello;
pub use ids::{Epoch, IdError, MasterName, Quorum, ReplicationId, RunId};
pub use ranking::{Candidate, Exclusion, Lineage, Ranking, rank};
pub use record::MasterRecord;
pub use replication::{LinkStatus, Replication, ReplicationError};
pub use role::Role;
