//! Keeps a ZooKeeper session and offers the tree as typed verbs: read, commit, follow, register, claim, lock.
//!
//! It is the only crate that names ZooKeeper's client, because that client has to be held right: it queues requests
//! while disconnected and sends them late, it declares a session expired by its own clock, it loses persistent watches
//! when it reconnects, and an expired client is dead for ever. So here a request is sent only while the session is up,
//! watches are one-shot, one task rebuilds the session for as long as the program lives, and whatever was registered
//! is put back. Losing ZooKeeper never panics and never ends a task.

mod backoff;
mod connect;
mod error;
mod follow;
mod lock;
mod ops;
mod registration;
mod session;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;
use zkpaths::Tree;

pub use connect::{Connect, TlsFiles};
pub use error::{CommitError, LockError, RegistryError};
pub use follow::{Followed, Freshness};
pub use lock::LockGuard;
pub use ops::{Expected, Version, Write, Znode};
pub use registration::{Claim, Registered, Registration};
pub use session::Session;

/// The tree in ZooKeeper, through one session. Clones share the session; it ends with [`Registry::close`], or when
/// the last clone, [`Registration`] and [`LockGuard`] is dropped.
#[derive(Clone)]
pub struct Registry {
    link: Arc<session::Link>,
    tree: Arc<Tree>,
    end: Arc<DropGuard>,
}

impl Registry {
    /// Starts to connect, in the background and for ever. Fails only if `connect` can never work. Needs to be called
    /// within a tokio runtime.
    pub fn start(connect: Connect, tree: Tree, tasks: &TaskTracker) -> Result<Self, RegistryError> {
        let made = Self::start_all(connect, vec![tree], tasks)?;
        made.into_iter().next().ok_or(RegistryError::Closed)
    }

    /// As [`Registry::start`], for several trees that share one session: one registry for each, in their order. A tree that cannot be
    /// prepared keeps all of them waiting.
    pub fn start_all(
        connect: Connect,
        trees: Vec<Tree>,
        tasks: &TaskTracker,
    ) -> Result<Vec<Self>, RegistryError> {
        let dial = connect::Dial::new(connect)?;
        let link = session::Link::start(dial, trees.clone(), tasks);
        let end = Arc::new(link.closing().clone().drop_guard());
        let of = |tree| Self {
            link: link.clone(),
            tree: Arc::new(tree),
            end: end.clone(),
        };
        Ok(trees.into_iter().map(of).collect())
    }

    /// The tree this registry works on.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The state of the session, now and from now on.
    pub fn session(&self) -> watch::Receiver<Session> {
        self.link.session()
    }

    /// Waits until the session is up and the tree's persistent znodes exist. Fails at the deadline with the reason,
    /// and at once when ZooKeeper answers but denies access.
    pub async fn connected(&self, deadline: Duration) -> Result<(), RegistryError> {
        self.link.connected(deadline).await
    }

    /// Ends everything at once: locks, claims and registrations are gone for others when this returns, if ZooKeeper
    /// can be reached. Takes two seconds at most. A second call does nothing.
    pub async fn close(&self) {
        self.link.close().await;
    }
}
