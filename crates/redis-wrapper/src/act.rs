//! The writes: recording ourselves, and completing the record. No choices are made here.
//!
//! Every write is a compare-and-set on the versions that the decision was based on, so that of two wrappers that
//! decided at once, one goes back to look again.

use std::time::{SystemTime, UNIX_EPOCH};

use failover::{RecordError, publish};
use instance::Snapshot;
use registry::{CommitError, Expected, Registry, RegistryError, Write};
use topology::{Addr, Candidate, Epoch, MasterName, Role, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Further, Known, PayloadError, Phase, RecordedMaster, State};

use crate::decide::WhyMaster;
use crate::keep::{Accepted, went_back};
use crate::observe::Seen;
use crate::view::Recorded;

/// A record could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// Somebody else wrote first: look again.
    #[error("the record changed while it was being written")]
    Outrun,
    /// A newer version has written it, and only that can go on with it.
    #[error("the record is a newer version's; it is left to programs that know it")]
    Newer,
    /// Our Redis does not answer as the master it should be.
    #[error("redis answers as a replica although it was started as master")]
    NotMaster,
    /// ZooKeeper did not take it, or did not say whether it did: look again.
    #[error("ZooKeeper did not confirm the record")]
    Unconfirmed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<CommitError> for ActError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } | CommitError::Missing { .. } => Self::Outrun,
            other @ (CommitError::Unknown | CommitError::Unavailable(_)) => {
                Self::Unconfirmed(Box::new(other))
            }
        }
    }
}

impl From<RecordError> for ActError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Outrun => Self::Outrun,
            RecordError::Unconfirmed(source) => Self::Unconfirmed(source),
        }
    }
}

impl From<RegistryError> for ActError {
    fn from(error: RegistryError) -> Self {
        Self::Unconfirmed(Box::new(error))
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Records us in `/redis/state` as the master to be. `/redis/master` follows when our Redis has answered as master
/// ([`settle`]); it never names a node that does not.
pub async fn claim(
    registry: &Registry,
    seen: &Seen,
    epoch: Epoch,
    why: WhyMaster,
) -> Result<State, ActError> {
    let before = match &seen.view.recorded {
        Recorded::State(state) => Some(state),
        Recorded::Nobody | Recorded::Legacy(_) => None,
        Recorded::Newer => return Err(ActError::Newer),
    };
    let cause = match (why, before) {
        (WhyMaster::FirstStart, _) => Cause::FirstStart,
        (WhyMaster::RecordedIsGone, _) => Cause::TakeOver,
        (WhyMaster::ResumeAlone | WhyMaster::HasEveryWrite, Some(state)) => state.cause.clone(),
        (WhyMaster::ResumeAlone | WhyMaster::HasEveryWrite, None) => Cause::Repair,
    };
    let state = State {
        group: before.map_or_else(Uuid::new_v4, |state| state.group),
        name: seen.view.name.clone(),
        epoch,
        master: RecordedMaster {
            addr: seen.view.me.clone(),
            run_id: None,
        },
        phase: Phase::Claimed,
        cause,
        since_ms: now_ms(),
        replaces: None,
        known: before.and_then(|state| state.known.clone()),
        further: before
            .filter(|state| state.epoch == epoch)
            .map_or_else(Further::default, |state| state.further.clone()),
    };
    write(registry, seen, state).await
}

/// Records `master`, which somebody with data follows, where nothing is recorded any more. It is claimed and not settled: nobody has heard
/// it say so itself.
pub async fn remember(
    registry: &Registry,
    seen: &Seen,
    master: &Addr,
    replica: &Candidate,
) -> Result<State, ActError> {
    let state = State {
        group: Uuid::new_v4(),
        name: seen.view.name.clone(),
        epoch: seen.view.next_epoch(),
        master: RecordedMaster {
            addr: master.clone(),
            run_id: None,
        },
        phase: Phase::Claimed,
        cause: Cause::Repair,
        since_ms: now_ms(),
        replaces: None,
        known: Some(Known {
            id: replica.lineage.id.clone(),
            offset: replica.offset,
        }),
        further: Further::default(),
    };
    write(registry, seen, state).await
}

async fn write(registry: &Registry, seen: &Seen, state: State) -> Result<State, ActError> {
    let path = registry.tree().state();
    let expected = Expected::Version(seen.state_version.ok_or(ActError::Outrun)?);
    registry
        .commit(&[Write::Set {
            path,
            data: state.encode(),
            expected,
        }])
        .await?;
    Ok(state)
}

/// Completes the record of a master that has answered as one: phase, run id and lineage, with `/redis/master` in the same
/// transaction. Refuses if the record no longer names `me`, or means another Redis than `over`, the one that the decision was about.
pub async fn settle(
    registry: &Registry,
    me: &Addr,
    over: Option<&RunId>,
    snapshot: &Snapshot,
) -> Result<State, ActError> {
    if snapshot.replication.role != Role::Master {
        return Err(ActError::NotMaster);
    }
    let node = registry
        .read(&registry.tree().state())
        .await?
        .ok_or(ActError::Outrun)?;
    let before = match State::decode(&node.data) {
        Ok(Some(before)) => before,
        Err(PayloadError::Newer { .. }) => return Err(ActError::Newer),
        Ok(None) | Err(PayloadError::Json { .. } | PayloadError::Address { .. }) => {
            return Err(ActError::Outrun);
        }
    };
    if matches!(before.phase, Phase::Other(_)) {
        return Err(ActError::Newer);
    }
    let recorded = before.master.run_id.as_ref();
    let meant = recorded == over || recorded == Some(&snapshot.run_id);
    if before.master.addr != *me || !meant {
        return Err(ActError::Outrun);
    }
    let run_id = Some(snapshot.run_id.clone());
    let known = Known {
        id: snapshot.replication.id.clone(),
        offset: snapshot.replication.offset,
    };
    let master = RecordedMaster {
        addr: me.clone(),
        run_id,
    };
    let state = State {
        master,
        phase: Phase::Settled,
        replaces: None,
        known: Some(known),
        ..before
    };
    publish(registry, &state, node.version, None).await?;
    Ok(state)
}

/// Puts back the record of a group whose master we are, after ZooKeeper has lost it. Where somebody has begun anew
/// meanwhile, ours gets an epoch above theirs, so that they follow.
pub async fn restore(
    registry: &Registry,
    known: &Accepted,
    name: &MasterName,
    snapshot: &Snapshot,
) -> Result<State, ActError> {
    if snapshot.replication.role != Role::Master {
        return Err(ActError::NotMaster);
    }
    for path in registry.tree().skeleton() {
        registry.ensure(&path).await?;
    }
    let node = registry
        .read(&registry.tree().state())
        .await?
        .ok_or(ActError::Outrun)?;
    let epoch = match State::decode(&node.data) {
        Ok(Some(theirs)) if went_back(Some(known), &theirs) => theirs.epoch.max(known.master.epoch).next(),
        Ok(Some(_)) => return Err(ActError::Outrun),
        Err(PayloadError::Newer { .. }) => return Err(ActError::Newer),
        Ok(None) | Err(PayloadError::Json { .. } | PayloadError::Address { .. }) => known.master.epoch,
    };
    let known_point = Known {
        id: snapshot.replication.id.clone(),
        offset: snapshot.replication.offset,
    };
    let state = State {
        group: known.group,
        name: name.clone(),
        epoch,
        master: RecordedMaster {
            addr: known.master.addr.clone(),
            run_id: Some(snapshot.run_id.clone()),
        },
        phase: Phase::Settled,
        cause: Cause::Repair,
        since_ms: now_ms(),
        replaces: None,
        known: Some(known_point),
        further: Further::default(),
    };
    publish(registry, &state, node.version, None).await?;
    Ok(state)
}
