//! The tree in ZooKeeper: which znodes exist, who writes them, and what their bytes mean.
//!
//! This crate is the tree's only definition. It is pure, and it is what a Rust client depends on to look the master
//! and the Sentinels up (see `examples/lookup.rs`). Rows marked *contract* are read by other people's clients and
//! never change their bytes.
//!
//! | path | mode | data | written by |
//! |---|---|---|---|
//! | `/redis` | persistent | empty | anyone first |
//! | `/redis/master` | persistent | *contract*: `<host> <port>`, one space, no newline; empty = none | bootstrap, failover, watcher, in one transaction with `/redis/state` |
//! | `/redis/masters/<name>` | persistent | *contract*: as `/redis/master` | in the same transaction |
//! | `/redis/sentinels/<uuid>` | ephemeral | *contract*: `<host> <port>` | sentinel-wrapper |
//! | `/redis/state` | persistent | JSON [`State`] | bootstrap, failover, watcher |
//! | `/redis/members/<uuid>` | ephemeral | JSON [`Member`] | redis-wrapper |
//! | `/redis/lease` | persistent | JSON [`Lease`] | the master's redis-wrapper |
//! | `/redis/history/<sequence>` | persistent, the last 100 | JSON [`Failover`] | whoever moved the role |
//! | `/redis/nodes/<node id>` | persistent, 64 at most | JSON [`Node`], what a data directory holds | redis-wrapper |
//! | `/redis/candidates/<uuid>` | ephemeral | JSON [`Candidacy`], what a starting node could serve | redis-wrapper |
//! | `/redis/pause` | persistent | JSON [`Pause`] | the operator |
//! | `/redis/identities/<run id>` | persistent | empty | sentinel-wrapper |
//! | `/redis/identities/<run id>/holder` | ephemeral | `<host> <port>` | sentinel-wrapper |
//! | `/redis/locks/<lock>/…` | ephemeral sequential | who holds it | whoever holds it |
//!
//! Old redis-zk wrappers keep their lock children under `/redis/master`, which therefore must stay persistent.

mod candidacy;
mod further;
mod history;
mod lease;
mod member;
mod node;
mod path;
mod pause;
mod payload;
mod root;
mod state;
mod words;

pub use candidacy::{Candidacy, Holding, Window};
pub use further::Further;
pub use history::{Considered, Failover, Timings};
pub use lease::Lease;
pub use member::Member;
pub use node::{AppendOnly, Node, Stopped};
pub use path::{Lock, Tree, ZkPath};
pub use pause::Pause;
pub use payload::{PayloadError, decode_address, decode_master, encode_address, encode_master};
pub use root::{RootError, ZkRoot};
pub use state::{Known, RecordedMaster, State};
pub use words::{Cause, Phase};
