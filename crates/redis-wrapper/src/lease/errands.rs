//! Doing what the lease asks for. No choices are made here; each errand ends in inputs for the next step.
//!
//! When something was sent is read from the clock just before, since renewals count from then.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use instance::{InstanceError, LastingRedis, LastingSentinel};
use program::chain;
use registry::{CommitError, Expected, Registry, Version, Write, Znode};
use supervisor::BootTime;
use tokio::sync::Mutex;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use topology::{Addr, Epoch, MasterName, Role, RunId};
use tracing::warn;
use zkpaths::{Lease, State};

use super::isolation::Silent;
use super::sentinels::Answer;
use super::words::{Input, NotRenewed, Record};
use crate::act::now_ms;

/// What the errands need. Clones share it.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) registry: Registry,
    /// Kept open: the fence must not need a connection first.
    pub(super) redis: Arc<LastingRedis>,
    pub(super) name: MasterName,
    pub(super) me: Addr,
    pub(super) length: Duration,
    /// Known once our Redis has answered.
    pub(super) run_id: Arc<OnceLock<RunId>>,
    /// Owns what outlives a round.
    pub(super) tasks: TaskTracker,
    /// The version of `/redis/lease`, where it is known.
    pub(super) written: Arc<Mutex<Option<Version>>>,
}

/// The connections to the others, kept open.
#[derive(Clone, Default)]
pub(super) struct Around {
    pub(super) sentinels: BTreeMap<Addr, Arc<LastingSentinel>>,
    pub(super) members: BTreeMap<Addr, Arc<LastingRedis>>,
}

/// What `/redis/state` says to us.
pub(super) fn record(node: Option<&Znode>, me: &Addr) -> Record {
    let Some(node) = node else {
        return Record::Nobody;
    };
    match State::decode(&node.data) {
        Ok(Some(state)) if state.master.addr == *me => Record::Us {
            version: node.version,
            epoch: state.epoch,
        },
        Ok(Some(state)) => Record::Another {
            addr: state.master.addr,
            epoch: state.epoch,
            phase: state.phase,
        },
        Ok(None) => Record::Nobody,
        Err(_) => Record::Unknown,
    }
}

/// Renews through ZooKeeper.
pub(super) async fn renew(means: Means, state: Version, epoch: Epoch) -> Vec<Input> {
    let Means { registry, me, .. } = &means;
    let mut written = means.written.lock().await;
    let unanswered = |sent| {
        vec![Input::NotRenewed {
            sent,
            why: NotRenewed::Unanswered,
        }]
    };
    let begun = BootTime::now();
    let version = match *written {
        Some(version) => Some(version),
        None => means.read_lease().await.map(|node| node.version),
    };
    let (Some(version), Some(run_id)) = (version, means.run_id.get()) else {
        return unanswered(begun);
    };
    let lease = Lease {
        holder: me.clone(),
        run_id: run_id.clone(),
        epoch,
        lease_ms: u64::try_from(means.length.as_millis()).unwrap_or(u64::MAX),
        at_ms: now_ms(),
    };
    let writes = [
        Write::Check {
            path: registry.tree().state(),
            expected: Expected::Version(state),
        },
        Write::Set {
            path: registry.tree().lease(),
            data: lease.encode(),
            expected: Expected::Version(version),
        },
    ];
    let sent = BootTime::now();
    match registry.commit_sets(&writes).await {
        Ok(versions) => {
            *written = versions.first().copied();
            vec![Input::Renewed { sent, epoch }]
        }
        Err(CommitError::Conflict { .. } | CommitError::Missing { .. }) => {
            *written = None;
            let conflict = Input::NotRenewed {
                sent,
                why: NotRenewed::Conflict,
            };
            match registry.read(&registry.tree().state()).await {
                Ok(node) => vec![Input::Recorded(record(node.as_ref(), me)), conflict],
                Err(_) => unanswered(sent),
            }
        }
        Err(CommitError::Unknown) => {
            *written = None;
            unanswered(sent)
        }
        Err(CommitError::Unavailable(_)) => unanswered(sent),
    }
}

/// Empties `/redis/lease`, unless it is another's: who finds none there knows that it proves nothing.
pub(super) async fn release(means: Means) -> Vec<Input> {
    let mut written = means.written.lock().await;
    let Some(node) = means.read_lease().await else {
        return vec![Input::NotReleased];
    };
    let ours = |lease: &Lease| lease.holder == means.me && means.run_id.get() == Some(&lease.run_id);
    if !Lease::decode(&node.data)
        .ok()
        .flatten()
        .is_some_and(|lease| ours(&lease))
    {
        return vec![Input::Released];
    }
    let empty = Write::Set {
        path: means.registry.tree().lease(),
        data: Vec::new(),
        expected: Expected::Version(node.version),
    };
    *written = None;
    match means.registry.commit(&[empty]).await {
        Ok(()) => vec![Input::Released],
        Err(_) => vec![Input::NotReleased],
    }
}

/// Asks our Redis what it is.
pub(super) async fn ask_role(means: Means) -> Vec<Input> {
    let asked = BootTime::now();
    let answer = async {
        let redis = means.redis.get().await?;
        if means.run_id.get().is_some() {
            return redis.role().await;
        }
        let snapshot = redis.snapshot().await?;
        let _ = means.run_id.set(snapshot.run_id);
        Ok::<Role, InstanceError>(snapshot.replication.role)
    };
    let role = answer.await.ok();
    vec![Input::Role { asked, role }]
}

/// Asks every Sentinel and every other member at once; one that takes longer than the deadline has not answered.
pub(super) async fn ask_around(means: Means, around: Around, deadline: Duration) -> Vec<Input> {
    let sent = BootTime::now();
    let means = &means;
    let ask = |sentinel| async move { heard(timeout(deadline, ask_one(sentinel, means, deadline)).await) };
    let see = |redis| async move { heard(timeout(deadline, see_one(redis, &means.tasks, deadline)).await) };
    let (answers, members) = tokio::join!(
        join_all(around.sentinels.into_values().map(ask)),
        join_all(around.members.into_values().map(see)),
    );
    let silent = Silent {
        sentinels: answers.iter().filter(|heard| heard.is_err()).count(),
        members: members.iter().filter(|heard| heard.is_err()).count(),
    };
    vec![Input::Polled {
        sent,
        answers: answers.into_iter().flatten().flatten().flatten().collect(),
        silent,
    }]
}

/// Nobody answered, nor refused.
struct Silence;

/// What was said, if anything. Whoever refuses says that nobody is there.
fn heard<T>(answer: Result<Result<T, InstanceError>, Elapsed>) -> Result<Option<T>, Silence> {
    match answer {
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(InstanceError::Unreachable { .. })) | Err(_) => Err(Silence),
        Ok(Err(_)) => Ok(None),
    }
}

/// A part of the round, so that a connection on which nothing comes is given up before the round is.
fn for_one(deadline: Duration) -> Duration {
    deadline * 3 / 4
}

async fn see_one(
    lasting: Arc<LastingRedis>,
    tasks: &TaskTracker,
    deadline: Duration,
) -> Result<(), InstanceError> {
    let redis = connected(tasks, async move { lasting.get().await }).await?;
    redis.within(for_one(deadline)).role().await.map(drop)
}

/// A connection, dialled to the end, its own deadline, even if the round is over before: the next one finds it.
async fn connected<T: Send + 'static>(
    tasks: &TaskTracker,
    dial: impl Future<Output = Result<T, InstanceError>> + Send + 'static,
) -> Result<T, InstanceError> {
    match tasks.spawn(dial).await {
        Ok(connection) => connection,
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}

/// The vote is asked for last, so that one given in between is seen. None: it does not know the group.
async fn ask_one(
    lasting: Arc<LastingSentinel>,
    means: &Means,
    deadline: Duration,
) -> Result<Option<Answer>, InstanceError> {
    let dialled = lasting.clone();
    let sentinel = connected(&means.tasks, async move { dialled.get().await }).await?;
    let sentinel = sentinel.within(for_one(deadline));
    let Some(report) = sentinel.report(&means.name).await? else {
        return Ok(None);
    };
    let last_vote = sentinel.last_vote(&report.record.addr).await?;
    Ok(Some(Answer {
        sentinel: lasting.addr().clone(),
        master: report.record,
        flags: report.flags,
        last_vote,
        others: usize::try_from(report.other_sentinels).unwrap_or(usize::MAX - 1),
    }))
}

/// Makes our Redis a replica of nobody, unless it follows a master `already`. Tries until it is told to stop, which is when Redis
/// has been killed instead.
pub(super) async fn fence(means: Means, already: bool) -> Vec<Input> {
    let mut told = false;
    loop {
        let fenced = async {
            let redis = means.redis.get().await?;
            if already && redis.role().await?.follows_somebody() {
                return Ok(Input::Follows);
            }
            redis.follow_nobody().await.map(|()| Input::Fenced)
        };
        match fenced.await {
            Ok(done) => return vec![done],
            Err(reason) if !told => {
                let reason: InstanceError = reason;
                warn!(reason = %chain(&reason), "redis does not take the fence yet");
            }
            Err(_) => {}
        }
        told = true;
        sleep(Duration::from_millis(5)).await;
    }
}

/// Disconnects the clients of a fenced Redis, so that they look for a master. It takes no writes whether they go or not.
pub(super) async fn disconnect(means: Means) -> Vec<Input> {
    let gone = async { means.redis.get().await?.kill_clients().await };
    if let Err(reason) = gone.await {
        warn!(reason = %chain(&reason), "clients of the fenced redis not disconnected");
    }
    Vec::new()
}

/// Makes our Redis master again.
pub(super) async fn unfence(means: Means) -> Vec<Input> {
    let unfenced = async { means.redis.get().await?.promote().await };
    match unfenced.await {
        Ok(()) => vec![Input::Unfenced],
        Err(reason) => {
            warn!(reason = %chain(&reason), "redis is not master again yet; trying again");
            vec![Input::NotUnfenced]
        }
    }
}

impl Means {
    /// `/redis/lease`; made where an older tree lacks it.
    async fn read_lease(&self) -> Option<Znode> {
        let path = self.registry.tree().lease();
        let found = self.registry.read(&path).await.ok()?;
        if found.is_some() {
            return found;
        }
        self.registry.ensure(&path).await.ok()?;
        self.registry.read(&path).await.ok()?
    }
}
