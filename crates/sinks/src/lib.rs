//! Keeps the outside world in step with the master: HAProxy, Consul, webhooks, commands.
//!
//! A sink is not sent events: it is brought to what the [`Picture`] says, and what it then has is read back. So a sink that was
//! away for an hour is right as soon as it is back, however much has changed meanwhile, and a change that is announced twice
//! is made once. The [`Board`] is the one place where a picture changes, and it never goes back to an older epoch. Each sink has a
//! task of its own ([`keep()`]), with its own deadline and retries: none can hold up another.

mod board;
mod command;
mod consul;
pub mod haproxy;
pub mod http;
mod keep;
mod picture;
mod secret;
mod shell;
mod sink;
mod standing;
mod time;
mod told;
mod webhook;

pub use board::{Board, Offer};
pub use command::CommandSink;
pub use consul::{ConsulConfig, ConsulPart, ConsulService, ConsulSink};
pub use http::HttpSetupError;
pub use keep::{Gate, Terms, keep};
pub use picture::{Assurance, Fitness, Group, Master, Origin, Picture, Replica};
pub use secret::Secret;
pub use shell::Shell;
pub use sink::{Brought, Sink, SinkError};
pub use standing::{Standing, Step};
pub use webhook::WebhookSink;
