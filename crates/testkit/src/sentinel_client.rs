//! Questions to one Sentinel, whoever started it.

use std::time::Duration;

use redis::{RedisResult, Value};
use topology::Addr;

use crate::eventually;
use crate::wire::{ask, text};

/// Asks one Sentinel; each question has a connection of its own.
#[derive(Debug, Clone)]
pub struct SentinelClient {
    addr: Addr,
    password: Option<String>,
}

impl SentinelClient {
    /// A client of the Sentinel at `addr`.
    pub fn new(addr: &Addr, password: Option<&str>) -> Self {
        Self {
            addr: addr.clone(),
            password: password.map(str::to_owned),
        }
    }

    /// Where that Sentinel listens.
    pub fn addr(&self) -> &Addr {
        &self.addr
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Sends one command.
    pub async fn command(&self, words: &[&str]) -> RedisResult<Value> {
        ask(&self.addr, self.password.as_deref(), words).await
    }

    /// The master it tells clients to use.
    pub async fn master(&self, name: &str) -> Option<Addr> {
        let reply = self
            .command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name])
            .await
            .ok()?;
        Addr::from_contract(&text(&reply)).ok()
    }

    /// One field of SENTINEL MASTER, such as `num-other-sentinels` or `config-epoch`.
    pub async fn field(&self, name: &str, field: &str) -> Option<String> {
        let reply = self.command(&["SENTINEL", "MASTER", name]).await.ok()?;
        master_field(&reply, field)
    }

    /// Waits until it knows so many replicas and other Sentinels.
    pub async fn wait_knows(&self, name: &str, replicas: usize, others: usize, deadline: Duration) {
        let wanted = (Some(replicas.to_string()), Some(others.to_string()));
        let what = format!(
            "{} to know {replicas} replicas and {others} other Sentinels",
            self.addr
        );
        eventually(&what, deadline, async || {
            let seen = (
                self.field(name, "num-slaves").await,
                self.field(name, "num-other-sentinels").await,
            );
            if seen == wanted {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
    }
}

/// One field of a reply to SENTINEL MASTER.
fn master_field(reply: &Value, field: &str) -> Option<String> {
    let fields: Vec<String> = redis::from_redis_value(reply.clone()).ok()?;
    fields
        .chunks_exact(2)
        .find_map(|pair| (pair[0] == field).then(|| pair[1].clone()))
}
