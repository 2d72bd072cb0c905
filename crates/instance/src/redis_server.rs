//! The commands a wrapper, the watcher and the failover procedure send to a Redis.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Value, cmd};
use topology::{Addr, Role};

use crate::connection::Connection;
use crate::{InstanceError, Silence, Snapshot};

/// One connection to one Redis. Clones share it.
#[derive(Debug, Clone)]
pub struct Redis {
    connection: Connection,
}

/// What Redis does with its data, and with replicas that lag, before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownMode {
    /// Saves if save points are configured, and waits for lagging replicas (7.0: up to `shutdown-timeout`).
    AsConfigured,
    /// Saves whatever is configured.
    Save,
    /// Does not save.
    NoSave,
    /// As configured, without waiting for replicas. Redis 7.0 or newer.
    Now,
}

impl ShutdownMode {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::AsConfigured => &[],
            Self::Save => &["SAVE"],
            Self::NoSave => &["NOSAVE"],
            Self::Now => &["NOW"],
        }
    }
}

impl Redis {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The address it was dialled at.
    pub fn addr(&self) -> &Addr {
        self.connection.addr()
    }

    /// The same connection with another deadline for each answer.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self::new(self.connection.within(deadline))
    }

    /// Whether the connection can still be used, as far as is known without asking.
    pub fn is_alive(&self) -> bool {
        self.connection.is_alive()
    }

    /// Whether it serves: fails while it loads or a script runs.
    pub async fn ping(&self) -> Result<(), InstanceError> {
        self.connection.call("PING", &cmd("PING")).await
    }

    /// What it says it is.
    pub async fn role(&self) -> Result<Role, InstanceError> {
        let answer: Vec<Value> = self.connection.call("ROLE", &cmd("ROLE")).await?;
        let mut words = answer.into_iter();
        let mut word = |what: &str| {
            words
                .next()
                .and_then(|value| redis::from_redis_value::<String>(value).ok())
                .ok_or_else(|| self.unreadable("ROLE", what))
        };
        match word("role")?.as_str() {
            "master" => Ok(Role::Master),
            "slave" => {
                let (host, port) = (word("master host")?, word("master port")?);
                let port = port.parse().map_err(|_| self.unreadable("ROLE", "master port"))?;
                let of = Addr::new(&host, port).map_err(|_| self.unreadable("ROLE", "master host"))?;
                Ok(Role::Replica { of })
            }
            other => Err(InstanceError::protocol(
                self.addr(),
                "ROLE",
                format!("the role {other}"),
            )),
        }
    }

    /// Role, lineage, offset and process, all of one moment.
    pub async fn snapshot(&self) -> Result<Snapshot, InstanceError> {
        let info: String = self.connection.call("INFO", &cmd("INFO")).await?;
        Snapshot::parse(self.addr(), &info)
    }

    /// Makes it a replica of `master`. Its own data set is replaced by the master's.
    pub async fn follow_master(&self, master: &Addr) -> Result<(), InstanceError> {
        let mut command = cmd("REPLICAOF");
        command.arg(master.host()).arg(master.port());
        self.connection.call("REPLICAOF", &command).await
    }

    /// Fences it ([`Role::FENCE`]): it takes no writes, and keeps its data set and its lineage.
    pub async fn follow_nobody(&self) -> Result<(), InstanceError> {
        let (host, port) = Role::FENCE;
        let mut command = cmd("REPLICAOF");
        command.arg(host).arg(port);
        self.connection.call("REPLICAOF", &command).await
    }

    /// Makes it a master.
    pub async fn promote(&self) -> Result<(), InstanceError> {
        let mut command = cmd("REPLICAOF");
        command.arg("NO").arg("ONE");
        self.connection.call("REPLICAOF NO ONE", &command).await
    }

    /// Holds back every write (clients that try wait) until [`Redis::unpause`], or for `period`. Reads, and our own role
    /// commands, go on; keys do not expire meanwhile. When the period runs out the held writes are executed. Since Redis 6.2.
    pub async fn pause_writes(&self, period: Duration) -> Result<(), InstanceError> {
        let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        let mut command = cmd("CLIENT");
        command.arg("PAUSE").arg(millis).arg("WRITE");
        self.connection.call("CLIENT PAUSE", &command).await
    }

    /// Lets the held writes go on.
    pub async fn unpause(&self) -> Result<(), InstanceError> {
        let mut command = cmd("CLIENT");
        command.arg("UNPAUSE");
        self.connection.call("CLIENT UNPAUSE", &command).await
    }

    /// Ends a script that has written nothing yet; others cannot be ended.
    pub async fn kill_script(&self) -> Result<(), InstanceError> {
        let mut command = cmd("SCRIPT");
        command.arg("KILL");
        self.connection.call("SCRIPT KILL", &command).await
    }

    /// Waits until this connection is closed, by whichever side; sends nothing.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// The value of one setting; `None` when this server has no such setting.
    pub async fn config_get(&self, setting: &str) -> Result<Option<String>, InstanceError> {
        let mut command = cmd("CONFIG");
        command.arg("GET").arg(setting);
        let mut found: HashMap<String, String> = self.connection.call("CONFIG GET", &command).await?;
        Ok(found.remove(setting))
    }

    /// Changes one setting until the next restart.
    pub async fn config_set(&self, setting: &str, value: &str) -> Result<(), InstanceError> {
        let mut command = cmd("CONFIG");
        command.arg("SET").arg(setting).arg(value);
        self.connection.call("CONFIG SET", &command).await
    }

    /// Runs a script: with its effects, all or nothing that other clients could see. Its answer is a text, a number or nil.
    pub async fn run_script(
        &self,
        script: &str,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Option<String>, InstanceError> {
        let mut command = cmd("EVAL");
        command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
        self.connection.call("EVAL", &command).await
    }

    /// Disconnects every client but this connection, replicas and the master excepted, so that they look up the
    /// master again. Returns how many.
    pub async fn kill_clients(&self) -> Result<u64, InstanceError> {
        let mut killed = 0;
        for kind in ["normal", "pubsub"] {
            let mut command = cmd("CLIENT");
            command.arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes");
            killed += self.connection.call::<u64>("CLIENT KILL", &command).await?;
        }
        Ok(killed)
    }

    /// Ends the server. A connection that closes instead of an answer is the success.
    pub async fn shutdown(&self, mode: ShutdownMode) -> Result<(), InstanceError> {
        let mut command = cmd("SHUTDOWN");
        command.arg(mode.words());
        match self.connection.call("SHUTDOWN", &command).await {
            Err(InstanceError::Unreachable {
                silence: Silence::Closed,
                ..
            }) => Ok(()),
            other => other,
        }
    }

    fn unreadable(&self, command: &'static str, what: &str) -> InstanceError {
        InstanceError::protocol(self.addr(), command, format!("no readable {what}"))
    }
}
