//! The directories a wrapper works in: the data set's, and a private one for generated files.
//!
//! Two redis-servers in one directory destroy each other's data. So the directory that Redis will write to is locked: a
//! file in it (flock), open in the wrapper, in its redis-server and in whatever that forks, since the lock lasts as long as
//! any of them. The fork of a killed Redis would rename its old dump over a new one. It is waited for, not killed: it ends
//! by itself, soon, as its next report finds no parent; and should it finish first, its dump may be the newest data there is.
//!
//! A template's own `dir` is honoured and locked like DATA_DIR. Overriding it would start an empty Redis beside its data.
//! There is no directory below it to move to: who names a directory means this one, and one that is in use is an error.
//! Where else a data set may be, [`home`](crate::home) decides.
//!
//! A second lock, in the private directory, is the wrapper's alone. It keeps out a second wrapper of the port, and tells those
//! of other ports whether the holder of the first one still has a wrapper.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::info;

use self::lock::{last_port, lock, own};
use crate::holders::holders;
use crate::home::{Home, Patience, Root, Seen, home};
use crate::template::Directory;

mod left;
mod lock;

/// Inherited by redis-server.
pub(crate) const DATA_LOCK: &str = ".redis-wrapper.lock";
/// The wrapper's alone.
const WRAPPER_LOCK: &str = ".wrapper-alive.lock";
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// DATA_DIR.
    pub data_dir: &'a Path,
    /// The directory that the template names instead.
    pub named: Option<&'a Directory>,
    /// Our port.
    pub port: u16,
}

/// Where data and generated files are. Dropping it lets others in, once the Redis that inherited the lock has ended.
#[derive(Debug)]
pub struct WorkDir {
    /// Directory of the data set.
    pub data: PathBuf,
    /// Private directory (mode 0700) of the generated configuration.
    pub private: PathBuf,
    /// What an operator should know about `data`.
    pub note: Option<String>,
    lock: Arc<File>,
    _alive: File,
}

/// A directory or file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkDirError {
    /// The system refused.
    #[error("cannot {verb} {path}; the directory must be writable for this user")]
    System {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// It is used by others.
    #[error(transparent)]
    InUse(InUse),
}

/// A directory that others use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{dir} is used by {by}; {remedy}")]
pub struct InUse {
    /// The directory.
    pub dir: String,
    /// By whom, as far as can be seen.
    pub by: String,
    /// What to do, should it last.
    pub remedy: &'static str,
}

fn system(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> WorkDirError {
    let path = path.to_owned();
    move |source| WorkDirError::System { verb, path, source }
}

/// One look at the locks.
enum Look {
    Taken(PathBuf, File, Option<String>),
    Busy(InUse),
}

impl WorkDir {
    /// Takes the template's directory, DATA_DIR, or a directory of this port below it. Waits for at most `patience` for
    /// those who are ending, and tells `waiting` once for whom.
    pub async fn take(
        wanted: &Wanted<'_>,
        patience: Duration,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, WorkDirError> {
        std::fs::create_dir_all(wanted.data_dir).map_err(system("create", wanted.data_dir))?;
        let root = wanted
            .data_dir
            .canonicalize()
            .map_err(system("find", wanted.data_dir))?;
        let private = own_directory(&root, wanted.port);
        let mut waiting = Some(waiting);
        let deadline = Instant::now() + patience;
        let mut alive = None;
        loop {
            let patience = if Instant::now() < deadline {
                Patience::Left
            } else {
                Patience::Over
            };
            let held = if let Some(held) = alive.take() {
                Ok(held)
            } else if let Some(locked) = own_lock(&private)? {
                locked
            } else {
                sleep(LOOK_AGAIN).await;
                continue;
            };
            let busy = match held {
                Err(file) => same_port(&private, &file),
                Ok(held) => match look(&root, &private, wanted, patience)? {
                    Look::Taken(data, lock, note) => {
                        let removed = left::clear_up(&root, &private, last_port(&root.join(DATA_LOCK)));
                        if removed > 0 {
                            let (path, directories) = (root.display(), removed);
                            info!(%path, directories, "cleared away what wrappers of other ports have left");
                        }
                        let lock = Arc::new(lock);
                        return Ok(Self {
                            data,
                            private,
                            note,
                            lock,
                            _alive: held,
                        });
                    }
                    Look::Busy(busy) => {
                        alive = Some(held);
                        busy
                    }
                },
            };
            if patience == Patience::Over {
                return Err(WorkDirError::InUse(busy));
            }
            if let Some(waiting) = waiting.take() {
                waiting(&busy.to_string());
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The lock of the data directory, for the child that is to hold it as well.
    pub fn lock(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }

    /// Writes a generated file, readable for us only, whole or not at all.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, WorkDirError> {
        let path = self.private.join(name);
        let unfinished = self.private.join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&unfinished).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(system("write", &unfinished))?;
        std::fs::rename(&unfinished, &path).map_err(system("write", &path))?;
        Ok(path)
    }
}

/// The wrapper's lock in its private directory. `None`: another wrapper was clearing that away.
fn own_lock(private: &Path) -> Result<Option<Result<File, File>>, WorkDirError> {
    let mut builder = DirBuilder::new();
    let made = builder.mode(0o700).recursive(true).create(private);
    made.map_err(system("create", private))?;
    let path = private.join(WRAPPER_LOCK);
    let held = match lock(&path) {
        Err(WorkDirError::System { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        held => held?,
    };
    let (Ok(file) | Err(file)) = &held;
    let there = match (file.metadata(), std::fs::metadata(&path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        (Ok(_) | Err(_), _) => false,
    };
    Ok(there.then_some(held))
}

fn own_directory(root: &Path, port: u16) -> PathBuf {
    root.join(own_name(port))
}

/// The name of the directory that is one port's.
pub(crate) fn own_name(port: u16) -> String {
    format!("redis-{port}")
}

fn same_port(private: &Path, file: &File) -> InUse {
    InUse {
        dir: private.display().to_string(),
        by: named(file, None),
        remedy: "give each redis-wrapper its own DATA_DIR, or another PORT0",
    }
}

fn look(root: &Path, private: &Path, wanted: &Wanted<'_>, patience: Patience) -> Result<Look, WorkDirError> {
    if let Some(named) = wanted.named.filter(|named| named.path != root) {
        let dir = format!("{}, which {} names,", named.path.display(), named.from);
        let remedy = "give each Redis its own, or leave `dir` out: DATA_DIR decides";
        return take(&named.path, wanted.port, dir, remedy);
    }
    let path = root.join(DATA_LOCK);
    let held = lock(&path)?;
    let last = last_port(&path);
    let seen = Seen {
        port: wanted.port,
        has_own: private.join(DATA_LOCK).exists(),
        shared: is_shared(root, wanted.port),
        root: match (&held, last) {
            (Ok(_), last) => Root::Free(last),
            (Err(_), Some(last)) if last != wanted.port && has_wrapper(root, last)? => Root::Lived(last),
            (Err(_), last) => Root::Leftover(last),
        },
        patience,
    };
    let in_use = |file: &File| InUse {
        dir: root.display().to_string(),
        by: named(file, last),
        remedy: "end what is left of it, or give each redis-wrapper its own DATA_DIR",
    };
    match (home(seen), held) {
        (Home::Root, Ok(held)) => {
            let note = last.filter(|last| *last != wanted.port);
            let note = note.map(|last| format!("it was the data set of port {last}, whose wrapper is gone"));
            own(&held, wanted.port).map_err(system("write", &path))?;
            Ok(Look::Taken(root.to_owned(), held, note))
        }
        (Home::Own, _) => {
            let dir = private.display().to_string();
            let remedy = "end what is left of it";
            let mut look = take(private, wanted.port, dir, remedy)?;
            if let Look::Taken(_, _, note) = &mut look {
                let other = last.map_or_else(|| "another".to_owned(), |port| port.to_string());
                *note = Some(format!(
                    "{} is shared with the redis-wrapper of port {other}; give each its own DATA_DIR",
                    root.display()
                ));
            }
            Ok(look)
        }
        (Home::Root, Err(file)) | (Home::Wait | Home::Refuse, Ok(file) | Err(file)) => {
            Ok(Look::Busy(in_use(&file)))
        }
    }
}

/// Takes this directory or none.
fn take(dir: &Path, port: u16, name: String, remedy: &'static str) -> Result<Look, WorkDirError> {
    let path = dir.join(DATA_LOCK);
    match lock(&path)? {
        Ok(held) => {
            own(&held, port).map_err(system("write", &path))?;
            Ok(Look::Taken(dir.to_owned(), held, None))
        }
        Err(file) => Ok(Look::Busy(InUse {
            dir: name,
            by: named(&file, last_port(&path)),
            remedy,
        })),
    }
}

fn named(file: &File, port: Option<u16>) -> String {
    let seen = holders(file);
    match port {
        _ if !seen.is_empty() => seen,
        Some(port) => {
            format!("the redis-wrapper of port {port}, or what is left of it, which is not visible from here")
        }
        None => "another redis-wrapper, which is not visible from here".to_owned(),
    }
}

/// Whether the wrapper of this port, which holds DATA_DIR, is alive. One that is being killed is not, but its Redis may be.
fn has_wrapper(root: &Path, port: u16) -> Result<bool, WorkDirError> {
    let path = own_directory(root, port).join(WRAPPER_LOCK);
    if !path.exists() {
        return Ok(false);
    }
    match lock(&path) {
        // It has been cleared away since.
        Err(WorkDirError::System { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(false),
        held => Ok(held?.is_err()),
    }
}

/// Whether a port other than ours has a home of its own below.
fn is_shared(root: &Path, port: u16) -> bool {
    let ours = own_directory(root, port);
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut others = entries.map(|entry| entry.path()).filter(|path| *path != ours);
    others.any(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let port = name.and_then(|name| name.strip_prefix("redis-"));
        port.is_some_and(|port| port.parse::<u16>().is_ok()) && path.join(DATA_LOCK).exists()
    })
}

#[cfg(test)]
mod tests;
