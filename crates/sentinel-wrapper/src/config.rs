//! What sentinel-wrapper was told: read once, whole, before anything is started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use settings::{
    CredentialSettings, GroupSettings, LogSettings, NetworkSettings, Outcome, Parsed, Problems, Program,
    Reader, RunAs, TlsFiles, ZooKeeperSettings, vars,
};
use topology::Quorum;

use crate::hooks::Hooks;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Below this a fresh master looks down and failovers storm (measured on three nodes).
const ADVISED_DOWN_AFTER: Duration = Duration::from_millis(1500);

/// A promotion that is not confirmed within failover-timeout is given up, and INFO is only asked once a second.
const ADVISED_FAILOVER_TIMEOUT: Duration = Duration::from_secs(3);

/// Everything sentinel-wrapper is told. Only valid values exist in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How to reach ZooKeeper.
    pub zookeeper: ZooKeeperSettings,
    /// Which group this Sentinel watches.
    pub group: GroupSettings,
    /// Passwords for Redis and Sentinels.
    pub credentials: CredentialSettings,
    /// TLS to Redis and Sentinels.
    pub tls: Option<TlsFiles>,
    /// Where to listen and what to announce.
    pub network: NetworkSettings,
    /// The user's sentinel.conf; the built-in one when unset.
    pub template: Option<PathBuf>,
    /// Absolute, writable directory of generated files.
    pub data_dir: PathBuf,
    /// Absolute path of the redis-sentinel to start.
    pub server: PathBuf,
    /// How many Sentinels must agree that the master is down.
    pub quorum: Quorum,
    /// How long to wait for a first master; `None` is for ever.
    pub master_wait: Option<Duration>,
    /// Silence after which the Sentinel thinks the master is down.
    pub down_after: Duration,
    /// Sentinel's failover-timeout.
    pub failover_timeout: Duration,
    /// How many replicas copy from a new master at the same time.
    pub parallel_syncs: u32,
    /// Which of the three somebody chose; a template of the user's wins over the others' defaults.
    pub chosen: Chosen,
    /// Whom to become, when started as root.
    pub run_as: Option<RunAs>,
    /// The scripts that Sentinel calls.
    pub hooks: Hooks,
    /// How long a stop may take before it is forced.
    pub stop_grace: Duration,
    /// How to log.
    pub log: LogSettings,
    /// Arguments after `--`, for redis-sentinel.
    pub child_args: Vec<OsString>,
}

/// Which timings were set by flag or environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chosen {
    /// `DOWN_AFTER`.
    pub down_after: bool,
    /// `FAILOVER_TIMEOUT`.
    pub failover_timeout: bool,
    /// `PARALLEL_SYNCS`.
    pub parallel_syncs: bool,
}

impl Chosen {
    fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        Ok(Self {
            down_after: reader.said(&vars::DOWN_AFTER)?.is_some(),
            failover_timeout: reader.said(&vars::FAILOVER_TIMEOUT)?.is_some(),
            parallel_syncs: reader.said(&vars::PARALLEL_SYNCS)?.is_some(),
        })
    }
}

impl Config {
    /// Reads flags (the program's name first) and, by `lookup`, the environment.
    pub fn read(
        args: impl IntoIterator<Item = OsString>,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Parsed<Self>, Problems> {
        settings::read(Program::SentinelWrapper, args, lookup, |reader| {
            let zookeeper = ZooKeeperSettings::read(reader);
            let group = GroupSettings::read(reader);
            let credentials = CredentialSettings::read(reader);
            let tls = TlsFiles::read(reader);
            let network = NetworkSettings::read(reader);
            let template = settings::template(reader, &vars::SENTINEL_CONF);
            let data_dir = settings::data_dir(reader);
            let server = settings::server(reader, &vars::REDIS_SENTINEL);
            let quorum = reader.word(&vars::SENTINEL_QUORUM);
            let master_wait = reader.duration(&vars::MASTER_WAIT, Duration::ZERO..=DAY);
            let down_after = down_after(reader);
            let failover_timeout = failover_timeout(reader);
            let parallel_syncs = parallel_syncs(reader);
            // Only once the values are good, so that no problem is reported twice.
            let chosen = match (&down_after, &failover_timeout, &parallel_syncs) {
                (Ok(_), Ok(_), Ok(_)) => Chosen::read(reader),
                _ => Ok(Chosen::default()),
            };
            let run_as = RunAs::read(reader, program::can_become);
            let readable = program::can_read(reader, &run_as, (vars::SENTINEL_CONF.name, &template), &tls);
            let hooks = Hooks::read(reader, &run_as, &network, &credentials, &tls);
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
                quorum: quorum?,
                master_wait: Some(master_wait?).filter(|wait| !wait.is_zero()),
                down_after: down_after?,
                failover_timeout: failover_timeout?,
                parallel_syncs: parallel_syncs?,
                chosen: chosen?,
                run_as: run_as.and_then(|run_as| readable.map(|()| run_as))?,
                hooks: hooks?,
                stop_grace: stop_grace?,
                log: log?,
                child_args: reader.child_args(),
            })
        })
    }
}

fn down_after(reader: &mut Reader<'_>) -> Outcome<Duration> {
    let down_after = reader.duration(&vars::DOWN_AFTER, Duration::from_millis(1)..=DAY)?;
    if down_after < ADVISED_DOWN_AFTER {
        reader
            .warn("DOWN_AFTER is below 1500ms: a freshly promoted master may look down and fail over again");
    }
    Ok(down_after)
}

fn failover_timeout(reader: &mut Reader<'_>) -> Outcome<Duration> {
    let failover_timeout = reader.duration(&vars::FAILOVER_TIMEOUT, Duration::from_millis(1)..=DAY)?;
    if failover_timeout < ADVISED_FAILOVER_TIMEOUT {
        reader.warn("FAILOVER_TIMEOUT is below 3s: a Sentinel may give up a promotion that is under way");
    }
    Ok(failover_timeout)
}

fn parallel_syncs(reader: &mut Reader<'_>) -> Outcome<u32> {
    reader.required(&vars::PARALLEL_SYNCS, |text| match text.trim().parse() {
        Ok(0) | Err(_) => Err("is not a number of replicas; write 1 or more".to_owned()),
        Ok(count) => Ok(count),
    })
}

#[cfg(test)]
mod tests;
