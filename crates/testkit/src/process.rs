//! One process started by a test, and everything it started in turn.
//!
//! Each process leads a session of its own, so that all its descendants are found by that session's id however they were
//! orphaned, and Drop leaves none. Should the test itself be killed, the kernel kills the process (parent-death signal);
//! that signal is bound to the *thread* that started it, hence one starting thread that never ends. Output goes to a
//! file, whose end is shown when a wait fails.

mod session;
mod spawner;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::eventually;
use crate::needs::path_variable;
use crate::net::Host;

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct Launch {
    /// For messages.
    pub name: String,
    /// The executable file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment, besides PATH.
    pub env: Vec<(String, String)>,
    /// Its working directory.
    pub dir: PathBuf,
    /// The file that takes what it prints.
    pub log: PathBuf,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        status
            .code()
            .map_or_else(|| Exit::Signal(status.signal().unwrap_or(0)), Exit::Code)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A started process. Dropping it kills it with everything it started.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    host: Option<Host>,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pid: Pid,
    exit: Option<Exit>,
    /// Where in the log this run begins.
    log_start: u64,
}

impl Process {
    /// Starts it.
    pub fn spawn(launch: Launch) -> Self {
        Self::spawn_on(launch, None)
    }

    /// Starts it on a host of a [`Net`](crate::Net).
    pub fn spawn_on(launch: Launch, host: Option<Host>) -> Self {
        let running = Mutex::new(run(&launch, host.as_ref()));
        Self {
            launch,
            host,
            running,
        }
    }

    /// Starts it again with the same arguments in the same directory, after making sure that nothing of the last run is
    /// left.
    pub fn respawn(&self) {
        self.kill_tree();
        *self.lock() = run(&self.launch, self.host.as_ref());
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.lock().pid.as_raw().cast_unsigned()
    }

    /// What was started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Everything alive in its session, itself included; zombies are not alive.
    pub fn tree(&self) -> Vec<u32> {
        session::members(self.lock().pid)
            .into_iter()
            .map(|pid| pid.as_raw().cast_unsigned())
            .collect()
    }

    /// The living processes it has started itself, oldest first.
    pub fn children(&self) -> Vec<u32> {
        session::children(self.lock().pid)
            .into_iter()
            .map(|pid| pid.as_raw().cast_unsigned())
            .collect()
    }

    /// Sends a signal to the process alone. Nothing happens when it has ended.
    pub fn signal(&self, signal: Signal) {
        let mut running = self.lock();
        if running.poll().is_none() {
            // It may end in between; it is a zombie then, since only we wait for it, so nobody else gets the signal.
            let _ = kill(running.pid, signal);
        }
    }

    /// Halts it (SIGSTOP): alive, connected, silent.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        // The signal is sent, not obeyed, when kill(2) returns: other threads go on for a moment.
        let start = std::time::Instant::now();
        while !self.is_stopped() && start.elapsed() < std::time::Duration::from_secs(5) {
            std::thread::yield_now();
        }
    }

    /// Whether every thread stands still; a process that is gone does.
    fn is_stopped(&self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.pid())) else {
            return true;
        };
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the name, which stands in brackets and may hold anything.
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
        })
    }

    /// Lets it go on (SIGCONT).
    pub fn cont(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills the process alone (SIGKILL) and waits for its end. What it started is left to itself until Drop.
    pub fn kill(&self) {
        let mut running = self.lock();
        if running.poll().is_none() {
            let _ = running.child.kill();
            running.end();
        }
    }

    /// Kills it and everything in its session.
    pub fn kill_tree(&self) {
        self.kill();
        session::kill_all(self.lock().pid);
    }

    /// How it ended, if it has.
    pub fn exited(&self) -> Option<Exit> {
        self.lock().poll()
    }

    /// Waits for its end and fails the test at the deadline.
    pub async fn wait_exit(&self, deadline: Duration) -> Exit {
        eventually(&format!("{} to end", self.launch.name), deadline, async || {
            self.exited()
                .ok_or_else(|| format!("pid {} is alive; its log ends:\n{}", self.pid(), self.log_tail()))
        })
        .await
    }

    /// Everything this run has printed so far.
    pub fn log(&self) -> String {
        let start = self.lock().log_start;
        let bytes = fs::read(&self.launch.log).unwrap_or_default();
        let start = usize::try_from(start).unwrap_or(0).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// The last lines this run has printed.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Waits for a line that contains `text` and returns it; fails the test at the deadline, or when the process ends
    /// without it.
    pub async fn wait_log(&self, text: &str, deadline: Duration) -> String {
        let start = Instant::now();
        let what = format!("{} to log `{text}`", self.launch.name);
        eventually(&what, deadline, async || {
            // The end is asked for before the log is read: a line printed just before it must count.
            let exit = self.exited();
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return Ok(line.to_owned());
            }
            assert!(
                exit.is_none(),
                "{} ended after {:?} without `{text}`; its log ends:\n{}",
                self.describe(),
                start.elapsed(),
                self.log_tail()
            );
            Err(format!("a log that ends:\n{}", self.log_tail()))
        })
        .await
    }

    /// Fails the test when the process has ended, with what it said.
    pub(crate) fn assert_alive(&self) {
        assert!(
            self.exited().is_none(),
            "{} while it was waited for; its log ends:\n{}",
            self.describe(),
            self.log_tail()
        );
    }

    fn describe(&self) -> String {
        match self.exited() {
            Some(exit) => format!("{} ended ({exit})", self.launch.name),
            None => format!("{} is alive", self.launch.name),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_tree();
    }
}

impl Running {
    fn poll(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().ok().flatten().map(Exit::from);
        }
        self.exit
    }

    fn end(&mut self) {
        self.exit = self.child.wait().ok().map(Exit::from);
    }
}

fn run(launch: &Launch, host: Option<&Host>) -> Running {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&launch.log)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", launch.log.display()));
    let log_start = log.metadata().map_or(0, |metadata| metadata.len());
    let errors = log.try_clone().expect("a second handle of an open file");
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.args)
        .env_clear()
        .env("PATH", path_variable())
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&launch.dir)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    let child = spawner::spawn(command, host).unwrap_or_else(|error| {
        panic!(
            "cannot start {} ({}): {error}",
            launch.name,
            launch.program.display()
        )
    });
    let pid = Pid::from_raw(child.id().cast_signed());
    Running {
        child,
        pid,
        exit: None,
        log_start,
    }
}
