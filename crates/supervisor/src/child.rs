//! One child: how it is started, how it is asked to end, how it ended.
//!
//! A child is a process group of its own, so that ^C in a terminal reaches only its wrapper, and so that what it forked
//! ends with it: a fork of a killed Redis that still writes its dump would rename it over the next one's data.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::watch;

use crate::children::Inner;
use crate::lifecycle::{Action, Event, Grace, State};

/// How to start a child. It gets null as standard input, and the environment of its parent, less
/// `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID` (the parent's conversation with systemd) and `env_remove`.
#[derive(Debug, Clone)]
pub struct ChildCommand {
    /// Path of the program, or its name on `PATH`.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Variables that the child must not see: the secrets.
    pub env_remove: Vec<OsString>,
    /// Variables that it gets besides.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory.
    pub dir: PathBuf,
    /// What happens to it when its parent dies.
    pub on_parent_death: DeathSignal,
    /// Open files that it gets too, under the same numbers. A lock (flock) on one of them then lasts until the last process
    /// that descends from the child has ended, whoever is killed first.
    pub inherits: Vec<Arc<File>>,
    /// Where its words go.
    pub output: Output,
    /// What becomes of the processes it started when it ends.
    pub forks: Forks,
}

/// What becomes of the processes that a child started and left in its group, when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forks {
    /// They are killed: a fork must not write where the next child reads.
    EndWithIt,
    /// They go on: a command may have started what is to stay, such as a proxy. [`Child::kill`] still ends them together with it.
    GoOn,
}

/// Where a child's standard output and error go.
#[derive(Debug, Clone)]
pub enum Output {
    /// Where its parent's go.
    Inherited,
    /// Into this file. Such a child is asked something, and is no news in the log.
    File(Arc<File>),
}

/// What the kernel sends a child whose parent has died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeathSignal {
    /// SIGKILL: for a child that must not act unwatched (a Redis that accepts writes nobody tracks).
    Kill,
    /// SIGTERM: for a child that may end in its own way.
    Terminate,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildExit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl ChildExit {
    /// The code a shell would show: the child's own, or 128 + the signal.
    pub fn code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code & 0xff,
            Self::Signal(signal) => 128 + (signal & 0x7f),
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

impl fmt::Display for ChildExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// No such program.
    #[error("the program `{program}` was not found; install it or give its full path")]
    NotFound {
        /// As it was asked for.
        program: PathBuf,
    },
    /// It is there but may not be run.
    #[error("the program `{program}` may not be run; check its mode and the mount's noexec")]
    NotExecutable {
        /// As it was asked for.
        program: PathBuf,
    },
    /// The working directory is missing or closed.
    #[error("the directory `{dir}` for `{program}` cannot be entered; create it or check its owner and mode")]
    Directory {
        /// As it was asked for.
        program: PathBuf,
        /// The directory.
        dir: PathBuf,
    },
    /// Anything else the operating system said.
    #[error("the program `{program}` could not be started")]
    Failed {
        /// As it was asked for.
        program: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A child that was started. Clones speak of the same child; dropping them does not end it.
#[derive(Clone)]
pub struct Child {
    pub(crate) pid: Pid,
    pub(crate) exit: watch::Receiver<Option<ChildExit>>,
    pub(crate) owner: Arc<Inner>,
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("pid", &self.pid.as_raw())
            .field("exit", &self.status())
            .finish_non_exhaustive()
    }
}

impl Child {
    /// Its process id, which is also its process group.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ChildExit> {
        *self.exit.borrow()
    }

    /// Waits for its end. May be called often, by many, and given up at any time.
    pub async fn exited(&self) -> ChildExit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            // Our own `owner` keeps the reaper alive; only the end of the runtime, which ends this future too, stops it.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Asks it to end (SIGTERM), once: further calls change nothing, since some programs take a repeated request as an
    /// order to drop everything.
    pub fn terminate(&self) {
        self.owner.table.terminate(self.pid);
    }

    /// Ends it and everything in its process group (SIGKILL).
    pub fn kill(&self) {
        self.owner.table.kill(self.pid);
    }

    /// Asks it to end, waits `grace`, then kills. Returns how it ended.
    pub async fn stop(&self, grace: Duration) -> ChildExit {
        self.stop_gently(Grace::without_gentle(grace), std::future::ready(()))
            .await
    }

    /// As [`Child::stop`], but `gentle` runs first, for at most `grace.gentle` of the whole: the child is told to end only
    /// when it is done or out of time. (A master is first relieved of its role.)
    pub async fn stop_gently(&self, grace: Grace, gentle: impl Future<Output = ()>) -> ChildExit {
        let mut gentle = std::pin::pin!(gentle);
        let mut wake = Instant::now();
        let mut step = State::Running.step(Event::StopAsked, Instant::now(), grace);
        loop {
            for action in &step.actions {
                match *action {
                    Action::BeGentle => {}
                    Action::Terminate => {
                        tracing::info!(pid = self.pid(), "asking the child to end");
                        self.terminate();
                    }
                    Action::WakeAt(at) => wake = at,
                    Action::Kill => {
                        tracing::warn!(pid = self.pid(), "the child did not end in time; killing it");
                        self.kill();
                    }
                }
            }
            if let State::Ended(exit) = step.state {
                return exit;
            }
            let timed = matches!(step.state, State::Yielding { .. } | State::Stopping { .. });
            let event = tokio::select! {
                biased;
                exit = self.exited() => Event::ChildExited(exit),
                () = &mut gentle, if matches!(step.state, State::Yielding { .. }) => Event::GentleEnded,
                () = tokio::time::sleep_until(wake.into()), if timed => Event::DeadlineReached,
            };
            step = step.state.step(event, Instant::now(), grace);
        }
    }
}
