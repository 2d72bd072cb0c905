//! `sentinel-scriptify`: puts the scripts into a running Sentinel, or says what to put into its configuration.
//!
//! Sentinels of today refuse scripts at runtime (`deny-scripts-reconfig yes` is the default), so the lines for the file are as much the
//! answer as the setting is. Nothing is changed unless all scripts can be run; what Sentinel took is read back. It is about one
//! Sentinel: each of a group has scripts of its own.
//!
//! To undo it, where Sentinel lets scripts be set: `SENTINEL SET <group> notification-script ""`, and `client-reconfig-script ""`. Else stop
//! the Sentinel, take the lines `sentinel notification-script` and `sentinel client-reconfig-script` out of its file, and start it again.

use std::io::Write;
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use instance::{Credentials, DialSettings, Dialer, InstanceError};
use topology::Addr;

use crate::config::{self, Problems};
use crate::mode::Mode;

mod attach;
mod report;

use attach::Row;
use report::Report;

const OK: u8 = 0;
/// Not all is set.
const NOT_SET: u8 = 1;
/// The command line or the environment cannot be used.
const UNUSABLE: u8 = 64;
/// For opening the connection, and for each answer. A Sentinel answers within milliseconds, or hangs.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Parser)]
#[command(
    name = "sentinel-scriptify",
    version,
    about = "Has a Sentinel call eventilator and reconfigurator for each group that it watches, or prints the lines for its sentinel.conf",
    after_help = "Each Sentinel of a group has scripts of its own: run it for each.\n\n\
        Examples:\n  sentinel-scriptify --both                            both scripts, from /usr/sbin, the Sentinel at 127.0.0.1:26379\n  \
        sentinel-scriptify -e -c /usr/local/bin --dry-run    what would be set?\n\n\
        Environment:\n  EVENTILATOR_SENTINEL_PASSWORD, or EVENTILATOR_SENTINEL_PASSWORD_FILE, and EVENTILATOR_SENTINEL_USER: who we are to the Sentinel\n\n\
        Exit codes:\n  0   set, and read back\n  1   refused, failed, or a script that cannot be run; the lines for sentinel.conf are printed\n  \
        64  the command line or the environment cannot be used\n\n\
        To undo: SENTINEL SET <group> notification-script \"\" (and client-reconfig-script \"\"), or take the lines out of sentinel.conf \
        while the Sentinel is stopped."
)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Line {
    /// Where the Sentinel is
    #[arg(
        short = 's',
        long = "sentineladdress",
        value_name = "HOST",
        default_value = "127.0.0.1"
    )]
    address: String,
    /// Its port
    #[arg(
        short = 'p',
        long = "sentinelport",
        value_name = "PORT",
        default_value_t = 26379
    )]
    port: u16,
    /// Says each step
    #[arg(long)]
    verbose: bool,
    /// Both scripts
    #[arg(short, long)]
    both: bool,
    /// The notification script: eventilator in DIR
    #[arg(short, long)]
    eventilator: bool,
    /// The client-reconfig script: reconfigurator in DIR
    #[arg(short, long)]
    reconfigurator: bool,
    /// Where the scripts are, on the Sentinel's host
    #[arg(short, long = "commandpath", value_name = "DIR", default_value = "/usr/sbin")]
    command_path: PathBuf,
    /// Prints JSON
    #[arg(long)]
    json: bool,
    /// Changes nothing, and says what would be set
    #[arg(long)]
    dry_run: bool,
}

/// A script that Sentinel shall call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Script {
    /// Which of Sentinel's two it is.
    mode: Mode,
    /// Where it is.
    path: String,
}

impl Script {
    /// Sentinel's word for it, in `SENTINEL SET` and in its file.
    fn option(&self) -> &'static str {
        match self.mode {
            Mode::Eventilator => "notification-script",
            Mode::Reconfigurator => "client-reconfig-script",
        }
    }

    /// sentinel-wrapper's.
    fn variable(&self) -> &'static str {
        match self.mode {
            Mode::Eventilator => "NOTIFICATION_SCRIPT",
            Mode::Reconfigurator => "CLIENT_RECONFIG_SCRIPT",
        }
    }
}

/// Why nothing was set.
#[derive(Debug, thiserror::Error)]
enum ScriptifyError {
    /// A script is not there, or cannot be run. Nothing is changed.
    #[error(
        "{path} {why}, so nothing is set; install it (a link to eventilator will do), or name its directory with --commandpath"
    )]
    Script {
        /// Which.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The Sentinel did not answer.
    #[error("the Sentinel cannot be asked")]
    Away(#[source] InstanceError),
    /// It watches nothing.
    #[error("the Sentinel at {0} watches no group, so there is nothing to set a script for")]
    NoGroup(Addr),
}

/// Runs it. Returns the exit code.
pub fn run(arguments: Vec<String>, env: &dyn Fn(&str) -> Option<String>) -> u8 {
    let words = std::iter::once("sentinel-scriptify".to_owned()).chain(arguments);
    let line = match Line::try_parse_from(words) {
        Ok(line) => line,
        Err(said) => {
            let wrong = said.use_stderr();
            let _ = said.print();
            return if wrong { UNUSABLE } else { OK };
        }
    };
    let (addr, scripts, dialer) = match understood(&line, env) {
        Ok(asked) => asked,
        Err(Problems(problems)) => {
            for problem in problems {
                complain(&problem);
            }
            return UNUSABLE;
        }
    };
    let rows = attach(&line, &addr, &scripts, &dialer);
    let report = Report::new(&addr, &scripts, rows);
    if line.json {
        say(&report.json());
    } else {
        report.tell(line.verbose);
    }
    if report.is_done() { OK } else { NOT_SET }
}

/// What was asked for: of whom, and which scripts.
fn understood(
    line: &Line,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Addr, Vec<Script>, Dialer), Problems> {
    let mut problems = Vec::new();
    let addr = Addr::new(&line.address, line.port)
        .map_err(|error| problems.push(format!("--sentineladdress: {error}")));
    let asked = [
        (line.eventilator, Mode::Eventilator),
        (line.reconfigurator, Mode::Reconfigurator),
    ];
    let mut scripts = Vec::new();
    for (_, mode) in asked.into_iter().filter(|(asked, _)| *asked || line.both) {
        match script_path(&line.command_path, mode) {
            Ok(path) => scripts.push(Script { mode, path }),
            Err(problem) => problems.push(problem),
        }
    }
    if scripts.is_empty() && problems.is_empty() {
        problems.push(
            "no script is asked for; give --eventilator (-e), --reconfigurator (-r), or --both (-b)"
                .to_owned(),
        );
    }
    problems.dedup();
    let login = config::sentinel_login(env).map_err(|Problems(more)| problems.extend(more));
    let (Ok(addr), Ok((user, password)), true) = (addr, login, problems.is_empty()) else {
        return Err(Problems(problems));
    };
    let dialer = Dialer::new(DialSettings {
        redis: Credentials::default(),
        sentinel: Credentials {
            user,
            password: password.map(|password| password.reveal().to_owned()),
        },
        tls: None,
        connect_deadline: PATIENCE,
        response_deadline: PATIENCE,
        keep_alive: None,
    });
    match dialer {
        Ok(dialer) => Ok((addr, scripts, dialer)),
        Err(error) => Err(Problems(vec![error.to_string()])),
    }
}

/// Sentinel writes the path into its file as it is, and would not start again from a line that it reads as two words.
fn script_path(directory: &Path, mode: Mode) -> Result<String, String> {
    let shown = directory.display();
    if !directory.is_absolute() {
        return Err(format!(
            "--commandpath: `{shown}` is not a whole path; write for example /usr/local/bin"
        ));
    }
    let path = directory.join(mode.name());
    let odd = |sign: char| sign.is_whitespace() || sign.is_control() || matches!(sign, '"' | '\'' | '\\');
    match path.to_str() {
        Some(path) if !path.contains(odd) => Ok(path.to_owned()),
        Some(_) | None => Err(format!(
            "--commandpath: `{shown}` holds blanks or quotes, with which Sentinel would write a file that it cannot read; use another directory, or a link"
        )),
    }
}

fn attach(line: &Line, addr: &Addr, scripts: &[Script], dialer: &Dialer) -> Result<Vec<Row>, ScriptifyError> {
    if is_here(addr) {
        for script in scripts {
            can_run(&script.path)?;
        }
    }
    let away = |problem: std::io::Error| {
        ScriptifyError::Away(InstanceError::Unreachable {
            addr: addr.clone(),
            command: "the connection",
            silence: instance::Silence::Network(problem.to_string()),
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(away)?;
    let rows = runtime.block_on(attach::attach(dialer, addr, scripts, line.dry_run));
    runtime.shutdown_background();
    rows
}

/// Whether the Sentinel sees the files that we see. Of a name this is not known: no name service is asked, which may hang.
fn is_here(addr: &Addr) -> bool {
    let ours = |ip: IpAddr| UdpSocket::bind((ip, 0)).is_ok();
    addr.host() == "localhost" || addr.host().parse().is_ok_and(ours)
}

fn can_run(path: &str) -> Result<(), ScriptifyError> {
    let why = match std::fs::metadata(path) {
        Err(error) => format!("cannot be found ({error})"),
        Ok(found) if !found.is_file() => "is no file".to_owned(),
        Ok(_) => match supervisor::may_run(Path::new(path)) {
            Ok(()) => return Ok(()),
            Err(error) => format!("cannot be run ({error})"),
        },
    };
    let path = path.to_owned();
    Err(ScriptifyError::Script { path, why })
}

fn complain(problem: &str) {
    let _ = writeln!(std::io::stderr().lock(), "sentinel-scriptify: {problem}");
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
