//! The private configuration file of the own Sentinel, as text.
//!
//! The user's lines come first, without those that would break supervision; then ours. Sentinel reads the whole file
//! before it applies `sentinel` settings in its own order, so the order of the lines decides nothing. The result holds
//! passwords: it belongs into a file that only its owner can read.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use topology::conf_file::Setting;
use topology::{Addr, MasterName, Quorum};

use crate::hooks::Wanted;
use crate::template::Template;
use crate::view::Seed;

/// What does not change while the wrapper runs; only a script may be lost, and found again.
#[derive(Clone)]
pub struct Fixed {
    /// The group.
    pub name: MasterName,
    /// Where to listen; `None` is everywhere.
    pub bind: Option<IpAddr>,
    /// The port to listen on.
    pub port: u16,
    /// Where the others find it.
    pub announce: Addr,
    /// The private directory.
    pub dir: PathBuf,
    /// How many Sentinels must agree that the master is down.
    pub quorum: Quorum,
    /// `down-after-milliseconds`.
    pub down_after: Timing<Duration>,
    /// `failover-timeout`.
    pub failover_timeout: Timing<Duration>,
    /// `parallel-syncs`.
    pub parallel_syncs: Timing<u32>,
    /// The scripts; the user's lines give way to all of them.
    pub scripts: Wanted,
    /// Those among them that Sentinel is not told to call, since they cannot be run.
    pub lost: BTreeSet<String>,
    /// The credentials.
    pub secrets: Secrets,
    /// Certificates, where everything speaks TLS.
    pub tls: Option<Tls>,
}

/// A value, and whether the user chose it in the environment: then it wins over the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing<T> {
    /// The default: the template may say otherwise.
    Default(T),
    /// Chosen.
    Chosen(T),
}

impl<T: Copy> Timing<T> {
    fn value(self) -> T {
        match self {
            Self::Default(value) | Self::Chosen(value) => value,
        }
    }
}

/// Passwords and the user, in the clear: they go into the file.
#[derive(Clone, Default)]
pub struct Secrets {
    /// User at the Redis nodes.
    pub redis_user: Option<String>,
    /// Password at the Redis nodes.
    pub redis_password: Option<String>,
    /// Password of the Sentinels, among themselves too.
    pub sentinel_password: Option<String>,
}

/// Certificate files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust.
    pub ca: PathBuf,
    /// The own certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// The text, and what was left out of the user's.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The whole file.
    pub text: String,
    /// The lines left out.
    pub dropped: Vec<Dropped>,
    /// Groups of the user's that are watched beside ours.
    pub beside: Vec<Beside>,
}

/// A `sentinel monitor` of another name that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// In which file, or that it is an argument.
    pub file: Arc<str>,
    /// Line number there.
    pub line: usize,
    /// The group's name.
    pub name: String,
    /// Where its master is said to be.
    pub master: Addr,
}

/// A setting of the user's that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// In which file, or that it is an argument.
    pub file: Arc<str>,
    /// Line number there.
    pub line: usize,
    /// Its name, never its values: they may be secrets.
    pub setting: String,
    /// Why.
    pub why: Why,
}

/// Why a setting of the user's is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The wrapper decides it.
    Supervised,
    /// It comes from ZooKeeper: identity, master, peers, replicas, epochs.
    FromZooKeeper,
    /// The credentials or certificates come from the environment.
    Credentials,
    /// It has our own nodes watched under another name.
    Double,
    /// The environment sets the same, explicitly.
    Environment,
    /// An `include` that is left: the others have been followed.
    NoFile,
}

impl Why {
    /// The reason for logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Supervised => "the wrapper decides it",
            Self::FromZooKeeper => "it comes from ZooKeeper",
            Self::Double => {
                "its group is ours under another name: its master is on this host or a node of ours"
            }
            Self::Credentials => "credentials come from the environment",
            Self::Environment => "the environment sets it",
            Self::NoFile => "no file matches it",
        }
    }
}

/// The file for one start.
pub fn render(template: &Template, fixed: &Fixed, seed: &Seed) -> Rendered {
    let mut dropped = Vec::new();
    let mut beside = Vec::new();
    let doubles = foreign::doubles(template, fixed, seed);
    let double = |setting: &Setting| {
        let about = foreign::subject(&setting.values).filter(|_| setting.name == "sentinel");
        about.filter(|name| doubles.contains(*name)).map(|_| Why::Double)
    };
    let mut text =
        String::from("# Made by sentinel-wrapper for one start of redis-sentinel. Changes here are lost.\n");
    for line in template.lines() {
        let setting = line.setting.as_ref();
        let why = setting.and_then(|setting| unwanted(setting, fixed).or_else(|| double(setting)));
        if let (Some(why), Some(setting)) = (why, &line.setting) {
            let setting = shown(setting);
            dropped.push(Dropped {
                file: line.file.clone(),
                line: line.number,
                setting,
                why,
            });
        } else {
            if let Some(foreign::Group { name, master }) = setting.and_then(foreign::monitored) {
                let (file, line) = (line.file.clone(), line.number);
                beside.push(Beside {
                    file,
                    line,
                    name,
                    master,
                });
            }
            text.push_str(&line.text);
            text.push('\n');
        }
    }
    lines::ours(&mut text, template, fixed, seed);
    Rendered {
        text,
        dropped,
        beside,
    }
}

/// The words by which a reader finds the line again.
fn shown(setting: &Setting) -> String {
    match setting.values.first() {
        Some(word) if setting.name == "sentinel" => format!("sentinel {}", word.to_ascii_lowercase()),
        _ => setting.name.clone(),
    }
}

/// Why this setting of the user's must not reach Sentinel, if it must not.
fn unwanted(setting: &Setting, fixed: &Fixed) -> Option<Why> {
    match setting.name.as_str() {
        "port" | "tls-port" | "bind" | "daemonize" | "logfile" | "dir" | "protected-mode" | "supervised"
        | "pidfile" | "unixsocket" | "replicaof" | "slaveof" => Some(Why::Supervised),
        "include" => Some(Why::NoFile),
        "requirepass" => fixed.secrets.sentinel_password.as_ref().map(|_| Why::Credentials),
        "tls-replication" | "tls-ca-cert-file" | "tls-cert-file" | "tls-key-file" => {
            fixed.tls.as_ref().map(|_| Why::Credentials)
        }
        "sentinel" => unwanted_sentinel(&setting.values, fixed),
        _ => None,
    }
}

fn unwanted_sentinel(values: &[String], fixed: &Fixed) -> Option<Why> {
    let word = values.first()?.to_ascii_lowercase();
    let ours = values.get(1).is_some_and(|name| name == fixed.name.as_str());
    let chosen = |chosen: bool| (ours && chosen).then_some(Why::Environment);
    let secret = |secret: &Option<String>| secret.as_ref().map(|_| Why::Credentials);
    match word.as_str() {
        "myid" | "current-epoch" => Some(Why::FromZooKeeper),
        "announce-ip" | "announce-port" => Some(Why::Supervised),
        "monitor" | "known-sentinel" | "known-replica" | "known-slave" | "config-epoch" | "leader-epoch" => {
            ours.then_some(Why::FromZooKeeper)
        }
        "down-after-milliseconds" => chosen(matches!(fixed.down_after, Timing::Chosen(_))),
        "failover-timeout" => chosen(matches!(fixed.failover_timeout, Timing::Chosen(_))),
        "parallel-syncs" => chosen(matches!(fixed.parallel_syncs, Timing::Chosen(_))),
        "notification-script" => chosen(fixed.scripts.notification.is_some()),
        "client-reconfig-script" => chosen(fixed.scripts.client_reconfig.is_some()),
        "auth-user" => secret(&fixed.secrets.redis_user).filter(|_| ours),
        "auth-pass" => secret(&fixed.secrets.redis_password).filter(|_| ours),
        "sentinel-pass" | "sentinel-user" => secret(&fixed.secrets.sentinel_password),
        _ => None,
    }
}

mod foreign;
mod lines;
#[cfg(test)]
mod tests;
