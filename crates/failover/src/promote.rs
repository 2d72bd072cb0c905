//! Making the candidate master, and telling everybody.

use std::time::Duration;

use futures_util::future::join_all;
use instance::{InstanceError, Snapshot};
use tokio::time::timeout;
use topology::{Addr, MasterRecord, Role, RunId};
use tracing::{info, warn};

use crate::announce::announce;
use crate::{Links, View};

const COMMAND_DEADLINE: Duration = Duration::from_millis(500);

/// The candidate did not become master.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromoteError {
    #[error("it did not take REPLICAOF NO ONE")]
    Command(#[source] InstanceError),
    #[error("it took REPLICAOF NO ONE but answers as a replica")]
    StillReplica,
    #[error("it was not reached")]
    NotAsked(#[source] InstanceError),
    #[error("it did not answer within {COMMAND_DEADLINE:?}")]
    Silent,
    #[error("its process is another by now, and may have lost its data")]
    Restarted,
}

impl PromoteError {
    /// Whether it may have been promoted all the same, or may yet be: nobody knows what became of a command without an answer.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Command(InstanceError::Unreachable { .. }))
    }
}

/// `REPLICAOF NO ONE` to the process that was chosen, confirmed by what it then says of itself. One connection is one process: nothing
/// can be restarted between the question and the command.
pub(crate) async fn promote(
    links: &Links,
    candidate: &Addr,
    run_id: &RunId,
) -> Result<Snapshot, PromoteError> {
    let found = async {
        let redis = links.dialer().redis_within(candidate, COMMAND_DEADLINE).await?;
        let found = redis.snapshot().await?;
        Ok::<_, InstanceError>((redis, found.run_id))
    };
    let found = timeout(COMMAND_DEADLINE, found).await;
    let (redis, found) = found
        .map_err(|_| PromoteError::Silent)?
        .map_err(PromoteError::NotAsked)?;
    if found != *run_id {
        return Err(PromoteError::Restarted);
    }
    redis.promote().await.map_err(PromoteError::Command)?;
    let snapshot = redis.snapshot().await.map_err(PromoteError::Command)?;
    match snapshot.replication.role {
        Role::Master => Ok(snapshot),
        Role::Replica { .. } => Err(PromoteError::StillReplica),
    }
}

/// Whether a node still is what we made it.
pub(crate) async fn is_master(links: &Links, addr: &Addr) -> Result<bool, InstanceError> {
    let redis = links.dialer().redis_within(addr, COMMAND_DEADLINE).await?;
    Ok(redis.role().await? == Role::Master)
}

/// Tells every Sentinel in the view. Returns how many took it.
pub(crate) async fn announce_to_all(links: &Links, view: &View, record: &MasterRecord) -> usize {
    let told = view.sentinels.iter().map(|seen| async move {
        let told = async {
            let sentinel = links.sentinel(&seen.addr).get().await?.within(COMMAND_DEADLINE);
            announce(&sentinel, &view.name, &seen.peers, record).await
        };
        match told.await {
            Ok(true) => true,
            Ok(false) => {
                warn!(sentinel = %seen.addr, "sentinel knows no peer to speak for; its wrapper will tell it");
                false
            }
            Err(error) => {
                warn!(sentinel = %seen.addr, reason = %error, "sentinel not told; its peers or its wrapper will");
                false
            }
        }
    });
    join_all(told).await.into_iter().filter(|told| *told).count()
}

/// The Sentinels that name the new master as of its epoch or a later one.
pub(crate) async fn agreeing(links: &Links, view: &View, record: &MasterRecord) -> Vec<Addr> {
    let ask = view.sentinels.iter().map(|seen| async move {
        let sentinel = links.sentinel(&seen.addr).get().await.ok()?;
        let report = sentinel
            .within(COMMAND_DEADLINE)
            .report(&view.name)
            .await
            .ok()??;
        let agrees = report.record == *record || report.record.epoch > record.epoch;
        agrees.then(|| seen.addr.clone())
    });
    join_all(ask).await.into_iter().flatten().collect()
}

/// Points the other replicas at the new master; a replica left alone would wait for its wrapper or a Sentinel.
pub(crate) async fn repoint(links: &Links, view: &View, master: &Addr, old: &Addr) {
    let others = view.nodes.keys().filter(|addr| *addr != master && *addr != old);
    let others = others.filter(|addr| view.snapshot(addr).is_some());
    let moved = others.map(|addr| async move {
        let moved = async {
            let redis = links.dialer().redis_within(addr, COMMAND_DEADLINE).await?;
            // A Sentinel may have made it master since it was looked at; then it is for the epochs to say who follows whom.
            if redis.role().await? == Role::Master {
                return Ok(false);
            }
            redis.follow_master(master).await.map(|()| true)
        };
        match moved.await {
            Ok(false) => warn!(master = %addr, "somebody has made it master meanwhile; left alone"),
            Ok(true) => info!(replica = %addr, %master, "replica pointed at the new master"),
            Err(error) => {
                let error: InstanceError = error;
                warn!(replica = %addr, reason = %error, "replica not moved; its wrapper will");
            }
        }
    });
    join_all(moved).await;
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
