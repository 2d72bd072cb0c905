//! This crate against real servers. One program, so that there is one to link.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod failover;
mod probe;
mod redis;
mod sentinel;
mod tls;
