//! The writes to ZooKeeper. Each is a compare-and-set on what the decision was based on, and is only committed while the
//! failover lock is ours.

use instance::Snapshot;
use registry::{CommitError, Expected, LockGuard, Registry, RegistryError, Version, Write};
use topology::{Addr, Epoch};
use zkpaths::{Cause, Further, Known, Phase, RecordedMaster, State, encode_master};

use crate::Warrant;
use crate::look::now_ms;
use crate::view::{LeaseSeen, View};

/// A record could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Somebody else wrote first: look again.
    #[error("the record changed while it was being written")]
    Outrun,
    /// ZooKeeper did not take it, or did not say whether it did: look again.
    #[error("ZooKeeper did not confirm the record")]
    Unconfirmed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<CommitError> for RecordError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } | CommitError::Missing { .. } => Self::Outrun,
            other @ (CommitError::Unknown | CommitError::Unavailable(_)) => {
                Self::Unconfirmed(Box::new(other))
            }
        }
    }
}

impl From<RegistryError> for RecordError {
    fn from(error: RegistryError) -> Self {
        Self::Unconfirmed(Box::new(error))
    }
}

/// The record of an intent: nobody answers as this master yet, so `/redis/master` stays as it is.
pub(crate) fn intent(before: &State, candidate: &Addr, replaces: &Addr, epoch: Epoch, cause: Cause) -> State {
    let replaced = match before.phase {
        Phase::Promoting if before.master.addr != *replaces => before.replaces.clone(),
        Phase::Claimed | Phase::Promoting | Phase::Settled | Phase::Other(_) => Some(before.master.clone()),
    };
    State {
        epoch,
        master: RecordedMaster {
            addr: candidate.clone(),
            run_id: None,
        },
        phase: Phase::Promoting,
        cause,
        since_ms: now_ms(),
        replaces: replaced,
        further: Further::default(),
        ..before.clone()
    }
}

/// Writes the intent. Where the master may live, a lease that was renewed since the look makes it fail.
pub(crate) async fn record_intent(
    registry: &Registry,
    guard: &LockGuard,
    view: &View,
    state: &State,
    warrant: &Warrant,
) -> Result<Version, RecordError> {
    let Some((before, version)) = &view.recorded else {
        return Err(RecordError::Outrun);
    };
    let tree = registry.tree();
    let mut writes = vec![
        held(guard),
        Write::Set {
            path: tree.state(),
            data: state.encode(),
            expected: Expected::Version(*version),
        },
    ];
    if let Some(LeaseSeen { version, .. }) = &view.lease
        && warrant.rests_on_the_lease(&before.cause)
    {
        writes.push(Write::Check {
            path: tree.lease(),
            expected: Expected::Version(*version),
        });
    }
    registry.commit(&writes).await?;
    Ok(Version(version.0.wrapping_add(1)))
}

/// The completed record of a master that has answered as one.
pub(crate) fn settled(before: &State, snapshot: &Snapshot) -> State {
    State {
        master: RecordedMaster {
            addr: before.master.addr.clone(),
            run_id: Some(snapshot.run_id.clone()),
        },
        phase: Phase::Settled,
        replaces: None,
        known: Some(Known {
            id: snapshot.replication.id.clone(),
            offset: snapshot.replication.offset,
        }),
        ..before.clone()
    }
}

/// Writes a settled state and the contract znodes that follow from it, in one transaction, under the lock if there is one.
pub async fn publish(
    registry: &Registry,
    state: &State,
    version: Version,
    guard: Option<&LockGuard>,
) -> Result<(), RecordError> {
    let tree = registry.tree();
    let named = tree.named_master(&state.name);
    let data = encode_master(Some(&state.master.addr));
    let set = |path, data, expected| Write::Set { path, data, expected };
    let mut writes: Vec<Write> = guard.map(held).into_iter().collect();
    writes.push(set(tree.state(), state.encode(), Expected::Version(version)));
    writes.push(set(tree.master(), data.clone(), Expected::Any));
    writes.push(set(named.clone(), data, Expected::Any));
    match registry.commit(&writes).await {
        Err(CommitError::Missing { path }) if path == named || path == tree.master() => {
            registry.ensure(&path).await?;
            Ok(registry.commit(&writes).await?)
        }
        other => Ok(other?),
    }
}

fn held(guard: &LockGuard) -> Write {
    Write::Check {
        path: guard.path().clone(),
        expected: Expected::Any,
    }
}
