//! The tree in ZooKeeper: which znodes exist, who writes them, and what their bytes mean.
//!
//! This crate is the tree's only definition. It is pure, and it is what a Rust client depends on to look the master
//! and the Sentinels up (see `examples/lookup.rs`). Rows marked *contract* are read by other people's clients and
//! never change their bytes.
//!
//! | path | mode | data | written by |
//! |---|---|---|---|
//! | `/redis` | persistent | empty | anyone first |
//! | `/redis/master` | persistent | *contract*: `<host> <port>`, one space, no newline; empty = none | bootstrap, watcher, in one transaction with `/redis/state` |
//! | `/redis/masters/<name>` | persistent | *contract*: as `/redis/master` | in the same transaction |
//! | `/redis/sentinels/<uuid>` | ephemeral | *contract*: `<host> <port>` | sentinel-wrapper |
//! | `/redis/state` | persistent | JSON [`State`] | bootstrap, watcher |
//! | `/redis/members/<uuid>` | ephemeral | JSON [`Member`] | redis-wrapper |
//! | `/redis/identities/<run id>` | persistent | empty | sentinel-wrapper |
//! | `/redis/identities/<run id>/holder` | ephemeral | `<host> <port>` | sentinel-wrapper |
//! | `/redis/locks/<lock>/…` | ephemeral sequential | who holds it | whoever holds it |
//!
//! Old redis-zk wrappers keep their lock children under `/redis/master`, which therefore must stay persistent.

mod member;
mod path;
mod payload;
mod root;
mod state;

pub use member::Member;
pub use path::{Lock, Tree, ZkPath};
pub use payload::{PayloadError, decode_address, decode_master, encode_address, encode_master};
pub use root::{RootError, ZkRoot};
pub use state::{Cause, Known, Phase, RecordedMaster, State};
