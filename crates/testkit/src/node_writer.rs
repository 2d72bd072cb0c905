//! Writes to one node all the time, whatever it says it is: as a client does that has not heard of any failover.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::RedisClient;

/// Each write has a connection of its own, and there are not so many ports.
const PACE: Duration = Duration::from_millis(2);
/// A node that is cut off answers nothing.
const PATIENCE: Duration = Duration::from_millis(300);

/// A client that is writing. Dropping it ends it.
#[derive(Debug)]
pub struct NodeWriter {
    stop: Arc<AtomicBool>,
    task: JoinSet<Vec<Tried>>,
}

/// One write that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// When it was sent.
    pub sent: Instant,
    /// When it was answered, or given up.
    pub ended: Instant,
    /// Whether it was acknowledged.
    pub accepted: bool,
}

impl NodeWriter {
    /// Begins to write.
    pub fn start(node: &RedisClient) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (client, asked) = (node.clone(), Arc::clone(&stop));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut tried = Vec::new();
            let mut pace = tokio::time::interval(PACE);
            while !asked.load(Ordering::Relaxed) {
                pace.tick().await;
                let value = tried.len().to_string();
                let sent = Instant::now();
                let words = ["SET", "testkit:tried", &value];
                let answer = tokio::time::timeout(PATIENCE, client.command(&words)).await;
                tried.push(Tried {
                    sent,
                    ended: Instant::now(),
                    accepted: answer.is_ok_and(|answer| answer.is_ok()),
                });
            }
            tried
        });
        Self { stop, task }
    }

    /// All that was tried.
    pub async fn stop(mut self) -> Vec<Tried> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.task.join_next().await.expect("one task");
        ended.expect("a writer that does not panic")
    }
}
