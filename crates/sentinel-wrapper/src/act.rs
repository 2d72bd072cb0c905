//! What is done to the own Sentinel while it runs. No choices are made here; each verb says whether it took.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use instance::InstanceError;
use registry::{LockError, LockGuard, RegistryError};
use tokio::time::{Instant, sleep};
use topology::{Addr, Hello, MasterRecord, RunId};
use tracing::{info, warn};
use zkpaths::Lock;

use crate::ghosts::{Census, NotNow, Suspect, Testimony, Witness, may_forget, recovered, suspects};
use crate::observe::Observer;
use crate::view::{Living, Monitoring, Own, Peer, Standing};

const READ_BACK: Duration = Duration::from_millis(500);
const RECOVERY: Duration = Duration::from_secs(12);
const LOCK_DEADLINE: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(50);

/// Whether the Sentinel believed what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It names that epoch, or a later one.
    Taken,
    /// It goes on as before.
    NotTaken,
}

/// Tells the own Sentinel who is master, in the name of a Sentinel it knows, and reads back.
pub async fn announce(
    observer: &Observer,
    sender: &Peer,
    record: &MasterRecord,
) -> Result<Told, InstanceError> {
    let sentinel = observer.own_sentinel().await?;
    sentinel
        .announce(&hello(observer, &sender.id, &sender.addr, record))
        .await?;
    let deadline = Instant::now() + READ_BACK;
    loop {
        let report = sentinel.report(&observer.name).await?;
        if report.is_some_and(|report| report.record.epoch >= record.epoch) {
            return Ok(Told::Taken);
        }
        if Instant::now() >= deadline {
            return Ok(Told::NotTaken);
        }
        sleep(BETWEEN).await;
    }
}

fn hello(observer: &Observer, id: &RunId, addr: &Addr, master: &MasterRecord) -> Hello {
    Hello {
        sender: addr.clone(),
        sender_id: id.clone(),
        current_epoch: master.epoch,
        name: observer.name.clone(),
        master: master.clone(),
    }
}

/// What became of forgetting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgotten {
    /// The Sentinel knows exactly the living again.
    Recovered,
    /// It forgot, and does not know all of them again yet.
    Recovering,
    /// They were no ghosts any more.
    NoneLeft,
    /// Not now.
    NotNow(NotNow),
    /// Another Sentinel is at it.
    Busy,
}

/// Forgetting failed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// ZooKeeper cannot be used.
    #[error("ZooKeeper cannot be used")]
    Registry(#[source] RegistryError),
    /// The own Sentinel cannot be spoken to.
    #[error("the own Sentinel cannot be spoken to")]
    Sentinel(#[source] InstanceError),
}

/// Makes the own Sentinel forget everybody, and reminds it at once of the living. One Sentinel of the group at a time.
pub async fn forget(observer: &mut Observer, id: &RunId, ripe: &[Suspect]) -> Result<Forgotten, ForgetError> {
    let who = observer.announce.to_string();
    let guard = match observer
        .registry
        .lock(Lock::SentinelReset, &who, LOCK_DEADLINE)
        .await
    {
        Ok(guard) => guard,
        Err(LockError::Deadline { .. }) => return Ok(Forgotten::Busy),
        Err(LockError::Unavailable(error)) => return Err(ForgetError::Registry(error)),
    };
    let done = forget_locked(observer, id, ripe, &guard).await;
    guard.release().await;
    done
}

async fn forget_locked(
    observer: &mut Observer,
    id: &RunId,
    ripe: &[Suspect],
    guard: &LockGuard,
) -> Result<Forgotten, ForgetError> {
    // While waiting for the lock everything may have changed.
    let census = observer.census().await.map_err(ForgetError::Registry)?;
    let Own::Monitoring(own) = observer.own().await else {
        return Ok(Forgotten::NoneLeft);
    };
    let ghosts = suspects(&own, &census, &own.record);
    if !ripe.iter().any(|suspect| ghosts.contains(suspect)) {
        return Ok(Forgotten::NoneLeft);
    }
    let mut witnesses = observer.witnesses(&census, id).await;
    witnesses.push(Witness {
        addr: observer.announce.clone(),
        says: Some(testimony(&own)),
    });
    let answers = observer.standing(&own.record.addr).await == Standing::Confirmed;
    if let Err(reason) = may_forget(&own.record, answers, &witnesses) {
        return Ok(Forgotten::NotNow(reason));
    }
    let others: BTreeSet<Living> = census
        .sentinels
        .iter()
        .filter(|living| living.id != *id)
        .cloned()
        .collect();
    let sentinel = observer.own_sentinel().await.map_err(ForgetError::Sentinel)?;
    // All this took a moment; another may have the lock by now, and forget at the same time.
    if *guard.lost().borrow() {
        return Ok(Forgotten::Busy);
    }
    sentinel
        .reset(&observer.name)
        .await
        .map_err(ForgetError::Sentinel)?;
    let hellos: Vec<Hello> = others
        .iter()
        .map(|peer| hello(observer, &peer.id, &peer.addr, &own.record))
        .collect();
    for problem in join_all(hellos.iter().map(|hello| sentinel.announce(hello)))
        .await
        .into_iter()
        .filter_map(Result::err)
    {
        warn!(reason = %problem, "sentinel was not reminded of a peer; it will find it within seconds");
    }
    info!(master = %own.record.addr, peers = others.len(), "sentinel has forgotten its ghosts");
    Ok(wait_recovered(observer, &own.record, &others, &census).await)
}

fn testimony(own: &Monitoring) -> Testimony {
    Testimony {
        record: own.record.clone(),
        master: own.master,
        failover_in_progress: own.failover_in_progress,
    }
}

/// The next Sentinel may forget only when this one can take part in a failover again. A change of master ends the wait.
async fn wait_recovered(
    observer: &Observer,
    record: &MasterRecord,
    others: &BTreeSet<Living>,
    census: &Census,
) -> Forgotten {
    let deadline = Instant::now() + RECOVERY;
    loop {
        if let Own::Monitoring(own) = observer.own().await
            && recovered(&own, others, &census.members)
        {
            return Forgotten::Recovered;
        }
        let moved = observer
            .record()
            .is_ok_and(|recorded| recorded.epoch > record.epoch);
        if moved || Instant::now() >= deadline {
            return Forgotten::Recovering;
        }
        sleep(BETWEEN).await;
    }
}
