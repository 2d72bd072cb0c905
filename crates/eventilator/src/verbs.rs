//! What a person or a service manager types.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::{self, Problems};
use crate::drain::Until;
use crate::mode::Mode;
use crate::spool::SpoolError;
use crate::store::StoreError;

mod check;
mod deliver;
mod status;

/// Done.
const OK: u8 = 0;
/// Something is left, or does not work.
const LEFT: u8 = 1;
/// The command line or the configuration cannot be used.
const UNUSABLE: u8 = 64;
/// The spool cannot be used.
const NO_SPOOL: u8 = 74;

#[derive(Parser)]
#[command(
    name = "eventilator",
    version,
    about = "Relays Sentinel's events: Slack, HTTP, Redis, Sensu, syslog, your own programs. Each once, and surely",
    long_about = "Relays Sentinel's events. Sentinel calls it, by name:\n\n  \
        eventilator <event> <description>      as notification-script\n  \
        reconfigurator <seven arguments>       as client-reconfig-script (also called registrator)\n\n\
        Such a call spools the event and ends with 0 (done), 1 (Sentinel shall call again) or 2 (never again).",
    after_help = "Examples:\n  eventilator --check                      is the configuration good, does every receiver answer?\n  \
        eventilator status                       what waits, and why\n  eventilator drain                        try everything now\n  \
        eventilator scriptify --both             put the scripts into a running Sentinel (sentinel-scriptify)\n  \
        eventilator +odown \"master m1 10.0.0.1 6379 #quorum 2/2\"\n\nExit codes: 0 done, 1 something is left or does not work, 64 the \
        command line or the configuration cannot be used, 74 the spool cannot be used.\nSettings: docs/eventilator.md"
)]
struct Line {
    /// Checks the configuration and sends a test event to each receiver
    #[arg(long)]
    check: bool,
    /// Reads this file, and no other
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Of which script: eventilator or reconfigurator. Both, if nothing is said
    #[arg(long, global = true, value_name = "NAME", value_parser = mode)]
    mode: Option<Mode>,
    /// Prints JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Delivers what is spooled, trying everything now, and says what is left
    #[command(after_help = "Example: eventilator drain --wait 5m")]
    Drain {
        /// For so long at most
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "60s")]
        wait: Duration,
        /// What a call leaves behind: it ends when nothing is left
        #[arg(long, hide = true)]
        left_behind: bool,
    },
    /// Delivers until it is stopped: the service. Calls then only spool
    #[command(after_help = "Example: eventilator serve --mode eventilator")]
    Serve,
    /// Says what waits, for whom, and why
    #[command(after_help = "Example: eventilator status --json")]
    Status,
    /// The same as --check
    Check,
    /// Prints the counters for Prometheus, for a textfile collector
    #[command(after_help = "Example: eventilator metrics > /var/lib/node_exporter/eventilator.prom")]
    Metrics,
}

fn mode(name: &str) -> Result<Mode, String> {
    match name {
        "eventilator" => Ok(Mode::Eventilator),
        "reconfigurator" | "registrator" => Ok(Mode::Reconfigurator),
        other => Err(format!("`{other}` is neither eventilator nor reconfigurator")),
    }
}

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
enum VerbError {
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("{0}")]
    System(std::io::Error),
}

impl VerbError {
    fn code(&self) -> u8 {
        match self {
            Self::Problems(_) | Self::Store(_) => UNUSABLE,
            Self::Spool(_) | Self::System(_) => NO_SPOOL,
        }
    }
}

/// Runs what was typed. Returns the exit code.
pub fn run(
    name: &str,
    by_name: Option<Mode>,
    arguments: Vec<String>,
    env: &dyn Fn(&str) -> Option<String>,
) -> u8 {
    let words = std::iter::once(name.to_owned()).chain(arguments);
    let line = match Line::try_parse_from(words) {
        Ok(line) => line,
        Err(said) => {
            let wrong = said.use_stderr();
            let _ = said.print();
            return if wrong { UNUSABLE } else { OK };
        }
    };
    let modes = match (line.mode.or(by_name), &line.config) {
        (Some(mode), _) => vec![mode],
        // A file is one script's.
        (None, Some(_)) => vec![Mode::Eventilator],
        (None, None) => Mode::ALL.to_vec(),
    };
    let verb = match (line.check, line.verb) {
        (true, None) => Verb::Check,
        (_, Some(verb)) => verb,
        (false, None) => {
            complain("nothing is asked for; `eventilator --help` tells what can be");
            return UNUSABLE;
        }
    };
    let file = line.config.as_deref();
    let read = |mode| config::read(mode, file, env);
    for mode in &modes {
        // What root makes in the spool Sentinel's user could not write. The configuration is read once more then, as that user finds it.
        if let Ok(config::Read { config, .. }) = read(*mode)
            && let Err(problem) = crate::owner::become_owner(&config.spool)
        {
            complain(&crate::call::chain(&problem));
            return NO_SPOOL;
        }
    }
    let all = || read_all(&modes, &read);
    let done = match verb {
        Verb::Check => all().and_then(|configs| check::check(&configs, line.json)),
        Verb::Status => all().and_then(|configs| status::status(&configs, line.json)),
        Verb::Metrics => all().and_then(|configs| status::metrics(&configs)),
        Verb::Drain {
            left_behind: true, ..
        } => deliver::deliver(&modes, &read, Until::Idle, line.json),
        Verb::Drain { wait, .. } => deliver::deliver(&modes, &read, Until::Drained(wait), line.json),
        Verb::Serve => deliver::deliver(&modes, &read, Until::Stopped, line.json),
    };
    done.unwrap_or_else(|problem| {
        let told = match &problem {
            VerbError::Problems(Problems(problems)) => problems.join("\n"),
            VerbError::Store(_) | VerbError::Spool(_) | VerbError::System(_) => crate::call::chain(&problem),
        };
        complain(&told);
        problem.code()
    })
}

/// Tells a person what is wrong.
pub fn complain(problem: &str) {
    let mut err = std::io::stderr().lock();
    for line in problem.lines() {
        let _ = writeln!(err, "eventilator: {line}");
    }
}

/// Tells a person a fact.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Reads one script's configuration, again and again where it may change.
type Reading<'a> = dyn Fn(Mode) -> Result<config::Read, Problems> + 'a;

fn read_all(modes: &[Mode], read: &Reading<'_>) -> Result<Vec<config::Read>, VerbError> {
    let mut all = Vec::new();
    let mut problems = Vec::new();
    for mode in modes {
        match read(*mode) {
            Ok(read) => all.push(read),
            Err(Problems(more)) => problems.extend(more),
        }
    }
    if problems.is_empty() {
        Ok(all)
    } else {
        Err(Problems(problems).into())
    }
}
