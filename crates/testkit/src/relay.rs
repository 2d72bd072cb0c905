//! The event relay as Sentinel finds it: under each of its names, in an environment of its own.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::program::built;
use crate::redis::directory;

/// A directory with the relay's program under all its names, its spool and its log. Dropping it ends the drainers that calls left behind.
#[derive(Debug)]
pub struct Relay {
    dir: TempDir,
    env: Vec<(String, String)>,
}

impl Relay {
    /// A relay without any receiver: its environment is the log's and the spool's place.
    pub fn new() -> Self {
        Self::of(&built("eventilator"))
    }

    /// The same with this program.
    pub fn of(program: &Path) -> Self {
        let dir = directory("relay");
        for name in [
            "eventilator",
            "reconfigurator",
            "registrator",
            "sentinel-scriptify",
        ] {
            symlink(program, dir.path().join(name)).expect("a link");
        }
        let at = |name: &str| dir.path().join(name).display().to_string();
        let env = vec![
            ("EVENTILATOR_SPOOL_DIRECTORY".to_owned(), at("spool")),
            ("EVENTILATOR_LOG_FILE".to_owned(), at("log")),
        ];
        Self { dir, env }
    }

    /// One variable for calls, and for whoever is asked by [`Self::environment`].
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The program under one of its names.
    pub fn script(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What its scripts must find in their environment.
    pub fn environment(&self) -> &[(String, String)] {
        &self.env
    }

    /// A call, not started yet.
    pub fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.script(name));
        self.furnish(&mut command);
        command.args(arguments);
        command
    }

    /// The same, run by another program, whose last arguments it is.
    pub fn command_under(&self, under: &[&str], name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(under[0]);
        self.furnish(&mut command);
        command.args(&under[1..]).arg(self.script(name)).args(arguments);
        command
    }

    fn furnish(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", crate::needs::path_variable())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
    }

    /// Calls it, and waits until the call ended.
    pub fn call(&self, name: &str, arguments: &[&str]) -> Output {
        self.command(name, arguments).output().expect("the relay runs")
    }

    /// What it wrote into its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Kills the drainers that calls left behind, wherever they are. How many there were.
    pub fn kill_drainers(&self) -> usize {
        let drainers = self.drainers();
        for pid in &drainers {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        drainers.len()
    }

    /// Known by their spool, which is in their environment.
    pub fn drainers(&self) -> Vec<Pid> {
        let spool = self.dir.path().join("spool");
        let spool = [b"EVENTILATOR_SPOOL_DIRECTORY=", spool.as_os_str().as_bytes()].concat();
        let processes = fs::read_dir("/proc").expect("processes");
        let pids = processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours = |pid: &i32| {
            let read = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            let left_behind = read("cmdline")
                .split(|byte| *byte == 0)
                .any(|word| word == b"--left-behind");
            left_behind && read("environ").split(|byte| *byte == 0).any(|line| line == spool)
        };
        pids.filter(ours).map(Pid::from_raw).collect()
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill_drainers();
    }
}
