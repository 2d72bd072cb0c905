//! One of our programs, run as an operator would run it: the file that Cargo built, an explicit environment, signals.
//!
//! Cargo builds another crate's program only when asked to, so a whole workspace must have been built first; a test that
//! finds no file says so.

use std::env;
use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::net::Host;
use crate::process::{Launch, Process};
use crate::redis::directory;

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    file: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    dir: Option<PathBuf>,
    host: Option<Host>,
}

/// So much of a program's log is shown when a test fails.
const LAST_LINES: usize = 80;

/// A program of ours that was started. Dropping it kills it with everything it started.
#[derive(Debug)]
pub struct Running {
    process: Process,
    own_dir: TempDir,
}

impl Program {
    /// The program that Cargo built under this name, in the profile of this test. Its environment is empty but for PATH.
    pub fn new(name: &str) -> Self {
        Self {
            file: built(name),
            name: name.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            host: None,
        }
    }

    /// One variable of its environment; the last of one name counts.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// One argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Runs on this host of a [`Net`](crate::Net).
    #[must_use]
    pub fn on(mut self, host: &Host) -> Self {
        self.host = Some(host.clone());
        self
    }

    /// Runs in this directory instead of a temporary one of its own.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Runs `wrapper` with the program as its last arguments: `unshare`, `setpriv`, `prlimit`, …
    #[must_use]
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        let (first, rest) = wrapper.split_first().expect("a command to run under");
        let file = crate::needs::find(first).unwrap_or_else(|| panic!("{first} is not on PATH"));
        let program = std::mem::replace(&mut self.file, file);
        let mut args: Vec<OsString> = rest.iter().map(Into::into).collect();
        args.push(program.into());
        args.append(&mut self.args);
        self.args = args;
        self
    }

    /// Starts it.
    pub fn start(self) -> Running {
        let own_dir = directory(&self.name);
        let launch = Launch {
            name: self.name,
            program: self.file,
            args: self.args,
            env: self.env,
            dir: self.dir.unwrap_or_else(|| own_dir.path().to_owned()),
            // Not in the working directory, which a test may want to find as it made it.
            log: own_dir.path().with_extension("log"),
        };
        let process = Process::spawn_on(launch, self.host);
        Running { process, own_dir }
    }
}

impl Running {
    /// The temporary directory it runs in, unless told another.
    pub fn own_dir(&self) -> &Path {
        self.own_dir.path()
    }

    /// The process it has started: its redis-server or redis-sentinel. `None` when it has none now.
    pub fn child_pid(&self) -> Option<u32> {
        self.process.children().first().copied()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Starts it again with the same arguments, environment and directory. Kills first what still runs.
    pub fn restart(&self) {
        self.process.respawn();
    }
}

impl Running {
    /// What a failed test needs most.
    fn say_what_it_said(&self) {
        // Of all its runs: what a test restarted tells of the run before.
        let log = std::fs::read(&self.process.launch().log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        let name = &self.process.launch().name;
        eprintln!("---- the end of the log of {name}, pid {}:", self.process.pid());
        eprintln!("{}", last.join("\n"));
    }
}

/// Logs, signals and waits: see [`Process`].
impl Deref for Running {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.say_what_it_said();
        }
        self.process.kill_tree();
        let _ = std::fs::remove_file(&self.process.launch().log);
    }
}

/// Tests lie in `target/<profile>/deps`, examples in `…/examples`, programs above them; or where `TESTKIT_PROGRAMS` says.
pub(crate) fn built(name: &str) -> PathBuf {
    if let Some(dir) = env::var_os("TESTKIT_PROGRAMS") {
        return PathBuf::from(dir).join(name);
    }
    let here = env::current_exe().expect("the path of this test");
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no program {name} beside {}; run `cargo build --workspace` first",
                here.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "run `cargo build --workspace` first")]
    fn a_program_that_was_not_built_says_how() {
        let _ = Program::new("no-such-program");
    }
}
