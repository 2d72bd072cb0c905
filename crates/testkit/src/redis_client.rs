//! Questions to one Redis, whoever started it.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{RedisResult, Value};
use topology::{Addr, Role};

use crate::eventually;
use crate::wire::{ask, field, text};

/// Asks one Redis; each question has a connection of its own.
#[derive(Debug, Clone)]
pub struct RedisClient {
    addr: Addr,
    password: Option<String>,
}

impl RedisClient {
    /// A client of the Redis at `addr`.
    pub fn new(addr: &Addr, password: Option<&str>) -> Self {
        Self {
            addr: addr.clone(),
            password: password.map(str::to_owned),
        }
    }

    /// Where that Redis listens.
    pub fn addr(&self) -> &Addr {
        &self.addr
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Its password, if it wants one.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Sends one command.
    pub async fn command(&self, words: &[&str]) -> RedisResult<Value> {
        ask(&self.addr, self.password(), words).await
    }

    /// One field of INFO (all sections); `None` when it has no such field or does not answer.
    pub async fn info(&self, name: &str) -> Option<String> {
        field(&text(&self.command(&["INFO", "everything"]).await.ok()?), name)
    }

    /// What ROLE says; `None` when it does not answer.
    pub async fn role(&self) -> Option<Role> {
        role(&self.command(&["ROLE"]).await.ok()?)
    }

    /// SET; fails the test when refused.
    pub async fn set(&self, key: &str, value: &str) {
        self.command(&["SET", key, value])
            .await
            .unwrap_or_else(|error| panic!("SET {key} at {}: {error}", self.addr));
    }

    /// GET; fails the test when it does not answer.
    pub async fn get(&self, key: &str) -> Option<String> {
        let value = self
            .command(&["GET", key])
            .await
            .unwrap_or_else(|error| panic!("GET {key} at {}: {error}", self.addr));
        (value != Value::Nil).then(|| text(&value))
    }

    /// A hash, whole; empty where there is none.
    pub async fn hash(&self, key: &str) -> BTreeMap<String, String> {
        let answer = self.command(&["HGETALL", key]).await.expect("a hash");
        redis::from_redis_value(answer).expect("fields and values")
    }

    /// Waits until it is a replica of `master` with the link up.
    pub async fn wait_replica_of(&self, master: &Addr, deadline: Duration) {
        let what = format!("{} to be a replica of {master}, link up", self.addr);
        eventually(&what, deadline, async || {
            let role = self.role().await;
            let link = self.info("master_link_status").await;
            match (&role, link.as_deref()) {
                (Some(Role::Replica { of }), Some("up")) if of == master => Ok(()),
                _ => Err(format!("{role:?}, link {link:?}")),
            }
        })
        .await;
    }
}

/// The role in a reply to ROLE.
fn role(reply: &Value) -> Option<Role> {
    let words: Vec<Value> = redis::from_redis_value(reply.clone()).ok()?;
    match text(words.first()?).as_str() {
        "master" => Some(Role::Master),
        "slave" => {
            let port = text(words.get(2)?).parse().ok()?;
            let of = Addr::new(&text(words.get(1)?), port).ok()?;
            Some(Role::Replica { of })
        }
        _ => None,
    }
}
