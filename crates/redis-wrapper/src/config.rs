//! What redis-wrapper was told: read once, whole, before anything is started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use settings::{
    CredentialSettings, Durability, GroupSettings, LeaseSettings, LogSettings, NetworkSettings, Parsed,
    Problems, Program, RunAs, TlsFiles, ZooKeeperSettings, vars,
};

/// Everything redis-wrapper is told. Only valid values exist in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How to reach ZooKeeper.
    pub zookeeper: ZooKeeperSettings,
    /// Which group this Redis belongs to.
    pub group: GroupSettings,
    /// Passwords for Redis and Sentinels.
    pub credentials: CredentialSettings,
    /// TLS to Redis and Sentinels.
    pub tls: Option<TlsFiles>,
    /// Where to listen and what to announce.
    pub network: NetworkSettings,
    /// The user's redis.conf; the built-in one when unset.
    pub template: Option<PathBuf>,
    /// Absolute, writable directory of the data set and of generated files.
    pub data_dir: PathBuf,
    /// Absolute path of the redis-server to start.
    pub server: PathBuf,
    /// Whom to become, when started as root.
    pub run_as: Option<RunAs>,
    /// How long a master that is cut off takes writes.
    pub lease: LeaseSettings,
    /// Which acknowledged writes a failover must keep.
    pub durability: Durability,
    /// How long a stop may take before it is forced.
    pub stop_grace: Duration,
    /// How to log.
    pub log: LogSettings,
    /// Arguments after `--`, for redis-server.
    pub child_args: Vec<OsString>,
}

impl Config {
    /// Reads flags (the program's name first) and, by `lookup`, the environment.
    pub fn read(
        args: impl IntoIterator<Item = OsString>,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Parsed<Self>, Problems> {
        settings::read(Program::RedisWrapper, args, lookup, |reader| {
            let zookeeper = ZooKeeperSettings::read(reader);
            let group = GroupSettings::read(reader);
            let credentials = CredentialSettings::read(reader);
            let tls = TlsFiles::read(reader);
            let network = NetworkSettings::read(reader);
            let template = settings::template(reader, &vars::REDIS_CONF);
            let data_dir = settings::data_dir(reader);
            let server = settings::server(reader, &vars::REDIS_SERVER);
            let run_as = RunAs::read(reader, program::can_become);
            let readable = program::can_read(reader, &run_as, (vars::REDIS_CONF.name, &template), &tls);
            let lease = LeaseSettings::read(reader);
            let durability = Durability::read(reader);
            let stop_grace = settings::stop_grace(reader);
            let log = LogSettings::read(reader);
            Ok(Self {
                zookeeper: zookeeper?,
                group: group?,
                credentials: credentials?,
                tls: tls?,
                network: network?,
                template: template?,
                data_dir: data_dir?,
                server: server?,
                run_as: run_as.and_then(|run_as| readable.map(|()| run_as))?,
                lease: lease?,
                durability: durability?,
                stop_grace: stop_grace?,
                log: log?,
                child_args: reader.child_args(),
            })
        })
    }
}

#[cfg(test)]
mod tests;
