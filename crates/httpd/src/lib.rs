//! A program's read-only HTTP page: bind, answer, drain.
//!
//! The page must never be the reason why the program is slow or does not end, so everything a client can stretch is
//! bounded: the header and the whole request by time, the body by size, the connections by number, the drain at the end
//! by one second. And whoever asks for the health of the program is told the truth or nothing: the answers come from
//! `watch` channels, and a channel whose writer is gone counts as ill.

mod check;
mod listen;
mod page;
mod pages;
mod serve;

pub use axum::Router;
pub use check::{Check, check};
pub use listen::{HttpError, Listener, bind, bind_wildcard};
pub use page::{Page, Status};
pub use pages::{Health, Readiness, healthz, metrics, ready};
pub use serve::{CONNECTIONS, DRAIN, PATIENCE, Pages, REQUEST_DEADLINE, serve};
