//! The private directory of one Sentinel, and the file in it.
//!
//! Sentinel rewrites its file by a temporary one beside it, so it needs the directory, not only the file. Both hold
//! passwords and are for their owner alone. What the last Sentinel here wrote is read once: it names the run id it
//! had and the epochs it knew, and a vote it gave must not be given again.
//!
//! A lock in it, held as long as the wrapper lives, tells others whether they may clear it away.

mod left;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use topology::conf_file::settings;
use topology::{Epoch, MasterName, RunId};
use tracing::{debug, info};

const FILE: &str = "sentinel.conf";
const UNFINISHED: &str = "sentinel.conf.new";
const LOCK: &str = ".wrapper-alive.lock";
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The directory.
#[derive(Debug)]
pub struct Private {
    dir: PathBuf,
    /// `None` where the file system has no locks: then nobody clears anything away there.
    _lock: Option<File>,
}

/// A directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// A file or directory that cannot be made.
    #[error("cannot write {path}; make DATA_DIR writable for this user", path = path.display())]
    System {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another wrapper of this port is alive.
    #[error("{dir} is used by another sentinel-wrapper; give each its own DATA_DIR, or another PORT0", dir = dir.display())]
    InUse {
        /// Its directory.
        dir: PathBuf,
    },
}

fn system(path: &Path) -> impl FnOnce(io::Error) -> PrivateError {
    let path = path.to_owned();
    move |source| PrivateError::System { path, source }
}

/// What the last Sentinel in this directory left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Previous {
    /// Its run id.
    pub id: Option<RunId>,
    /// The highest epoch in its file.
    pub epoch: Epoch,
}

impl Previous {
    /// Reads a file that Sentinel has written. Whatever it does not understand is not there.
    pub fn parse(text: &str) -> Self {
        let mut previous = Self::default();
        for setting in settings(text).iter().filter(|setting| setting.name == "sentinel") {
            let words: Vec<&str> = setting.values.iter().map(String::as_str).collect();
            match words[..] {
                ["myid", id] => previous.id = id.parse().ok(),
                ["current-epoch", epoch] | ["config-epoch" | "leader-epoch", _, epoch] => {
                    previous.epoch = previous.epoch.max(Epoch(epoch.parse().unwrap_or(0)));
                }
                _ => {}
            }
        }
        previous
    }
}

impl Private {
    /// Where it is for a Sentinel on this port.
    pub fn path(data_dir: &Path, port: u16) -> PathBuf {
        data_dir.join(format!("sentinel-{port}"))
    }

    /// Makes the directory, where it is not there, and closes it to others.
    pub fn make(data_dir: &Path, port: u16) -> Result<PathBuf, PrivateError> {
        let dir = Self::path(data_dir, port);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        let closed = made.and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)));
        closed.map_err(system(&dir))?;
        Ok(dir)
    }

    /// Takes the directory. A wrapper that is ending is waited for, for at most `patience`.
    pub async fn take(data_dir: &Path, port: u16, patience: Duration) -> Result<Self, PrivateError> {
        let deadline = Instant::now() + patience;
        loop {
            let dir = Self::make(data_dir, port)?;
            match lock(&dir.join(LOCK)).map_err(system(&dir))? {
                Lock::Held(file) => {
                    return Ok(Self {
                        dir,
                        _lock: Some(file),
                    });
                }
                Lock::Impossible(reason) => {
                    debug!(path = %dir.display(), %reason, "no locks here");
                    return Ok(Self { dir, _lock: None });
                }
                Lock::Busy if Instant::now() >= deadline => return Err(PrivateError::InUse { dir }),
                Lock::Busy => sleep(LOOK_AGAIN).await,
                // Somebody was clearing it away.
                Lock::Gone => {}
            }
        }
    }

    /// Clears away what Sentinels of this group on other ports have left beside it, and returns the highest epoch they knew.
    pub fn clear_up(&self, group: &MasterName) -> Epoch {
        let Some(data_dir) = self.dir.parent() else {
            return Epoch::default();
        };
        let left = left::clear_up(data_dir, &self.dir, group);
        if left.removed > 0 {
            let (path, directories) = (data_dir.display(), left.removed);
            info!(%path, directories, "cleared away what sentinels of other ports have left");
        }
        left.epoch
    }

    /// Its path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the last Sentinel here left.
    pub fn previous(&self) -> Previous {
        fs::read_to_string(self.dir.join(FILE))
            .map(|text| Previous::parse(&text))
            .unwrap_or_default()
    }

    /// Puts the file in place: whole or not at all, whatever happens in between.
    pub fn write(&self, text: &str) -> Result<PathBuf, PrivateError> {
        let path = self.dir.join(FILE);
        let new = self.dir.join(UNFINISHED);
        let write = || {
            if let Err(error) = fs::remove_file(&new)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(system(&path))?;
        Ok(path)
    }
}

/// What came of trying to lock a file.
enum Lock {
    Held(File),
    Busy,
    /// The file that was locked is not the one that is there now.
    Gone,
    Impossible(io::Error),
}

fn lock(path: &Path) -> io::Result<Lock> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Gone),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Lock::Busy),
        Err(TryLockError::Error(reason)) => return Ok(Lock::Impossible(reason)),
    }
    let held = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (held.dev(), held.ino()) => Ok(Lock::Held(file)),
        Ok(_) | Err(_) => Ok(Lock::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_for_its_owner_alone_and_replaced_whole() {
        let data = tempfile::TempDir::new().unwrap();
        let private = Private::take(data.path(), 7, Duration::ZERO).await.unwrap();
        std::fs::write(
            private.dir().join("sentinel.conf.new"),
            "half of an earlier attempt",
        )
        .unwrap();
        private.write("one").unwrap();
        let path = private.write("two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(private.dir())), (0o600, 0o700));
        let error = Private::take(&path, 8, Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("DATA_DIR"), "{error}");
    }

    #[tokio::test]
    async fn a_directory_has_one_owner_and_is_free_when_that_ends() {
        let data = tempfile::TempDir::new().unwrap();
        let first = Private::take(data.path(), 7, Duration::ZERO).await.unwrap();
        let second = Private::take(data.path(), 7, Duration::ZERO).await;
        assert!(matches!(second, Err(PrivateError::InUse { .. })), "{second:?}");
        // Whoever waits gets it, and whole, though it was cleared away meanwhile.
        let waiting = Private::take(data.path(), 7, Duration::from_secs(60));
        let ending = async {
            fs::remove_dir_all(first.dir()).unwrap();
            drop(first);
        };
        let (taken, ()) = tokio::join!(waiting, ending);
        taken.unwrap().write("one").unwrap();
    }

    #[test]
    fn what_the_last_sentinel_knew_is_read_from_its_file() {
        let id = "ab".repeat(20);
        let text = format!(
            "port 1\nsentinel myid {id}\nsentinel config-epoch master1 4\nsentinel leader-epoch other 9\n\
             sentinel current-epoch 7\nsentinel known-sentinel master1 1.1.1.1 1 {id}\n"
        );
        assert_eq!(
            Previous::parse(&text),
            Previous {
                id: Some(id.parse().unwrap()),
                epoch: Epoch(9)
            }
        );
        assert_eq!(
            Previous::parse("garbage \"\nsentinel myid x\nsentinel current-epoch -1"),
            Previous::default()
        );
    }
}
