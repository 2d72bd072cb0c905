//! One program of a group, and how to talk to what it serves.

use std::ops::Deref;
use std::path::PathBuf;

use topology::Addr;

use crate::{RedisClient, Running, SentinelClient};

/// A program and a client of its server. Dereferences to the client.
#[derive(Debug)]
pub struct Node<C> {
    program: Running,
    client: C,
    http: Addr,
}

/// A redis-wrapper and its Redis.
pub type RedisNode = Node<RedisClient>;
/// A sentinel-wrapper and its Sentinel.
pub type SentinelNode = Node<SentinelClient>;
/// A watcher, which serves nothing but HTTP.
pub type WatcherNode = Node<()>;

impl<C> Node<C> {
    pub(super) fn new(program: Running, client: C, http: Addr) -> Self {
        Self {
            program,
            client,
            http,
        }
    }

    /// The process: signals, logs, its end, its start anew.
    pub fn program(&self) -> &Running {
        &self.program
    }

    /// Where it answers HTTP: a wrapper's admin page, a watcher's page.
    pub fn http(&self) -> &Addr {
        &self.http
    }

    /// Its `DATA_DIR`, which outlives it.
    pub fn data_dir(&self) -> PathBuf {
        let env = &self.program.launch().env;
        let value = env.iter().rev().find(|(name, _)| name == "DATA_DIR");
        value
            .map(|(_, value)| value.into())
            .expect("a program with a DATA_DIR")
    }

    /// Whether the program runs.
    pub fn is_alive(&self) -> bool {
        self.program.exited().is_none()
    }
}

impl<C> Deref for Node<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}
