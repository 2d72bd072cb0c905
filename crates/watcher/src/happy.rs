//! redishappy's interface: its flags, its `config.json`, its variables and its pages, so that who ran `redis-haproxy` or `redis-consul`
//! changes the program and nothing else.
//!
//! There is no ZooKeeper behind it: the Sentinels are those of the configuration, and those that they name. The rest of the watcher is the
//! same, and so are its own settings (`REDIS_PASSWORD`, `LOG_FORMAT`, `WEBHOOK_URL`, ...), which work beside redishappy's.
//!
//! Reading is pure: arguments, variables and files are given. What theirs finds out by writing a space into the live HAProxy file,
//! or by ending in the middle, is a problem of the settings here, with all others, before anything is started.

mod config;
mod environment;
mod files;
mod flags;
mod help;
mod json;
mod judge;
mod listen;
pub mod pages;
mod settings;
mod shape;

pub use config::{Given, Told, told};
pub use files::read as read_file;
pub use flags::{Front, asked};
pub use listen::Listen;
pub use settings::{Cluster, Consul, HaProxy, Service, Settings};
pub use shape::Shape;

#[cfg(test)]
mod tests;
