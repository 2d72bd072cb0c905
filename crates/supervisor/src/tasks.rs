//! The owner of the program's tasks: every task has a name, an owner and an end.
//!
//! A panic in a task becomes an ordered stop of the whole program. Neither alternative will do: a program that goes on
//! without its registration or its watchdog looks alive, and one that aborts takes its Redis with it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a program. Clones own the same tasks.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failure: Arc<OnceLock<Failure>>,
}

/// The panic that stopped the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the task.
    pub task: &'static str,
    /// What it said.
    pub message: String,
}

/// How a shutdown ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ending {
    /// Every task ended.
    Complete,
    /// The deadline came first; this many tasks end with the runtime.
    Unfinished(usize),
}

impl Tasks {
    /// An owner of no tasks. `stop` asks them all to end.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop,
            failure: Arc::default(),
        }
    }

    /// Cancelled when the program is to end; tasks that wait look at it.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// For libraries that start tasks of their own.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Starts a task. Its panic is logged and stops the program in order.
    pub fn spawn(&self, task: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let (stop, failure) = (self.stop.clone(), Arc::clone(&self.failure));
        // Nothing that the task touched is used again except through its own locks.
        let work = AssertUnwindSafe(work).catch_unwind();
        self.tracker.spawn(async move {
            if let Err(panic) = work.await {
                let message = panic_message(panic.as_ref());
                tracing::error!(task, reason = message, "a task panicked; stopping the program");
                // The first failure is the cause, later ones its consequences.
                let _ = failure.set(Failure { task, message });
                stop.cancel();
            }
        });
    }

    /// The panic that stopped the program, if one did: it then ends with [`crate::Exit::Internal`].
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.get()
    }

    /// Asks all tasks to end and waits for them, at most `deadline`.
    pub async fn shutdown(&self, deadline: Duration) -> Ending {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok() {
            return Ending::Complete;
        }
        let left = self.tracker.len();
        tracing::warn!(tasks = left, "tasks did not end in time");
        Ending::Unfinished(left)
    }
}

/// What a panic said, as far as it said anything in words.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_stops_the_others_in_order_and_is_remembered() {
        let tasks = Tasks::new(CancellationToken::new());
        let (done, mut seen) = tokio::sync::mpsc::channel(1);
        let stop = tasks.stop().clone();
        tasks.spawn("steady", async move {
            stop.cancelled().await;
            done.send("ended in order").await.unwrap();
        });
        tasks.spawn("broken", async { panic!("the {} failed", "test") });
        let ended = tokio::time::timeout(Duration::from_secs(5), seen.recv()).await;
        assert_eq!(ended.unwrap(), Some("ended in order"));
        assert_eq!(tasks.shutdown(Duration::from_secs(5)).await, Ending::Complete);
        let failure = tasks.failure().unwrap();
        assert_eq!(
            (failure.task, failure.message.as_str()),
            ("broken", "the test failed")
        );
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_does_not_hold_up_the_shutdown() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("endless", std::future::pending());
        tasks.spawn("ends", async {});
        assert_eq!(
            tasks.shutdown(Duration::from_millis(200)).await,
            Ending::Unfinished(1)
        );
        assert!(tasks.failure().is_none());
    }
}
