//! A client that writes all the time, as an application would: it asks the Sentinels where the master is, writes there, and
//! asks again when a write fails.
//!
//! It remembers which writes were acknowledged, and when, so that a test can tell afterwards how long writes were away and
//! which acknowledged ones were lost. It has a thread of its own, so that nothing the test does delays it.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use topology::Addr;

use crate::wire::{command, connect, text};
use crate::{RedisClient, SentinelClient, eventually};

/// The set that holds the number of every write.
const KEY: &str = "testkit:writes";
/// No single question may take longer, so that a silent master is left.
const STEP_DEADLINE: Duration = Duration::from_millis(300);
/// In milliseconds, within the deadline.
const WAIT_MS: &str = "250";
const AFTER_FAILURE: Duration = Duration::from_millis(5);

/// One acknowledged write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Counted from 0 over all attempts.
    pub number: u64,
    /// When it was sent.
    pub sent: Instant,
    /// When it was acknowledged.
    pub acknowledged: Instant,
    /// Who acknowledged it.
    pub master: Addr,
}

/// A time without acknowledged writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last acknowledgement before.
    pub from: Instant,
    /// The first acknowledgement after.
    pub to: Instant,
}

/// How it connects and where it finds the master.
#[derive(Debug, Clone)]
struct Route {
    sentinels: Vec<SentinelClient>,
    master_name: String,
    password: Option<String>,
    pace: Duration,
    replicas: usize,
}

/// What a writer is before it writes.
#[derive(Debug, Clone)]
pub struct WriterBuilder(Route);

/// A client that is writing. Dropping it ends it.
#[derive(Debug)]
pub struct Writer {
    written: Arc<Mutex<Vec<Write>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// All that a writer has written.
#[derive(Debug, Clone)]
pub struct Written(Vec<Write>);

impl WriterBuilder {
    /// The password of the Redis nodes.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.0.password = Some(password.to_owned());
        self
    }

    /// How long to wait after each acknowledged write; 1 ms by default.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.0.pace = pace;
        self
    }

    /// Counts a write as acknowledged only when so many replicas have it (`WAIT`).
    #[must_use]
    pub fn confirmed_by(mut self, replicas: usize) -> Self {
        self.0.replicas = replicas;
        self
    }

    /// Starts to write.
    pub fn start(self) -> Writer {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (end, ended) = channel();
        let record = Arc::clone(&written);
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime for the writer");
                runtime.block_on(async {
                    tokio::select! {
                        () = write_for_ever(&self.0, &record) => {}
                        _ = stopped => {}
                    }
                });
                // Nobody may be waiting.
                let _ = end.send(());
            })
            .expect("a thread for the writer");
        Writer {
            written,
            stop: Some(stop),
            ended,
            thread: Some(thread),
        }
    }
}

impl Writer {
    /// A writer that asks these Sentinels for the master of this name.
    pub fn through(sentinels: impl IntoIterator<Item = SentinelClient>, master_name: &str) -> WriterBuilder {
        WriterBuilder(Route {
            sentinels: sentinels.into_iter().collect(),
            master_name: master_name.to_owned(),
            password: None,
            pace: Duration::from_millis(1),
            replicas: 0,
        })
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        locked(&self.written).len()
    }

    /// Who acknowledged the last write.
    pub fn master(&self) -> Option<Addr> {
        locked(&self.written).last().map(|write| write.master.clone())
    }

    /// Waits for an acknowledged write that was sent from now on.
    pub async fn wait_write(&self, deadline: Duration) -> Write {
        let now = Instant::now();
        eventually("an acknowledged write", deadline, async || {
            locked(&self.written)
                .last()
                .filter(|write| write.sent >= now)
                .cloned()
        })
        .await
    }

    /// Ends it. What it sent last may be written without being acknowledged.
    pub fn stop(mut self) -> Written {
        self.end();
        Written(std::mem::take(&mut *locked(&self.written)))
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = self.ended.recv_timeout(Duration::from_secs(10));
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Written {
    /// Every acknowledged write, in order.
    pub fn writes(&self) -> &[Write] {
        &self.0
    }

    /// The longest time between two acknowledgements that follow each other.
    pub fn longest_gap(&self) -> Option<Gap> {
        self.0
            .windows(2)
            .map(|pair| Gap {
                from: pair[0].acknowledged,
                to: pair[1].acknowledged,
            })
            .max_by_key(Gap::length)
    }

    /// From `moment` to the first acknowledgement by another master than the last before it.
    pub fn away_after(&self, moment: Instant) -> Option<Duration> {
        let before = self.0.iter().rfind(|write| write.acknowledged <= moment)?;
        self.0
            .iter()
            .find(|write| write.acknowledged > moment && write.master != before.master)
            .map(|write| write.acknowledged - moment)
    }

    /// The acknowledged writes that this Redis does not have.
    pub async fn lost(&self, redis: &RedisClient) -> Vec<Write> {
        let reply = redis
            .command(&["SMEMBERS", KEY])
            .await
            .unwrap_or_else(|error| panic!("SMEMBERS {KEY} at {}: {error}", redis.addr()));
        let present: BTreeSet<u64> = redis::from_redis_value(reply).expect("a set of numbers");
        self.0
            .iter()
            .filter(|write| !present.contains(&write.number))
            .cloned()
            .collect()
    }
}

impl Gap {
    /// How long it was.
    pub fn length(&self) -> Duration {
        self.to - self.from
    }
}

async fn write_for_ever(route: &Route, record: &Mutex<Vec<Write>>) {
    let mut number = 0;
    loop {
        if let Some((master, mut connection)) = route.master().await {
            // Until a write fails: then the master may be another one.
            while let Some(write) = write_one(route, &mut connection, &master, number).await {
                locked(record).push(write);
                number += 1;
                tokio::time::sleep(route.pace).await;
            }
            number += 1;
        }
        tokio::time::sleep(AFTER_FAILURE).await;
    }
}

async fn write_one(
    route: &Route,
    connection: &mut MultiplexedConnection,
    master: &Addr,
    number: u64,
) -> Option<Write> {
    let sent = Instant::now();
    let write = command(&["SADD", KEY, &number.to_string()]);
    tokio::time::timeout(STEP_DEADLINE, write.query_async::<u64>(connection))
        .await
        .ok()?
        .ok()?;
    if route.replicas > 0 {
        let wait = command(&["WAIT", &route.replicas.to_string(), WAIT_MS]);
        let have = tokio::time::timeout(STEP_DEADLINE, wait.query_async::<usize>(connection))
            .await
            .ok()?
            .ok()?;
        if have < route.replicas {
            return None;
        }
    }
    Some(Write {
        number,
        sent,
        acknowledged: Instant::now(),
        master: master.clone(),
    })
}

impl Route {
    /// The first Sentinel that names a master we can connect to wins.
    async fn master(&self) -> Option<(Addr, MultiplexedConnection)> {
        for sentinel in &self.sentinels {
            let Ok(Some(master)) =
                tokio::time::timeout(STEP_DEADLINE, sentinel.master(&self.master_name)).await
            else {
                continue;
            };
            let password = self.password.as_deref();
            let Ok(Ok(mut connection)) =
                tokio::time::timeout(STEP_DEADLINE, connect(&master, password)).await
            else {
                continue;
            };
            let role = command(&["ROLE"]);
            if let Ok(Ok(reply)) =
                tokio::time::timeout(STEP_DEADLINE, role.query_async(&mut connection)).await
                && text(&reply).starts_with("master")
            {
                return Some((master, connection));
            }
        }
        None
    }
}

fn locked(writes: &Mutex<Vec<Write>>) -> std::sync::MutexGuard<'_, Vec<Write>> {
    writes.lock().unwrap_or_else(PoisonError::into_inner)
}
