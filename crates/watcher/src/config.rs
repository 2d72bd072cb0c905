//! What the watcher was told: read once, whole, before anything is started.

use std::ffi::OsString;
use std::time::Duration;

use settings::{
    CredentialSettings, GroupSettings, LogSettings, Parsed, Problems, Program, TlsFiles, ZooKeeperSettings,
};

/// Everything the watcher is told. Only valid values exist in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How to reach ZooKeeper.
    pub zookeeper: ZooKeeperSettings,
    /// Which group to watch.
    pub group: GroupSettings,
    /// Passwords for Redis and Sentinels.
    pub credentials: CredentialSettings,
    /// TLS to Redis and Sentinels.
    pub tls: Option<TlsFiles>,
    /// The HTTP page's port, on every address of the host. `BIND_IP` is the wrappers': in an environment that they share with
    /// us, health checks and whoever asks on the same host go to loopback.
    pub port: u16,
    /// How long a stop may take before it is forced.
    pub stop_grace: Duration,
    /// How to log.
    pub log: LogSettings,
}

impl Config {
    /// Reads flags (the program's name first) and, by `lookup`, the environment.
    pub fn read(
        args: impl IntoIterator<Item = OsString>,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Parsed<Self>, Problems> {
        settings::read(Program::Watcher, args, lookup, |reader| {
            let zookeeper = ZooKeeperSettings::read(reader);
            let group = GroupSettings::read(reader);
            let credentials = CredentialSettings::read(reader);
            let tls = TlsFiles::read(reader);
            let port = settings::own_port(reader);
            let stop_grace = settings::stop_grace(reader);
            let log = LogSettings::read(reader);
            Ok(Self {
                zookeeper: zookeeper?,
                group: group?,
                credentials: credentials?,
                tls: tls?,
                port: port?,
                stop_grace: stop_grace?,
                log: log?,
            })
        })
    }
}

#[cfg(test)]
mod tests;
