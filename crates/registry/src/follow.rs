//! Copies of znodes that keep themselves up to date. A watch only says *look again*: the value always comes from a read
//! that set the next watch, so no change is lost between the two, and a slow periodic read is there for what watches
//! may yet miss. While ZooKeeper is away the last value stays, marked stale.
//!
//! A watch that has not fired is dropped only after its successor is set, so that ZooKeeper never sees one removed while
//! the znode is still followed.

mod children;
mod node;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use zkpaths::ZkPath;

use crate::{Registry, Znode};

/// How often everything is read again, watches or not.
const REREAD: Duration = Duration::from_secs(30);

/// A value kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed<T> {
    /// What was read last; `None` if nothing ever was. Kept while stale.
    pub value: Option<T>,
    /// Whether it can be trusted.
    pub freshness: Freshness,
}

/// How far a followed value can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Not read yet.
    NeverRead,
    /// Watched: a change shows within milliseconds.
    Current,
    /// It may have changed since then.
    StaleSince(Instant),
}

impl Registry {
    /// Follows one znode; a value of `Some(None)` says that it does not exist. Ends when all receivers are dropped.
    pub fn follow(&self, path: ZkPath) -> watch::Receiver<Followed<Option<Znode>>> {
        let (copy, receiver) = Copy::new();
        self.link.spawn(node::follow(self.link.clone(), path, copy));
        receiver
    }

    /// Follows the names and the data of a znode's children; a missing parent has none. Ends when all receivers are
    /// dropped.
    pub fn follow_children(&self, path: ZkPath) -> watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>> {
        let (copy, receiver) = Copy::new();
        self.link.spawn(children::follow(self.link.clone(), path, copy));
        receiver
    }
}

/// The writing end. Marks the value stale when it is dropped, since nobody keeps it up then.
struct Copy<T>(watch::Sender<Followed<T>>);

impl<T: PartialEq> Copy<T> {
    fn new() -> (Self, watch::Receiver<Followed<T>>) {
        let (sender, receiver) = watch::channel(Followed {
            value: None,
            freshness: Freshness::NeverRead,
        });
        (Self(sender), receiver)
    }

    fn current(&self, value: T) {
        self.0.send_if_modified(|followed| {
            let now = Followed {
                value: Some(value),
                freshness: Freshness::Current,
            };
            let news = *followed != now;
            *followed = now;
            news
        });
    }
}

impl<T> Copy<T> {
    fn stale(&self) {
        self.0.send_if_modified(|followed| {
            let was_current = followed.freshness == Freshness::Current;
            if was_current {
                followed.freshness = Freshness::StaleSince(Instant::now());
            }
            was_current
        });
    }

    async fn unwanted(&self) {
        self.0.closed().await;
    }
}

impl<T> Drop for Copy<T> {
    fn drop(&mut self) {
        self.stale();
    }
}
