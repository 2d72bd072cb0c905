//! Reasons to look again. A hint says nothing else: what has happened is read from the servers themselves.
//!
//! Only one kind is in a hurry: another master was announced. Of all others there may be thousands, and they wait for a breath.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Wakes the loop. Any number of hints before a look are one look.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    woken: Notify,
    hurry: Notify,
    switched: Mutex<Option<Instant>>,
}

impl Hints {
    /// Something may have changed.
    pub(crate) fn look(&self) {
        self.woken.notify_one();
    }

    /// A Sentinel announced another master of our group.
    pub(crate) fn master_switched(&self) {
        self.switched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        self.hurry.notify_one();
        self.look();
    }

    /// Waits for an announcement of another master.
    pub(crate) async fn hurry(&self) {
        self.hurry.notified().await;
    }

    /// Waits for the next hint.
    pub(crate) async fn next(&self) {
        self.woken.notified().await;
    }

    /// When the first announcement that nobody has acted on was heard. Kept until [`Hints::settled`].
    pub(crate) fn switched_at(&self) -> Option<Instant> {
        *self.switched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was announced up to `seen` is recorded, by us or by somebody else.
    pub(crate) fn settled(&self, seen: Instant) {
        let mut switched = self.switched.lock().unwrap_or_else(PoisonError::into_inner);
        if switched.is_some_and(|at| at <= seen) {
            *switched = None;
        }
    }
}
