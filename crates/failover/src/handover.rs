//! Holding a live master's writes back until its successor has them all.
//!
//! `CLIENT PAUSE WRITE` ends by itself and then executes what it held: so the old master becomes a replica of the new one *before* it ends,
//! and a handover that has used up its time is given up before anybody is promoted.

use std::time::{Duration, Instant};

use instance::{InstanceError, Redis};
use topology::Addr;
use tracing::{info, warn};

use crate::Links;

/// How long writes may be held back altogether.
pub(crate) const PAUSE: Duration = Duration::from_secs(3);
/// How long the successor gets to catch up.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Nobody is promoted when less of the pause is left.
const RESERVE: Duration = Duration::from_millis(1_500);
/// The period of the pings that a master sends its replicas: they count as data, and one sent after the promotion would make
/// the old master's history longer than the new one's.
const PING_PERIOD: &str = "repl-ping-replica-period";
const POLL: Duration = Duration::from_millis(1);

/// A master whose writes are held back.
#[derive(Debug)]
pub(crate) struct Paused {
    redis: Redis,
    since: Instant,
    ping_period: Option<String>,
}

/// The successor was not ready in time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    #[error("the master did not take CLIENT PAUSE")]
    Pause(#[source] InstanceError),
    #[error("{candidate} did not say how far it has come")]
    Offset {
        candidate: Addr,
        #[source]
        source: InstanceError,
    },
    #[error("{candidate} still lacked {missing} bytes after {waited:?}")]
    Behind {
        candidate: Addr,
        missing: i64,
        waited: Duration,
    },
}

impl Paused {
    /// Holds the writes of `master` back.
    pub(crate) async fn begin(links: &Links, master: &Addr) -> Result<Self, HandoverError> {
        let redis = links.dialer().redis(master).await.map_err(HandoverError::Pause)?;
        let ping_period = redis.config_get(PING_PERIOD).await.ok().flatten();
        if let Err(error) = redis.config_set(PING_PERIOD, "3600").await {
            warn!(reason = %error, "the master's pings go on; a replica may have to resynchronise in full");
        }
        let since = Instant::now();
        let paused = Self {
            redis,
            since,
            ping_period,
        };
        match paused.redis.pause_writes(PAUSE).await {
            Ok(()) => Ok(paused),
            Err(error) => {
                paused.give_up().await;
                Err(HandoverError::Pause(error))
            }
        }
    }

    /// Waits until `candidate` has everything the master has; both are read directly, as the acknowledgements that replicas
    /// send come once a second only.
    pub(crate) async fn catch_up(&self, links: &Links, candidate: &Addr) -> Result<(), HandoverError> {
        let offset = |source| HandoverError::Offset {
            candidate: candidate.clone(),
            source,
        };
        let replica = links.dialer().redis(candidate).await.map_err(offset)?;
        loop {
            let (master, replica) = tokio::join!(self.redis.snapshot(), replica.snapshot());
            let master = master.map_err(HandoverError::Pause)?.replication;
            let replica = replica.map_err(offset)?.replication;
            if replica.id == master.id && replica.offset >= master.offset {
                info!(replica = %candidate, offset = replica.offset, elapsed_ms = self.since.elapsed().as_millis(), "successor has every write");
                return Ok(());
            }
            let waited = self.since.elapsed();
            if waited > CATCH_UP {
                return Err(HandoverError::Behind {
                    candidate: candidate.clone(),
                    missing: master.offset - replica.offset,
                    waited,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether enough of the pause is left to promote somebody.
    pub(crate) fn is_fresh(&self) -> bool {
        self.since.elapsed() + RESERVE < PAUSE
    }

    /// How long writes have been held back.
    pub(crate) fn held_for(&self) -> Duration {
        self.since.elapsed()
    }

    /// Lets the writes go on: nothing happened.
    pub(crate) async fn give_up(self) {
        if let Err(error) = self.redis.unpause().await {
            warn!(reason = %error, "the pause was not lifted; it ends by itself");
        }
        if let Some(period) = self.ping_period
            && let Err(error) = self.redis.config_set(PING_PERIOD, &period).await
        {
            warn!(reason = %error, "{PING_PERIOD} was not set back");
        }
    }

    /// Makes the old master a replica of the new one, then releases its clients, which find out by being refused or disconnected.
    pub(crate) async fn relieve(self, links: &Links, successor: &Addr) -> Result<(), InstanceError> {
        let redis = match self.redis.follow_master(successor).await {
            Ok(()) => self.redis,
            // The lease of its wrapper may have ended by the new record, and with it the connections of all its clients.
            Err(InstanceError::Unreachable { .. }) => {
                let again = links.dialer().redis(self.redis.addr()).await?;
                again.follow_master(successor).await?;
                again
            }
            Err(error) => return Err(error),
        };
        if let Err(error) = redis.unpause().await {
            warn!(reason = %error, "the pause was not lifted; it ends by itself");
        }
        if let Err(error) = redis.kill_clients().await {
            warn!(reason = %error, "clients of the old master were not disconnected");
        }
        if let Some(period) = &self.ping_period {
            let _ = redis.config_set(PING_PERIOD, period).await;
        }
        Ok(())
    }
}
