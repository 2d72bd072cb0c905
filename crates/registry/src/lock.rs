//! Locks: the usual recipe, under the names that Apache Curator gives. Whoever has the lowest sequence number holds the
//! lock; everybody else watches the one before.
//!
//! The library has this recipe too, but its clean-up gives up when a connection ends silently, and then the session
//! blocks the lock for as long as it lives. Here one task per lock owns the znode from its creation to its confirmed
//! deletion; the caller may stop waiting at any moment.

mod contend;
mod line;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::DropGuard;
use zkpaths::{Lock, ZkPath};

use crate::session::CLOSE_DEADLINE;
use crate::{LockError, Registry, RegistryError};

/// A lock that is held until this is dropped.
#[must_use = "dropping it releases the lock"]
#[derive(Debug)]
pub struct LockGuard {
    path: ZkPath,
    lost: watch::Receiver<bool>,
    wanted: oneshot::Sender<()>,
    _end: Arc<DropGuard>,
}

impl LockGuard {
    /// The znode by which the lock is held. A transaction with a [`crate::Write::Check`] of it, of any version, is
    /// committed only while the lock is ours: the one safe way to write under a lock.
    pub fn path(&self) -> &ZkPath {
        &self.path
    }

    /// True, and never false again, once the lock is or may be another's: its znode vanished, the session is a new
    /// one, or ZooKeeper has been out of reach for so long that it may soon give the lock away. The channel closes when
    /// the lock is released.
    pub fn lost(&self) -> watch::Receiver<bool> {
        self.lost.clone()
    }

    /// Releases it, and waits until others can see that, two seconds at most.
    pub async fn release(self) {
        let Self { wanted, mut lost, .. } = self;
        drop(wanted);
        let released = async { while lost.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(CLOSE_DEADLINE, released).await;
    }
}

impl Registry {
    /// Takes a lock, waiting in line until the deadline. `who` is for people who look into ZooKeeper. Dropping the
    /// future leaves the line.
    pub async fn lock(&self, lock: Lock, who: &str, deadline: Duration) -> Result<LockGuard, LockError> {
        self.link.up().map_err(LockError::Unavailable)?;
        let dir = self.tree().lock(lock);
        let (wanted, dropped) = oneshot::channel();
        let (held, answer) = oneshot::channel();
        let contender = contend::Contender::new(self.link.clone(), dir.clone(), who);
        self.link.spawn(contender.run(held, dropped));
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(Ok(contend::Held { path, lost }))) => Ok(LockGuard {
                path,
                lost,
                wanted,
                _end: self.end.clone(),
            }),
            Ok(Ok(Err(error))) => Err(LockError::Unavailable(error)),
            Ok(Err(_)) => Err(LockError::Unavailable(RegistryError::Closed)),
            Err(_) => match self.link.up() {
                Ok(_) => Err(LockError::Deadline {
                    holder: self.holder(&dir, who).await,
                    path: dir,
                    waited: deadline,
                }),
                Err(error) => Err(LockError::Unavailable(error)),
            },
        }
    }

    /// What the first in line, other than `who`, has written down for people.
    async fn holder(&self, dir: &ZkPath, who: &str) -> Option<String> {
        let line = self.children(dir).await.ok()?;
        let names: Vec<String> = line.keys().cloned().collect();
        let first = String::from_utf8_lossy(line.get(line::first(&names)?)?).into_owned();
        Some(first.chars().take(100).collect()).filter(|first| first != who)
    }
}
