//! The writes to ZooKeeper. Each is a compare-and-set on what the decision was based on, and is only committed while the
//! failover lock is ours. What is written is a pure function of what was seen, so that the model test commits the same.

use instance::Snapshot;
use registry::{CommitError, Expected, LockGuard, Registry, RegistryError, Version, Write};
use topology::{Addr, Epoch};
use zkpaths::{Cause, Further, Known, Phase, RecordedMaster, State, Tree, ZkPath, encode_master};

use crate::Warrant;
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

/// The record of an intent: nobody answers as this master yet, so `/redis/master` stays as it is. `since_ms` counts from 1970.
pub fn intent(
    before: &State,
    candidate: &Addr,
    replaces: &Addr,
    epoch: Epoch,
    cause: Cause,
    since_ms: u64,
) -> State {
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
        since_ms,
        replaces: replaced,
        further: Further::default(),
        ..before.clone()
    }
}

/// The transaction of an intent, under the lock that is held by `lock`. Where the master may live, a lease that was renewed since the
/// look makes it fail. `None`: nothing is recorded that it could move on.
pub fn intent_writes(
    tree: &Tree,
    lock: &ZkPath,
    view: &View,
    state: &State,
    warrant: &Warrant,
) -> Option<Vec<Write>> {
    let (before, version) = view.recorded.as_ref()?;
    let replaced = state.replaces.as_ref();
    let mut writes = vec![
        held(lock),
        Write::Set {
            path: tree.state(),
            data: state.encode(),
            expected: Expected::Version(*version),
        },
    ];
    if let Some(LeaseSeen { version, .. }) = &view.lease
        && warrant.rests_on_the_lease(&before.cause, replaced.and_then(|old| view.nodes.get(&old.addr)))
    {
        writes.push(Write::Check {
            path: tree.lease(),
            expected: Expected::Version(*version),
        });
    }
    Some(writes)
}

/// Writes the intent, and returns the version that the record has then.
pub(crate) async fn record_intent(
    registry: &Registry,
    guard: &LockGuard,
    view: &View,
    state: &State,
    warrant: &Warrant,
) -> Result<Version, RecordError> {
    let (Some((_, version)), Some(writes)) = (
        &view.recorded,
        intent_writes(registry.tree(), guard.path(), view, state, warrant),
    ) else {
        return Err(RecordError::Outrun);
    };
    registry.commit(&writes).await?;
    Ok(Version(version.0.wrapping_add(1)))
}

/// The completed record of a master that has answered as one.
pub fn settled(before: &State, snapshot: &Snapshot) -> State {
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

/// The record by which an intent is taken back: the old master is one again, as of a later epoch, as one epoch never names two.
/// `since_ms` counts from 1970.
pub fn restored(before: &State, master: &Addr, snapshot: &Snapshot, epoch: Epoch, since_ms: u64) -> State {
    let restored = State {
        epoch,
        master: RecordedMaster {
            addr: master.clone(),
            run_id: None,
        },
        cause: Cause::Repair,
        since_ms,
        further: Further::default(),
        ..before.clone()
    };
    settled(&restored, snapshot)
}

/// The transaction of a settled state and the contract znodes that follow from it, under the lock if there is one.
pub fn publish_writes(tree: &Tree, lock: Option<&ZkPath>, state: &State, version: Version) -> Vec<Write> {
    let data = encode_master(Some(&state.master.addr));
    let set = |path, data, expected| Write::Set { path, data, expected };
    let mut writes: Vec<Write> = lock.map(held).into_iter().collect();
    writes.push(set(tree.state(), state.encode(), Expected::Version(version)));
    writes.push(set(tree.master(), data.clone(), Expected::Any));
    writes.push(set(tree.named_master(&state.name), data, Expected::Any));
    writes
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
    let writes = publish_writes(tree, guard.map(LockGuard::path), state, version);
    match registry.commit(&writes).await {
        Err(CommitError::Missing { path }) if path == named || path == tree.master() => {
            registry.ensure(&path).await?;
            Ok(registry.commit(&writes).await?)
        }
        other => Ok(other?),
    }
}

fn held(lock: &ZkPath) -> Write {
    Write::Check {
        path: lock.clone(),
        expected: Expected::Any,
    }
}
