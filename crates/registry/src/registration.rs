//! Ephemerals that stay: put back after each new session, for as long as their handle lives.
//!
//! Everything is done by one task per registration, also the first creation, so that a caller who stops waiting, or a
//! connection that ends before the answer, leaves nothing behind: the task knows what may have been created and removes
//! it.

mod keep;
mod put;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::DropGuard;
use zkpaths::ZkPath;

use crate::session::CLOSE_DEADLINE;
use crate::{Registry, RegistryError};

/// How long a claim may take.
const CLAIM_DEADLINE: Duration = Duration::from_secs(5);

/// Whether a registration is in ZooKeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// Not there yet, or not again yet: the session it was made in is over or out of reach for too long.
    Pending,
    /// There, with our data or, for a moment, an earlier version of it.
    Present,
    /// Another session has a znode of that name. A registration tries again; a claim is over.
    Taken,
}

/// An ephemeral that is kept in ZooKeeper until this is dropped.
#[must_use = "dropping it removes the znode"]
#[derive(Debug)]
pub struct Registration {
    path: ZkPath,
    wanted: watch::Sender<Vec<u8>>,
    status: watch::Receiver<Registered>,
    _end: Arc<DropGuard>,
}

/// The answer to a claim.
#[must_use = "dropping it gives the claim up"]
#[derive(Debug)]
pub enum Claim {
    /// It is ours while this lives and its status says so.
    Held(Registration),
    /// Someone else has it.
    Taken,
}

impl Registration {
    /// Its znode.
    pub fn path(&self) -> &ZkPath {
        &self.path
    }

    /// Replaces the data. The last one wins; what comes in between may never be written.
    pub fn update(&self, data: Vec<u8>) {
        self.wanted.send_if_modified(|wanted| {
            let news = *wanted != data;
            *wanted = data;
            news
        });
    }

    /// Whether it is there. The channel closes when the registration has ended.
    pub fn status(&self) -> watch::Receiver<Registered> {
        self.status.clone()
    }

    /// Deletes it now, and waits for that, two seconds at most. Without a session it is deleted when there is one.
    pub async fn leave(self) {
        let Self {
            wanted, mut status, ..
        } = self;
        drop(wanted);
        let ended = async { while status.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(CLOSE_DEADLINE, ended).await;
    }
}

impl Registry {
    /// Keeps an ephemeral in ZooKeeper: there as soon as possible, and again after each new session. Its parents are
    /// made if missing.
    pub fn register(&self, path: ZkPath, data: Vec<u8>) -> Registration {
        self.keep(path, data, keep::Rule::Always)
    }

    /// Takes an ephemeral that nobody else has. After a new session it is taken again if it is still free; otherwise
    /// its status is [`Registered::Taken`] for good.
    pub async fn claim(&self, path: ZkPath, data: Vec<u8>) -> Result<Claim, RegistryError> {
        self.link.up()?;
        let registration = self.keep(path, data, keep::Rule::IfFree);
        let mut status = registration.status();
        let decided = status.wait_for(|status| *status != Registered::Pending);
        let outcome = match tokio::time::timeout(CLAIM_DEADLINE, decided).await {
            Ok(Ok(status)) => *status,
            Ok(Err(_)) => return Err(RegistryError::Closed),
            Err(_) => Registered::Pending,
        };
        match outcome {
            Registered::Present => Ok(Claim::Held(registration)),
            Registered::Taken => Ok(Claim::Taken),
            Registered::Pending => {
                self.link.up()?;
                Err(RegistryError::NoAnswer {
                    path: registration.path.to_string(),
                })
            }
        }
    }

    fn keep(&self, path: ZkPath, data: Vec<u8>, rule: keep::Rule) -> Registration {
        let (wanted, desired) = watch::channel(data);
        let (published, status) = watch::channel(Registered::Pending);
        let keeper = keep::Keeper::new(self.link.clone(), path.clone(), rule, desired, published);
        self.link.spawn(keeper.run());
        Registration {
            path,
            wanted,
            status,
            _end: self.end.clone(),
        }
    }
}
