//! What the watcher was told: read once, whole, before anything is started.

mod groups;
mod sinks;
mod token;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use settings::{
    CredentialSettings, LogSettings, Outcome, Parsed, Problems, Program, Reader, Secret, TlsFiles,
    ZooKeeperSettings, vars,
};
use topology::{Addr, MasterName};
use zkpaths::ZkRoot;

use self::groups::Place;
pub use self::sinks::{ConsulAt, ConsulSettings, FileSettings, RuntimeSettings, SinkSettings};
use crate::happy;

/// Everything the watcher is told. Only valid values exist in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is recorded who is master.
    pub source: Source,
    /// The groups to watch, at least one.
    pub groups: Vec<WatchedGroup>,
    /// Passwords for Redis and Sentinels.
    pub credentials: CredentialSettings,
    /// TLS to Redis and Sentinels.
    pub tls: Option<TlsFiles>,
    /// Where the HTTP page is served.
    pub listen: Listen,
    /// What HTTP clients must show, where anything.
    pub token: Option<Secret>,
    /// Whom to tell besides.
    pub sinks: SinkSettings,
    /// How far behind a replica may be and still be given to readers, in bytes.
    pub max_lag: u64,
    /// What redishappy's interface was told, where that is used.
    pub happy: Option<happy::Settings>,
    /// How long a stop may take before it is forced.
    pub stop_grace: Duration,
    /// How to log.
    pub log: LogSettings,
}

/// Where it is recorded who is master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In ZooKeeper, where the Sentinels are registered as well.
    ZooKeeper(ZooKeeperSettings),
    /// In memory; these Sentinels are asked, and those that they know.
    Sentinels(Vec<Addr>),
}

/// A group to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedGroup {
    /// Its name, as Sentinels know it.
    pub name: MasterName,
    /// Where its tree begins in ZooKeeper.
    pub root: ZkRoot,
    /// Where clients connect in front of it.
    pub external_port: Option<u16>,
}

/// Where the HTTP page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On every address of the host. `BIND_IP` is the wrappers': in an environment that they share with us, health checks and whoever
    /// asks on the same host go to loopback.
    Everywhere(u16),
    /// On this one.
    At(SocketAddr),
}

impl Listen {
    /// The port asked for.
    pub fn port(self) -> u16 {
        match self {
            Listen::Everywhere(port) => port,
            Listen::At(addr) => addr.port(),
        }
    }
}

impl Config {
    /// Reads flags (the program's name first) and, by `lookup`, the environment; where redishappy's interface is meant, its files too.
    pub fn read(
        args: impl IntoIterator<Item = OsString>,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Parsed<Self>, Problems> {
        let args: Vec<OsString> = args.into_iter().collect();
        if !happy::asked(&args, &lookup) {
            return settings::read(Program::Watcher, args, lookup, |reader| {
                let source = source(reader);
                let port = settings::own_port(reader);
                let groups = source.as_ref().map_or(1, |(_, groups)| groups.len());
                let common = Common::read(reader, groups);
                let (source, groups) = source?;
                Ok(common?.with(source, groups, Listen::Everywhere(port?), None))
            });
        }
        match happy::told(&args, &lookup, happy::read_file) {
            happy::Told::Show(text) => Ok(Parsed::Show(text)),
            happy::Told::Run(mut given) => {
                let rest = std::mem::take(&mut given.rest);
                settings::read(Program::Watcher, rest, lookup, |reader| {
                    let happy = given.record(reader);
                    let groups = happy.as_ref().map_or(1, |happy| happy.clusters.len());
                    let common = Common::read(reader, groups);
                    Ok(common?.beside(happy?, reader))
                })
            }
        }
    }
}

/// ZooKeeper or Sentinels, and which groups.
fn source(reader: &mut Reader<'_>) -> Outcome<(Source, Vec<WatchedGroup>)> {
    let zookeeper = ZooKeeperSettings::read(reader);
    let sentinels = groups::sentinels(reader);
    let place = match &sentinels {
        Ok(Some(_)) => Place::Nowhere,
        Ok(None) | Err(_) => Place::Tree,
    };
    let root = zookeeper.as_ref().map(|zookeeper| zookeeper.root.clone());
    let groups = groups::read(reader, &root.unwrap_or_default(), place);
    let source = match sentinels? {
        Some(sentinels) => Source::Sentinels(sentinels),
        None => Source::ZooKeeper(zookeeper?),
    };
    Ok((source, groups?))
}

/// What is read the same way in both interfaces.
struct Common {
    credentials: CredentialSettings,
    tls: Option<TlsFiles>,
    token: Option<Secret>,
    sinks: SinkSettings,
    max_lag: u64,
    stop_grace: Duration,
    log: LogSettings,
}

impl Common {
    fn read(reader: &mut Reader<'_>, groups: usize) -> Outcome<Self> {
        let credentials = CredentialSettings::read(reader);
        let tls = TlsFiles::read(reader);
        let token = token::token(reader);
        let sinks = SinkSettings::read(reader, groups);
        let max_lag = reader.required(&vars::REPLICA_MAX_LAG, |text| {
            text.trim()
                .parse::<u64>()
                .map_err(|_| "is not a number of bytes".to_owned())
        });
        let stop_grace = settings::stop_grace(reader);
        let log = LogSettings::read(reader);
        Ok(Self {
            credentials: credentials?,
            tls: tls?,
            token: token?,
            sinks: sinks?,
            max_lag: max_lag?,
            stop_grace: stop_grace?,
            log: log?,
        })
    }

    fn with(
        self,
        source: Source,
        groups: Vec<WatchedGroup>,
        listen: Listen,
        happy: Option<happy::Settings>,
    ) -> Config {
        Config {
            source,
            groups,
            credentials: self.credentials,
            tls: self.tls,
            listen,
            token: self.token,
            sinks: self.sinks,
            max_lag: self.max_lag,
            happy,
            stop_grace: self.stop_grace,
            log: self.log,
        }
    }

    /// redishappy's groups, Sentinels and fronts, with everything of ours beside them.
    fn beside(mut self, happy: happy::Settings, reader: &mut Reader<'_>) -> Config {
        let groups = happy.clusters.iter().map(|cluster| WatchedGroup {
            name: cluster.name.clone(),
            root: ZkRoot::default(),
            external_port: Some(cluster.external_port),
        });
        let groups = groups.collect();
        let listen = match happy.listen {
            happy::Listen::Everywhere { port } => Listen::Everywhere(port),
            happy::Listen::At(addr) => Listen::At(addr),
        };
        self.sinks.as_redishappy_says(&happy, reader);
        self.with(
            Source::Sentinels(happy.sentinels.clone()),
            groups,
            listen,
            Some(happy),
        )
    }
}

#[cfg(test)]
mod tests;
