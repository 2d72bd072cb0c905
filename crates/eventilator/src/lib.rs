//! The event relay: what Sentinel's script hooks tell, delivered once and surely.
//!
//! Sentinel calls a program for each event, kills it after a minute, and forgets about it after ten failures. So a call only commits the
//! event to a spool on disk and ends; whoever holds the spool's lock delivers, each sink at its own pace, and each event under an
//! identity that all Sentinels of a group agree upon. The reasons are in docs/decisions/0012-event-relay.md.

pub mod ask;
pub mod call;
pub mod config;
pub mod drain;
pub mod event;
pub mod identity;
pub mod journal;
pub mod lock;
pub mod message;
pub mod mode;
pub mod outlets;
pub mod owner;
pub mod receivers;
pub mod reconfiguration;
pub mod scriptify;
pub mod sink;
pub mod spool;
pub mod store;
pub mod verbs;
