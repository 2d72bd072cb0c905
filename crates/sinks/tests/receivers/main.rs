//! Sinks as the loop keeps them, with receivers that hang, refuse, vanish and come back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod command;
mod consul;
mod receiver;
mod tls;
mod webhook;
