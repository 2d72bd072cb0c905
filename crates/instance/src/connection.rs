//! One connection to one server: commands go in, typed answers or an [`InstanceError`] come out.
//!
//! Commands of one connection are answered in order, so a blocked one holds up the next; who must not wait (probe,
//! events) has a connection of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, Value};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use topology::Addr;

use crate::InstanceError;

/// A live connection. Clones share it; the last one closes it.
#[derive(Clone)]
pub(crate) struct Connection {
    addr: Addr,
    wire: MultiplexedConnection,
    shared: Arc<Shared>,
}

struct Shared {
    /// The one task that reads and writes the socket, and ends when that closes.
    driver: AbortHandle,
    /// Its owner: dropping the set ends it.
    _tasks: JoinSet<()>,
    /// A call got no answer: what else comes over this connection is of no use.
    broken: AtomicBool,
    /// Loses its sender when the socket closes.
    open: watch::Receiver<()>,
}

impl Connection {
    pub(crate) fn new(
        addr: Addr,
        wire: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let (opened, open) = watch::channel(());
        let driver = async move {
            driver.await;
            drop(opened);
        };
        let shared = Arc::new(Shared {
            driver: tasks.spawn(driver),
            _tasks: tasks,
            broken: AtomicBool::new(false),
            open,
        });
        Self { addr, wire, shared }
    }

    pub(crate) fn addr(&self) -> &Addr {
        &self.addr
    }

    /// The same connection with another deadline for each answer.
    pub(crate) fn within(&self, deadline: Duration) -> Self {
        let mut other = self.clone();
        other.wire.set_response_timeout(deadline);
        other
    }

    /// Whether it can still be used, as far as is known without asking.
    pub(crate) fn is_alive(&self) -> bool {
        !self.shared.broken.load(Ordering::Relaxed) && !self.shared.driver.is_finished()
    }

    /// Waits until the socket is closed, by whichever side. Nothing is sent: an idle connection tells at once when the process at
    /// its other end dies, and never when its host does.
    pub(crate) async fn closed(&self) {
        let mut open = self.shared.open.clone();
        while open.changed().await.is_ok() {}
    }

    /// Sends one command. `name` is what errors call it.
    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        name: &'static str,
        command: &Cmd,
    ) -> Result<T, InstanceError> {
        let answer = command.query_async(&mut self.wire.clone()).await;
        answer.map_err(|error| self.fail(name, &error))
    }

    /// Sends several commands in one write and gives each answer by itself; `names` name them in errors.
    pub(crate) async fn call_all<const N: usize>(
        &self,
        names: [&'static str; N],
        commands: &Pipeline,
    ) -> Result<[Result<Value, InstanceError>; N], InstanceError> {
        let mut wire = self.wire.clone();
        let sent = wire.send_packed_commands(commands, 0, N).await;
        let answers = sent.map_err(|error| self.fail(names[0], &error))?;
        let answers: [Value; N] = answers.try_into().map_err(|given: Vec<Value>| {
            InstanceError::protocol(
                &self.addr,
                names[0],
                format!("{} answers instead of {N}", given.len()),
            )
        })?;
        let mut names = names.into_iter();
        Ok(answers.map(|answer| {
            let name = names.next().unwrap_or("pipeline");
            answer.extract_error().map_err(|error| self.fail(name, &error))
        }))
    }

    /// Subscribes to every channel; the messages go where the connection's push sender says.
    pub(crate) async fn subscribe_all(&self) -> Result<(), InstanceError> {
        let subscribed = self.wire.clone().psubscribe("*").await;
        subscribed.map_err(|error| self.fail("PSUBSCRIBE", &error))
    }

    /// Reads an answer that arrived whole.
    pub(crate) fn read<T: FromRedisValue>(
        &self,
        name: &'static str,
        answer: Value,
    ) -> Result<T, InstanceError> {
        redis::from_redis_value(answer).map_err(|e| InstanceError::protocol(&self.addr, name, e.to_string()))
    }

    fn fail(&self, name: &'static str, error: &RedisError) -> InstanceError {
        let error = InstanceError::from_redis(&self.addr, name, error);
        if error.broke_the_connection() {
            self.shared.broken.store(true, Ordering::Relaxed);
        }
        error
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.addr)
    }
}
