//! What the relay was told: its file in TOML, and the environment over it. Read once, whole; every problem is told at once.
//!
//! The keys of the program that this one replaces are all taken, under all their spellings. What they mean is in docs/eventilator.md.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinks::Secret;
use topology::Addr;

use crate::mode::Mode;
use crate::receivers::{ExecConfig, HttpConfig, Sensu, SensuConfig, SlackConfig, SyslogConfig};
use crate::spool::Limits;
use crate::store;

mod file;
mod receivers;
mod section;
mod sentinel;
mod source;
mod trigger;

pub use sentinel::{SentinelConfig, sentinel_login};

use section::{Section, Tables, Title};
use source::Source;

/// The tables that are known.
const TABLES: [Title; 8] = [
    several("Slack"),
    several("SensuJIT"),
    several("Sensu"),
    several("HTTP"),
    several("Syslog"),
    several("Exec"),
    single("Spool"),
    single("Sentinel"),
];
/// Sentinel's own log has this name by convention.
const LOG: &str = "/var/log/redis/sentinel.log";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const fn several(name: &'static str) -> Title {
    let several = true;
    Title { name, several }
}

const fn single(name: &'static str) -> Title {
    let several = false;
    Title { name, several }
}

/// Variables that may hold a secret, without what their names begin with.
const SECRETS: [&str; 7] = [
    "REDIS_AUTH",
    "SENTINEL_PASSWORD",
    "SLACK_TOKEN",
    "SLACK_WEBHOOK_URL",
    "HTTP_URL",
    "HTTP_TOKEN",
    "HTTP_SECRET",
];

/// The names of the variables that may hold a secret: a program that is started need not know them.
pub fn secret_variables() -> impl Iterator<Item = String> {
    let prefixes = Mode::Reconfigurator.prefixes().iter();
    prefixes.flat_map(|prefix| SECRETS.iter().map(move |name| format!("{prefix}{name}")))
}

/// What the relay was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which of the scripts it is.
    pub mode: Mode,
    /// The spool's file.
    pub spool: PathBuf,
    /// How much the spool keeps.
    pub limits: Limits,
    /// How to reach the Sentinel that calls.
    pub sentinel: SentinelConfig,
    /// Where the log is; standard error where that cannot be written.
    pub log: PathBuf,
    /// The store.
    pub store: Option<StoreConfig>,
    /// Slack.
    pub slack: Vec<SlackConfig>,
    /// Local Sensu clients.
    pub sensu: Vec<SensuConfig>,
    /// URLs.
    pub http: Vec<HttpConfig>,
    /// System logs.
    pub syslog: Vec<SyslogConfig>,
    /// Programs.
    pub exec: Vec<ExecConfig>,
}

/// The Redis that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where it is.
    pub addr: Addr,
    /// Its ACL user.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Certificate authority of its TLS, which is used if there is one.
    pub ca: Option<PathBuf>,
    /// In which time the windows' names are written.
    pub clock: Clock,
    /// How long each answer may take.
    pub timeout: Duration,
    /// For so long nothing is delivered that others may have delivered while the store cannot be asked.
    pub patience: Duration,
    /// Counting is on; off, it only keeps the book that all Sentinels share.
    pub counts: bool,
}

/// In which time windows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The host's own.
    Local,
    /// UTC.
    Utc,
}

impl Config {
    /// The names of the receivers that want an event, without making any of them.
    pub fn takers(&self, event: &str) -> Vec<String> {
        let counts = self.store.as_ref().is_some_and(|store| store.counts) && store::counts(event);
        let store = counts.then_some(store::NAME).into_iter();
        let sensu = self.sensu.iter().filter(|_| Sensu::has_check(event));
        let named = (self.slack.iter().map(|sink| (&sink.name, &sink.trigger)))
            .chain(sensu.map(|sink| (&sink.name, &sink.trigger)))
            .chain(self.http.iter().map(|sink| (&sink.name, &sink.trigger)))
            .chain(self.syslog.iter().map(|sink| (&sink.name, &sink.trigger)))
            .chain(self.exec.iter().map(|sink| (&sink.name, &sink.trigger)));
        let wanting = named
            .filter(|(_, trigger)| trigger.takes(event))
            .map(|(name, _)| name.as_str());
        store.chain(wanting).map(str::to_owned).collect()
    }
}

/// A configuration, and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What holds.
    pub config: Config,
    /// What works, and may not be meant.
    pub warnings: Vec<String>,
}

/// Every problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Problems(pub Vec<String>);

/// What a call works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForCall {
    /// What holds; where something is wrong its default, and a receiver that cannot be is not there.
    pub config: Config,
    /// What is wrong, and keeps whoever delivers from delivering until it is mended.
    pub problems: Vec<String>,
}

/// Reads the configuration of `mode`: from `file`, or from its usual places. A missing file is no problem: defaults hold.
pub fn read(mode: Mode, file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Read, Problems> {
    let all = everything(mode, file, env);
    if all.problems.is_empty() {
        let (config, warnings) = (all.config, all.warnings);
        Ok(Read { config, warnings })
    } else {
        Err(Problems(all.problems))
    }
}

/// Reads what a call needs: the spool's settings must be good, and the file one that can be read. Anything else that is wrong stops no event from
/// being spooled.
pub fn for_call(mode: Mode, env: &dyn Fn(&str) -> Option<String>) -> Result<ForCall, Problems> {
    let all = everything(mode, None, env);
    if all.no_spool {
        return Err(Problems(all.problems));
    }
    let (config, problems) = (all.config, all.problems);
    Ok(ForCall { config, problems })
}

struct Everything {
    config: Config,
    problems: Vec<String>,
    warnings: Vec<String>,
    /// One of the problems is that nobody knows where the spool is, or how large.
    no_spool: bool,
}

fn everything(mode: Mode, file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Everything {
    let mut source = Source::new(mode.prefixes(), env);
    let (table, from) = file::load(mode, file, &mut source);
    let mut tables = Tables::read(table, &TABLES);
    source.problems.extend(tables.take_problems("Spool"));
    let mut section = tables.take("Spool");
    let (spool, limits) = spool(&mut source, &mut section, mode);
    source.finish(&section);
    let no_spool = !source.problems.is_empty();

    source
        .problems
        .extend(tables.problems.into_iter().map(|(_, problem)| problem));
    source.warnings.extend(tables.warnings);
    let mut top = tables.top;
    let timeout = source
        .duration(
            &mut top,
            "Timeout",
            (Duration::from_millis(10), Duration::from_secs(5 * 60)),
        )
        .unwrap_or(Duration::from_secs(10));
    let host = host_name();
    let mut config = Config {
        mode,
        spool,
        limits,
        sentinel: SentinelConfig::default(),
        log: source
            .text(&mut top, "LogFile")
            .map_or_else(|| PathBuf::from(LOG), PathBuf::from),
        store: store(&mut source, &mut top, mode, timeout),
        slack: Vec::new(),
        sensu: Vec::new(),
        http: Vec::new(),
        syslog: Vec::new(),
        exec: Vec::new(),
    };
    source.finish(&top);
    for mut section in tables.sections {
        match section.title() {
            "Sentinel" => config.sentinel = sentinel::read(&mut source, &mut section),
            _ => receivers::read(&mut source, &mut section, &mut config, &host, timeout),
        }
        source.finish(&section);
    }
    receivers::names_are_unique(&config, &mut source.problems);
    if source.holds_secret
        && let Some(from) = &from
        && file::others_may_read(from)
    {
        source.warnings.push(format!(
            "{}: it holds a secret, and everybody may read it; chmod 0640, or name a file with the secret (TokenFile and the like)",
            from.display()
        ));
    }
    Everything {
        config,
        problems: source.placed(from.as_deref()),
        warnings: source.warnings,
        no_spool,
    }
}

fn store(source: &mut Source<'_>, top: &mut Section, mode: Mode, timeout: Duration) -> Option<StoreConfig> {
    let host = source
        .text(top, "RedisAddress")
        .unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = source.parsed(top, "RedisPort", "6379").unwrap_or(6379);
    let password = source.secret(top, "RedisAuth");
    let user = source.text(top, "RedisUser");
    let ca = source.text(top, "RedisCA").map(PathBuf::from);
    // A reconfigurator has nothing else to do; its file never had a switch.
    let enabled = source
        .flag(top, "RedisEnabled")
        .unwrap_or(mode == Mode::Reconfigurator);
    let counts = source.flag(top, "RedisCounts").unwrap_or(true);
    let utc = source.flag(top, "UTC").unwrap_or(false);
    let patience = source
        .duration(top, "StorePatience", (Duration::ZERO, 7 * DAY))
        .unwrap_or(Duration::from_secs(10));
    match Addr::new(&host, port) {
        Ok(addr) => enabled.then_some(StoreConfig {
            addr,
            user,
            password,
            ca,
            clock: if utc { Clock::Utc } else { Clock::Local },
            timeout: timeout.min(Duration::from_secs(5)),
            patience,
            counts,
        }),
        Err(error) => {
            source.problems.push(format!("RedisAddress: {error}"));
            None
        }
    }
}

fn spool(source: &mut Source<'_>, section: &mut Section, mode: Mode) -> (PathBuf, Limits) {
    let directory = source
        .text(section, "Directory")
        .map_or_else(|| PathBuf::from("/var/lib/redis/eventilator"), PathBuf::from);
    let mut limits = Limits {
        events: 100_000,
        age: 7 * DAY,
    };
    if let Some(events) = source.parsed::<u64>(section, "MaxEvents", "100000") {
        limits.events = events.clamp(16, 10_000_000);
    }
    // Marks are kept twice as long, and numbers for 40 days: see identity/book.rs.
    if let Some(age) = source.duration(section, "MaxAge", (Duration::from_secs(60), 14 * DAY)) {
        limits.age = age;
    }
    (directory.join(format!("{}.db", mode.name())), limits)
}

/// Where the log is if the file cannot tell.
pub fn usual_log(mode: Mode, env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let named = |prefix: &&str| env(&format!("{prefix}LOG_FILE")).filter(|path| !path.is_empty());
    let named = mode.prefixes().iter().find_map(named);
    named.map_or_else(|| PathBuf::from(LOG), PathBuf::from)
}

/// The name that reports carry: whole where the resolver's files know it, as `hostname -f` tells.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => whole_name(name, "/etc/hosts"),
    }
}

/// A name service may hang, and a call has no time; `/etc/hosts` is where Debian and containers keep the whole name.
fn whole_name(name: &str, hosts: &str) -> String {
    if name.contains('.') {
        return name.to_owned();
    }
    let text = std::fs::read_to_string(hosts).unwrap_or_default();
    let whole = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(|line| line.split_ascii_whitespace().skip(1))
        .find(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')));
    whole.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests;
