//! A handle kept for days: it connects on first use and again after the connection was lost.
//!
//! Sentinel disconnects every client of a Redis it demotes or promotes, the wrappers' own included; that must not end
//! the second-by-second look at it.

use tokio::sync::Mutex;
use topology::Addr;

use crate::{Dialer, InstanceError, Redis, Sentinel, Silence, Snapshot};

/// One Redis, for as long as the program runs.
#[derive(Debug)]
pub struct LastingRedis {
    dialer: Dialer,
    addr: Addr,
    held: Mutex<Option<Redis>>,
}

impl LastingRedis {
    pub(crate) fn new(dialer: Dialer, addr: Addr) -> Self {
        let held = Mutex::new(None);
        Self { dialer, addr, held }
    }

    /// The address it connects to.
    pub fn addr(&self) -> &Addr {
        &self.addr
    }

    /// The connection, a new one where the last is known to be lost. Held over several calls it stays the same.
    pub async fn get(&self) -> Result<Redis, InstanceError> {
        let mut held = self.held.lock().await;
        if let Some(redis) = held.as_ref().filter(|redis| redis.is_alive()) {
            return Ok(redis.clone());
        }
        // The old one is closed first: a server at its connection limit has room for one of us.
        *held = None;
        let redis = self.dialer.redis(&self.addr).await?;
        Ok(held.insert(redis).clone())
    }

    /// One look. Asks again over a new connection when the old one turns out to be closed.
    pub async fn snapshot(&self) -> Result<Snapshot, InstanceError> {
        match self.get().await?.snapshot().await {
            Err(InstanceError::Unreachable {
                silence: Silence::Closed,
                ..
            }) => self.get().await?.snapshot().await,
            other => other,
        }
    }
}

/// One Sentinel, for as long as the program runs.
#[derive(Debug)]
pub struct LastingSentinel {
    dialer: Dialer,
    addr: Addr,
    held: Mutex<Option<Sentinel>>,
}

impl LastingSentinel {
    pub(crate) fn new(dialer: Dialer, addr: Addr) -> Self {
        let held = Mutex::new(None);
        Self { dialer, addr, held }
    }

    /// The address it connects to.
    pub fn addr(&self) -> &Addr {
        &self.addr
    }

    /// The connection, a new one where the last is known to be lost. Held over several calls it stays the same.
    pub async fn get(&self) -> Result<Sentinel, InstanceError> {
        let mut held = self.held.lock().await;
        if let Some(sentinel) = held.as_ref().filter(|sentinel| sentinel.is_alive()) {
            return Ok(sentinel.clone());
        }
        *held = None;
        let sentinel = self.dialer.sentinel(&self.addr).await?;
        Ok(held.insert(sentinel).clone())
    }
}
