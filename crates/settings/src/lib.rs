//! Reads a program's settings once, whole, and explains every problem.
//!
//! The environment is the interface: container platforms hand it to us and people copy it between applications. So
//! there is one table of variables ([`vars::TABLE`]) from which the flags, `--help`, the documentation and the reading
//! itself are made, and they cannot drift apart. A value is looked for as flag, then in the environment, then in the
//! file that `X_FILE` names, then in the table; an empty string counts as unset everywhere. All problems are
//! collected before anything is started: a person who must redeploy to see the second problem loses trust.
//!
//! Secrets never come from a flag (`ps` shows those to everybody) and never leave [`Secret`] by `Debug` or by a problem.

mod credentials;
mod data_dir;
mod docs;
mod durability;
mod duration;
mod effective;
mod files;
mod flags;
mod group;
mod host;
mod lease;
mod log;
pub mod network;
mod problem;
mod reader;
mod run_as;
mod script;
mod secret;
mod server;
mod stop_grace;
mod typos;
mod value_file;
pub mod vars;
mod zookeeper;
mod zookeeper_hosts;

pub use credentials::CredentialSettings;
pub use data_dir::data_dir;
pub use docs::docs_table;
pub use durability::Durability;
pub use effective::Effective;
pub use files::{TlsFiles, template};
pub use group::GroupSettings;
pub use host::own_port;
pub use lease::LeaseSettings;
pub use log::{LogFormat, LogSettings};
pub use network::{Bind, NetworkSettings};
pub use problem::{Problem, Problems, Reported};
pub use reader::{Notes, Outcome, Parsed, Reader, Said, read};
pub use run_as::RunAs;
pub use script::script;
pub use secret::Secret;
pub use server::server;
pub use stop_grace::stop_grace;
pub use typos::typos;
pub use vars::Program;
pub use zookeeper::ZooKeeperSettings;
