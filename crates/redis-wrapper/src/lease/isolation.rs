//! Whether this master is cut off from those who could replace it, although ZooKeeper answers.
//!
//! Sentinels need no ZooKeeper to promote somebody, and publish it there only when they can. So where as many of them as can elect are
//! neither heard nor known to be dead, and so is a member that they could promote, ZooKeeper's word is not enough: the lease is not
//! renewed, and ends before a Sentinel with a down-after of [`GRACE`] and a lease more can have promoted anybody.

use std::time::Duration;

use supervisor::BootTime;

use super::sentinels::Poll;

/// For how long they may be silent: one question that was not answered means nothing.
pub const GRACE: Duration = Duration::from_millis(500);

/// Who was asked, and neither answered nor refused the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Silent {
    /// Registered Sentinels.
    pub sentinels: usize,
    /// Other data nodes.
    pub members: usize,
}

/// What the last rounds came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Isolation {
    /// When the last round was asked that was no sign of it.
    heard: Option<BootTime>,
    /// How many Sentinels were silent in the last round, if it was one.
    silent: Option<usize>,
}

impl Isolation {
    /// Takes the answers of a round that was asked at `sent`.
    pub fn note(&mut self, sent: BootTime, poll: &Poll, silent: Silent) {
        let isolated = silent.sentinels >= poll.needed() && silent.members > 0;
        self.silent = isolated.then_some(silent.sentinels);
        if !isolated || self.heard.is_none() {
            self.heard = Some(sent);
        }
    }

    /// How many Sentinels are silent, for longer than they may be.
    pub fn since_long(&self, now: BootTime) -> Option<usize> {
        let heard = self.heard?;
        self.silent.filter(|_| now.since(heard) > GRACE)
    }

    /// Whether the last round was a sign of it.
    pub fn is_feared(&self) -> bool {
        self.silent.is_some()
    }
}
