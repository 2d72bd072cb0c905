//! A `rude-parent` under observation: its lines, its children in /proc, its end.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
pub(crate) const PARENT: &str = env!("CARGO_BIN_EXE_rude-parent");

pub(crate) struct Parent {
    process: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
    /// Those of `heard` that nobody has waited for yet: two programs write, in no fixed order.
    unread: Vec<String>,
    ended: Option<ExitStatus>,
}

impl Parent {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_command(Command::new(PARENT).args(args))
    }

    /// As PID 1 of a process namespace of its own, which ends with it. Needs root.
    pub(crate) fn start_as_pid_1(args: &[&str]) -> Self {
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", PARENT])
            .args(args);
        Self::start_command(&mut unshare)
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            process,
            lines,
            heard: Vec::new(),
            unread: Vec::new(),
            ended: None,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    /// A line that holds `part` and was not read before.
    pub(crate) fn line(&mut self, part: &str) -> String {
        self.line_where(part, |line| line.contains(part))
    }

    /// The pid of the child, from the parent's first word.
    pub(crate) fn child(&mut self) -> i32 {
        let line = self.line_where("child PID", |line| line.starts_with("child "));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn line_where(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.unread.iter().position(|line| wanted(line)) {
                return self.unread.remove(found);
            }
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.heard.push(line.clone());
                    self.unread.push(line);
                }
                Err(ended_or_late) => {
                    panic!("{ended_or_late}: no line with `{what}`; heard: {:#?}", self.heard)
                }
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let ended = eventually("the parent to end", || self.process.try_wait().unwrap());
        self.ended = Some(ended);
        ended
    }

    pub(crate) fn code(&mut self) -> i32 {
        self.wait_exit().code().expect("ended by a signal")
    }

    /// Everything it said, once it and all who share its standard output have ended.
    pub(crate) fn everything(&mut self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.heard.push(line);
        }
        assert!(
            Instant::now() < deadline,
            "somebody still holds the standard output"
        );
        std::mem::take(&mut self.heard)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

pub(crate) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether that process is there and not a zombie.
pub(crate) fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != "Z")
}

/// The children of a process, with their states.
pub(crate) fn children_of(parent: i32) -> Vec<(i32, String)> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        stat(pid)
            .filter(|(of, _)| *of == parent)
            .map(|(_, state)| (pid, state))
    })
    .collect()
}

/// Parent and state of a process.
fn stat(pid: i32) -> Option<(i32, String)> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The name in the second field may hold anything, also brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}

/// Whether the test runs as root; says so loudly when it does not, since the test then shows nothing.
pub(crate) fn root_or_skip(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED, NOT SHOWN: {what} (needs root)");
    }
    root
}
