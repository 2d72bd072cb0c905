//! How every program of the suite begins and ends.
//!
//! Each `main` is a call of [`main`]: settings are read whole, every problem is reported at once with exit code 64, then come
//! logging, privileges, the runtime and the signal handlers, in the one order in which they work. What runs
//! is the program's own; what it returns is the exit code. Also here: the settings as parameters of the edges.

mod account;
mod edges;
mod errors;
mod farewell;
mod listen;

use std::ffi::OsString;
use std::process::ExitCode;

use settings::{LogSettings, Parsed, Problems, RunAs};
use supervisor::{Children, Exit, Notifier, OwnPath, Stop, drop_privileges, logging, start_process};
use tracing::{error, info, warn};

pub use account::{can_become, can_read, can_run, child_reads};
pub use edges::{dialing, zookeeper};
pub use errors::{chain, refuse};
pub use farewell::Farewell;
pub use listen::{AdminPort, PortTaken, listens_on, port_is_free};

/// What `main` must know of a program's settings before the program runs.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// How to log.
    pub log: &'a LogSettings,
    /// Whom to become when started as root.
    pub run_as: Option<&'a RunAs>,
    /// What that user must own.
    pub own_paths: Vec<OwnPath>,
}

/// What the process brings to the program.
pub struct Process {
    /// Starts children and reaps orphans.
    pub children: Children,
    /// SIGTERM and its kin.
    pub stop: Stop,
    /// systemd, where it is.
    pub notifier: Notifier,
}

type Failure = (Box<dyn std::error::Error>, Exit);

/// Runs a program: `read` is its settings' reader, `begins` what of them is needed here, `run` the rest.
pub fn main<C, R, B, F, Fut>(name: &str, read: R, begins: B, run: F) -> ExitCode
where
    R: FnOnce(Vec<OsString>, fn(&str) -> Option<OsString>) -> Result<Parsed<C>, Problems>,
    B: FnOnce(&C) -> Beginning<'_>,
    F: FnOnce(C, Process) -> Fut,
    Fut: Future<Output = Exit>,
{
    let (config, notes) = match read(std::env::args_os().collect(), |name| std::env::var_os(name)) {
        Ok(Parsed::Run(config, notes)) => (config, notes),
        Ok(Parsed::Show(text)) => return show(&text),
        Err(problems) => return complain(name, &problems, Exit::Configuration),
    };
    let beginning = begins(&config);
    let format = match beginning.log.format {
        settings::LogFormat::Text => logging::LogFormat::Text,
        settings::LogFormat::Json => logging::LogFormat::Json,
    };
    if let Err(problem) = logging::init(format, &beginning.log.filter) {
        return complain(name, &problem, Exit::Configuration);
    }
    let (version, settings) = (env!("CARGO_PKG_VERSION"), &notes.effective);
    info!(name, version, %settings, "starting");
    for reason in notes.warnings.into_iter().chain(typing_errors(name)) {
        warn!(%reason, "check the settings");
    }
    let begun = become_user(&beginning).and_then(|()| start_process().map_err(|e| failed(e, Exit::Internal)));
    let exit = begun.and_then(|()| in_runtime(config, run));
    match exit {
        Ok(exit) => exit.into(),
        Err((problem, exit)) => {
            error!(reason = %chain(&*problem), code = exit.code(), "cannot start");
            exit.into()
        }
    }
}

/// Variables of the environment that look like settings and are none.
fn typing_errors(name: &str) -> Vec<String> {
    let is_set = |(name, value): (OsString, OsString)| (!value.is_empty()).then_some(name);
    let names = std::env::vars_os().filter_map(is_set);
    let names = names.filter_map(|name| name.into_string().ok());
    match settings::Program::ALL
        .iter()
        .find(|program| program.name() == name)
    {
        Some(program) => settings::typos(*program, names),
        None => Vec::new(),
    }
}

fn become_user(beginning: &Beginning<'_>) -> Result<(), Failure> {
    let Some(run_as) = beginning.run_as else {
        return Ok(());
    };
    let run_as: supervisor::RunAs = run_as
        .to_string()
        .parse()
        .map_err(|e| failed(e, Exit::Configuration))?;
    drop_privileges(&run_as, &beginning.own_paths).map_err(|e| failed(e, Exit::Configuration))
}

fn in_runtime<C, Fut>(config: C, run: impl FnOnce(C, Process) -> Fut) -> Result<Exit, Failure>
where
    Fut: Future<Output = Exit>,
{
    // ZooKeeper's heartbeats need a worker that nothing of ours keeps busy.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| failed(e, Exit::Internal))?;
    let exit = runtime.block_on(async {
        let stop = Stop::on_signals().map_err(|e| failed(e, Exit::Internal))?;
        let children = Children::start().map_err(|e| failed(e, Exit::Internal))?;
        let of = |name: &str| std::env::var_os(name);
        let text = |name: &str| of(name).and_then(|value| value.into_string().ok());
        let (usec, pid) = (text("WATCHDOG_USEC"), text("WATCHDOG_PID"));
        let notifier = Notifier::new(of("NOTIFY_SOCKET").as_deref(), usec.as_deref(), pid.as_deref())
            .map_err(|e| failed(e, Exit::Configuration))?;
        Ok(run(
            config,
            Process {
                children,
                stop,
                notifier,
            },
        )
        .await)
    });
    // A name lookup that hangs holds a thread for half a minute, and nobody wants its answer any more.
    runtime.shutdown_background();
    exit
}

fn failed(problem: impl std::error::Error + 'static, exit: Exit) -> Failure {
    (Box::new(problem), exit)
}

#[expect(
    clippy::print_stdout,
    reason = "--help and --version are asked for on a terminal"
)]
fn show(text: &str) -> ExitCode {
    println!("{}", text.trim_end());
    Exit::Clean.into()
}

/// Before logging is there: every problem, on standard error.
#[expect(clippy::print_stderr, reason = "logging is not set up yet")]
fn complain(name: &str, problem: &dyn std::error::Error, exit: Exit) -> ExitCode {
    eprintln!("{name}: {}", chain(problem));
    exit.into()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_lookup_that_hangs_does_not_hold_up_the_end() {
        let begun = Instant::now();
        let (_held, never) = std::sync::mpsc::channel::<()>();
        let exit = in_runtime((), |(), _process| async move {
            let (started, running) = tokio::sync::oneshot::channel();
            let _lookup = tokio::task::spawn_blocking(move || {
                let _ = started.send(());
                let _ = never.recv_timeout(Duration::from_secs(60));
            });
            let _ = running.await;
            Exit::Clean
        });
        assert!(matches!(exit, Ok(Exit::Clean)));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
