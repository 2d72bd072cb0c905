//! The single owner of waiting for processes.
//!
//! Whoever waits for *any* process (as PID 1 or a subreaper must, or orphans stay zombies) takes statuses away from
//! everybody else who waits, so there is one reaper and it hands out what it finds by pid. tokio's and std's own waiting
//! must not be used beside it.
//!
//! Children are started by one thread that never ends: the kernel's parent-death signal fires when the *thread* that
//! forked ends, and a runtime's blocking threads do.

use std::collections::HashMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use nix::libc;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::child::{Child, ChildCommand, ChildExit, Forks, Output, SpawnError};
use crate::sys;

/// The parent's conversation with systemd; a child that joined in (`supervised auto`) would speak for its parent.
const NEVER_INHERITED: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Starts children and reaps whatever ends. One per process.
#[derive(Clone)]
pub struct Children {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) table: Arc<Table>,
    spawner: std::sync::mpsc::Sender<Request>,
    // Owns the reaper: it ends with the last `Children` and `Child`.
    _reaper: JoinSet<()>,
}

struct Request {
    command: ChildCommand,
    answer: oneshot::Sender<Result<Started, SpawnError>>,
}

/// A child on its way to whoever asked for it. Who asked may have given up meanwhile: a child that nobody has would run on unseen.
struct Started {
    pid: Pid,
    exit: watch::Receiver<Option<ChildExit>>,
    table: Weak<Table>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(table) = self.table.upgrade() {
            table.kill(self.pid);
        }
    }
}

impl Children {
    /// Starts the reaper and the spawner thread. Call it in the runtime, once per process.
    pub fn start() -> io::Result<Self> {
        let table = Arc::new(Table::default());
        let spawner = start_spawner(Arc::clone(&table))?;
        let mut ended = signal(SignalKind::child())?;
        let mut reaper = JoinSet::new();
        let to_reap = Arc::clone(&table);
        reaper.spawn(async move {
            // Once without being told: children may have been inherited by exec, or orphaned before.
            to_reap.reap_all();
            while ended.recv().await.is_some() {
                to_reap.reap_all();
            }
        });
        Ok(Self {
            inner: Arc::new(Inner {
                table,
                spawner,
                _reaper: reaper,
            }),
        })
    }

    /// Starts a child.
    pub async fn spawn(&self, command: ChildCommand) -> Result<Child, SpawnError> {
        let program = command.program.clone();
        let news = matches!(command.output, Output::Inherited);
        let gone = || SpawnError::Failed {
            program,
            source: io::Error::other("the spawner thread has ended"),
        };
        let (answer, started) = oneshot::channel();
        if self.inner.spawner.send(Request { command, answer }).is_err() {
            return Err(gone());
        }
        let mut started = started.await.map_err(|_| gone())??;
        started.table = Weak::new();
        let (pid, exit) = (started.pid, started.exit.clone());
        if news {
            tracing::info!(pid = pid.as_raw(), "child started");
        }
        Ok(Child {
            pid,
            exit,
            owner: Arc::clone(&self.inner),
        })
    }
}

fn start_spawner(table: Arc<Table>) -> io::Result<std::sync::mpsc::Sender<Request>> {
    let (requests, queue) = std::sync::mpsc::channel::<Request>();
    // The thread keeps a sender, so that it outlives every `Children`: its end would end the children.
    let for_ever = requests.clone();
    std::thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            let _for_ever = for_ever;
            while let Ok(Request { command, answer }) = queue.recv() {
                let started = table.spawn(&command).map(|(pid, exit)| Started {
                    pid,
                    exit,
                    table: Arc::downgrade(&table),
                });
                let _ = answer.send(started);
            }
        })?;
    Ok(requests)
}

/// The children that run, by pid. Its lock is held while one is started (a child that ends at once is known by then),
/// while one is signalled and while one is reaped (a pid never means another process).
#[derive(Default)]
pub(crate) struct Table {
    running: Mutex<HashMap<Pid, Running>>,
}

struct Running {
    exit: watch::Sender<Option<ChildExit>>,
    terminated: bool,
    /// Whether its end is news.
    news: bool,
    forks: Forks,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, wanted: &ChildCommand) -> Result<(Pid, watch::Receiver<Option<ChildExit>>), SpawnError> {
        let mut command = Command::new(&wanted.program);
        command
            .args(&wanted.args)
            .current_dir(&wanted.dir)
            .stdin(Stdio::null());
        if let Output::File(file) = &wanted.output {
            let copy = || file.try_clone().map_err(|source| spawn_error(wanted, source));
            command.stdout(copy()?).stderr(copy()?);
        }
        for name in NEVER_INHERITED {
            command.env_remove(name);
        }
        for name in &wanted.env_remove {
            command.env_remove(name);
        }
        command.envs(wanted.env.iter().map(|(name, value)| (name, value)));
        sys::prepare(&mut command, wanted.on_parent_death, &wanted.inherits);

        let mut running = self.lock();
        // std's handle is dropped: it neither kills nor waits, and the reaper is the one that does.
        let child = command.spawn().map_err(|source| spawn_error(wanted, source))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let (exit, seen) = watch::channel(None);
        running.insert(
            pid,
            Running {
                exit,
                terminated: false,
                news: matches!(wanted.output, Output::Inherited),
                forks: wanted.forks,
            },
        );
        Ok((pid, seen))
    }

    pub(crate) fn terminate(&self, pid: Pid) {
        if let Some(child) = self.lock().get_mut(&pid)
            && !child.terminated
        {
            child.terminated = true;
            log_refused(pid, kill(pid, Signal::SIGTERM));
        }
    }

    pub(crate) fn kill(&self, pid: Pid) {
        if self.lock().contains_key(&pid) {
            log_refused(pid, killpg(pid, Signal::SIGKILL));
        }
    }

    fn reap_all(&self) {
        let mut running = self.lock();
        while let Some((pid, exit)) = sys::peek_ended() {
            let ours = running.remove(&pid);
            if ours.as_ref().is_some_and(|child| child.forks == Forks::EndWithIt) {
                // Its forks end with it. Before the reaping: until then nobody else can have this group's number.
                let _ = killpg(pid, Signal::SIGKILL);
            }
            sys::reap(pid);
            if let Some(child) = ours {
                if child.news {
                    tracing::info!(pid = pid.as_raw(), reason = %exit, "child ended");
                }
                child.exit.send_replace(Some(exit));
            } else {
                tracing::debug!(pid = pid.as_raw(), "orphan reaped");
            }
        }
    }
}

fn log_refused(pid: Pid, sent: nix::Result<()>) {
    if let Err(refused) = sent {
        tracing::error!(pid = pid.as_raw(), reason = %refused, "the child could not be signalled");
    }
}

fn spawn_error(wanted: &ChildCommand, source: io::Error) -> SpawnError {
    let program = wanted.program.clone();
    // The kernel's answer does not say which of the two was missing or closed.
    let enters = std::fs::metadata(wanted.dir.join(".")).is_ok_and(|dir| dir.is_dir());
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES) if !enters => SpawnError::Directory {
            program,
            dir: wanted.dir.clone(),
        },
        Some(libc::ENOENT) => SpawnError::NotFound { program },
        Some(libc::EACCES) => SpawnError::NotExecutable { program },
        _ => SpawnError::Failed { program, source },
    }
}
