//! Having another node promoted, so that this one can follow it.
//!
//! The Sentinels do it where there are any: one issuer (the failover lock), one Sentinel, `SENTINEL FAILOVER`, which works
//! with a dead master and needs no election. Where there is none, or none can, the best replica is promoted here, recorded with
//! an epoch above everything anyone has, and announced. The millisecond procedure takes this place later.

use std::time::Duration;

use instance::{Dialer, FailoverReply, InstanceError, Sentinel, Snapshot};
use registry::{Registry, RegistryError};
use tokio::time::{Instant, sleep};
use topology::{Addr, Candidate, Hello, MasterName, MasterRecord, Role};
use tracing::{info, warn};
use zkpaths::Lock;

use crate::act::{self, ActError};
use crate::observe::{Observer, Seen};

/// How long the Sentinels get to move the role after we asked: they need 1.1 s; twice with a failed attempt.
const SENTINELS_DEADLINE: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const ASK_AGAIN: Duration = Duration::from_millis(400);

/// Nobody was promoted; the caller looks again.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// Somebody else is moving the master role.
    #[error("another program is moving the master role")]
    Locked(#[source] registry::LockError),
    /// The candidate could not be asked, or did not become master.
    #[error("{candidate} was not promoted")]
    Candidate {
        /// Who.
        candidate: Addr,
        /// Why not.
        #[source]
        source: InstanceError,
    },
    /// The candidate answered, but not as master.
    #[error("{0} took REPLICAOF NO ONE but does not answer as master")]
    StillReplica(Addr),
    /// It was promoted but not recorded; the next look sees it as a live master.
    #[error("the promotion is not recorded")]
    Record(#[source] ActError),
    /// ZooKeeper could not be read.
    #[error("the group could not be read")]
    Look(#[source] RegistryError),
}

/// Moves the master role to a node that holds data. Returns when the group has a new master, which the next look finds.
pub async fn promote(observer: &Observer, candidate: &Candidate) -> Result<Addr, PromoteError> {
    let Observer {
        registry,
        dialer,
        me,
        name,
    } = observer;
    let guard = registry
        .lock(Lock::Failover, &me.to_string(), Duration::from_secs(10))
        .await
        .map_err(PromoteError::Locked)?;
    let result = promote_locked(observer, registry, dialer, name, candidate).await;
    guard.release().await;
    result
}

async fn promote_locked(
    observer: &Observer,
    registry: &Registry,
    dialer: &Dialer,
    name: &MasterName,
    candidate: &Candidate,
) -> Result<Addr, PromoteError> {
    let seen = observer.look().await.map_err(PromoteError::Look)?;
    if let [master] = &seen.view.live_masters()[..] {
        return Ok(master.clone());
    }
    if let Some(promoted) = through_sentinels(observer, &seen).await {
        return Ok(promoted);
    }
    let seen = observer.look().await.map_err(PromoteError::Look)?;
    if let [master] = &seen.view.live_masters()[..] {
        return Ok(master.clone());
    }
    directly(registry, dialer, name, &seen, candidate).await
}

/// Asks one Sentinel after the other, until the group has another master or the deadline passes.
async fn through_sentinels(observer: &Observer, seen: &Seen) -> Option<Addr> {
    let name = &observer.name;
    let knowing: Vec<Addr> = seen
        .view
        .sentinels
        .iter()
        .filter(|report| report.master.is_some())
        .map(|report| report.sentinel.clone())
        .collect();
    let deadline = Instant::now() + SENTINELS_DEADLINE;
    let mut turn = knowing.iter().cycle();
    while Instant::now() < deadline {
        let addr = turn.next()?;
        let reply = match observer.dialer.sentinel(addr).await {
            Ok(sentinel) => sentinel.failover(name).await,
            Err(error) => Err(error),
        };
        match reply {
            Ok(FailoverReply::Started | FailoverReply::InProgress) => {
                info!(sentinel = %addr, "sentinel asked to promote a replica");
                return wait_for_master(observer, deadline).await;
            }
            Ok(FailoverReply::NoGoodReplica | FailoverReply::NoSuchMaster) => {}
            Err(error) => warn!(sentinel = %addr, reason = %error, "sentinel did not take the failover"),
        }
        sleep(ASK_AGAIN).await;
    }
    None
}

async fn wait_for_master(observer: &Observer, deadline: Instant) -> Option<Addr> {
    while Instant::now() < deadline {
        if let Ok(seen) = observer.look().await
            && let [master] = &seen.view.live_masters()[..]
            && seen
                .view
                .sentinel_masters()
                .any(|(record, _)| record.addr == *master)
        {
            return Some(master.clone());
        }
        sleep(LOOK_AGAIN).await;
    }
    None
}

async fn directly(
    registry: &Registry,
    dialer: &Dialer,
    name: &MasterName,
    seen: &Seen,
    candidate: &Candidate,
) -> Result<Addr, PromoteError> {
    let addr = &candidate.addr;
    let failed = |source| PromoteError::Candidate {
        candidate: addr.clone(),
        source,
    };
    let redis = dialer.redis(addr).await.map_err(failed)?;
    redis.promote().await.map_err(failed)?;
    let snapshot: Snapshot = redis.snapshot().await.map_err(failed)?;
    if snapshot.replication.role != Role::Master {
        return Err(PromoteError::StillReplica(addr.clone()));
    }
    let epoch = seen.view.next_epoch();
    let state = act::promoted(seen, name, addr, &snapshot, epoch);
    let version = seen.state_version.ok_or(PromoteError::Record(ActError::Outrun))?;
    act::publish(registry, &state, version)
        .await
        .map_err(PromoteError::Record)?;
    info!(master = %addr, %epoch, "promoted and recorded");
    for member in seen.view.members.iter().filter(|member| member.addr != *addr) {
        let moved = async { dialer.redis(&member.addr).await?.follow_master(addr).await };
        if let Err(error) = moved.await {
            warn!(replica = %member.addr, reason = %error, "replica not moved; its wrapper will");
        }
    }
    announce_everywhere(dialer, name, seen, &state.record()).await;
    Ok(addr.clone())
}

/// Tells every Sentinel that answered. Their own wrappers do the same; this is for those without one.
pub async fn announce_everywhere(dialer: &Dialer, name: &MasterName, seen: &Seen, record: &MasterRecord) {
    for report in &seen.view.sentinels {
        let told = async {
            let sentinel = dialer.sentinel(&report.sentinel).await?;
            announce(&sentinel, name, record).await
        };
        match told.await {
            Ok(true) => {
                info!(sentinel = %report.sentinel, master = %record.addr, epoch = %record.epoch, "sentinel told");
            }
            Ok(false) => {
                warn!(sentinel = %report.sentinel, "sentinel knows no peer to speak for; its wrapper will tell it");
            }
            Err(error) => {
                warn!(sentinel = %report.sentinel, reason = %error, "sentinel not told; its wrapper will");
            }
        }
    }
}

/// One hello in the name of a peer that the Sentinel knows; an unknown sender would become a ghost voter.
async fn announce(
    sentinel: &Sentinel,
    name: &MasterName,
    record: &MasterRecord,
) -> Result<bool, InstanceError> {
    let Some(peer) = sentinel.peers(name).await?.into_iter().next() else {
        return Ok(false);
    };
    let hello = Hello {
        sender: peer.addr,
        sender_id: peer.run_id,
        current_epoch: record.epoch,
        name: name.clone(),
        master: record.clone(),
    };
    sentinel.announce(&hello).await?;
    Ok(true)
}
