//! The steps that change something, each small enough to be killed after it.

use std::time::{Duration, Instant};

use instance::Snapshot;
use registry::{LockGuard, Version};
use tokio::time::sleep;
use topology::{Addr, Epoch, MasterRecord};
use tracing::{info, warn};
use zkpaths::{Cause, Failover, Phase, State, Timings};

use crate::choose::Choice;
use crate::look::now_ms;
use crate::mover::Mover;
use crate::record::{RecordError, intent, publish, record_intent, restored, settled};
use crate::run::millis;
use crate::view::View;
use crate::warrant::Warrant;
use crate::{journal, promote};

/// A SLAVEOF that a Sentinel sent before it voted may arrive this late.
const LATE: Duration = Duration::from_millis(250);
const PUBLISH_TRIES: u32 = 4;

/// One promotion, decided.
pub(crate) struct Promotion<'a> {
    pub(crate) mover: &'a Mover,
    pub(crate) guard: &'a LockGuard,
    pub(crate) view: &'a View,
    pub(crate) choice: &'a Choice,
    pub(crate) epoch: Epoch,
    pub(crate) replaces: &'a Addr,
    pub(crate) warrant: &'a Warrant,
}

/// What has been reached.
pub(crate) struct Done {
    pub(crate) record: MasterRecord,
    pub(crate) timings: Timings,
    told: usize,
    cause: Cause,
}

impl Promotion<'_> {
    fn state(&self, before: &State) -> State {
        let cause = self.warrant.cause(&before.cause);
        let candidate = &self.choice.candidate.addr;
        intent(before, candidate, self.replaces, self.epoch, cause, now_ms())
    }

    /// Records the intent.
    pub(crate) async fn record(&self) -> Result<(State, Version), RecordError> {
        let Some((before, _)) = &self.view.recorded else {
            return Err(RecordError::Outrun);
        };
        let state = self.state(before);
        let version =
            record_intent(&self.mover.registry, self.guard, self.view, &state, self.warrant).await?;
        Ok((state, version))
    }

    /// Publishes and announces the new master, and points the other replicas at it, all at once.
    pub(crate) async fn announce(
        &self,
        version: Version,
        snapshot: &Snapshot,
        since: Instant,
        mut timings: Timings,
    ) -> Done {
        let links = &self.mover.links;
        let before = self.view.recorded.as_ref().map(|(before, _)| self.state(before));
        let master = &self.choice.candidate.addr;
        let record = MasterRecord {
            addr: master.clone(),
            epoch: self.epoch,
        };
        let told = async {
            let told = promote::announce_to_all(links, self.view, &record).await;
            (told, millis(since.elapsed()))
        };
        let published = async {
            let ours = match &before {
                Some(intent) => complete(self.mover, self.guard, &settled(intent, snapshot), version).await,
                None => true,
            };
            let at = millis(since.elapsed());
            // Whoever stood still meanwhile has been overtaken, and must not send the replicas of the real master away.
            if ours {
                promote::repoint(links, self.view, master, self.replaces).await;
            }
            at
        };
        let ((told, announced_ms), published_ms) = tokio::join!(told, published);
        timings.announced_ms = announced_ms;
        timings.published_ms = published_ms;
        let cause = before.map_or(Cause::Repair, |state| state.cause);
        info!(
            from = %self.replaces, master = %record.addr, epoch = %record.epoch, cause = cause.word(),
            reason = %self.warrant, sentinels = told, elapsed_ms = announced_ms.max(published_ms), "master moved"
        );
        Done {
            record,
            timings,
            told,
            cause,
        }
    }

    /// Whether the record still names this master as of this epoch, under our lock.
    async fn is_recorded(&self, record: &MasterRecord) -> bool {
        let registry = &self.mover.registry;
        let node = registry.read(&registry.tree().state()).await.ok().flatten();
        let state = node.and_then(|node| State::decode(&node.data).ok().flatten());
        state.is_some_and(|state| state.record() == *record) && !*self.guard.lost().borrow()
    }

    /// What may take its time: late commands, Sentinels that did not hear, the history.
    pub(crate) async fn follow_up(&self, done: &Done, votes: usize) {
        let Mover { links, by, .. } = self.mover;
        let record = &done.record;
        sleep(LATE).await;
        match promote::is_master(links, &record.addr).await {
            Ok(true) => {}
            Ok(false) if !self.is_recorded(record).await => {
                info!(master = %record.addr, "somebody has moved the role on since; left alone");
            }
            Ok(false) => {
                warn!(master = %record.addr, "a late command had made it a replica; promoted again");
                if let Err(reason) =
                    promote::promote(links, &record.addr, &self.choice.candidate.run_id).await
                {
                    warn!(master = %record.addr, reason = %reason, "not promoted again; its wrapper will");
                }
            }
            Err(reason) => warn!(master = %record.addr, reason = %reason, "the new master does not answer"),
        }
        let agreeing = promote::agreeing(links, self.view, record).await;
        let deaf: Vec<_> = self
            .view
            .sentinels
            .iter()
            .filter(|sentinel| !agreeing.contains(&sentinel.addr))
            .collect();
        if !deaf.is_empty() {
            let names: Vec<String> = deaf.iter().map(|sentinel| sentinel.addr.to_string()).collect();
            warn!(
                sentinels = names.join(" "),
                told = done.told,
                "not every sentinel has adopted the new master; told again"
            );
            promote::announce_to_all(links, self.view, record).await;
        }
        let entry = Failover {
            epoch: record.epoch,
            cause: done.cause.clone(),
            warrant: self.warrant.to_string(),
            from: Some(self.replaces.clone()),
            to: record.addr.clone(),
            by: by.clone(),
            candidates: journal::considered(self.view, self.choice, self.replaces),
            votes: (votes, self.view.known_sentinels()),
            timings: done.timings,
            at_ms: now_ms(),
        };
        journal::write(&self.mover.registry, &entry).await;
    }
}

/// Writes the settled record. Somebody else may have settled the same one first; anything else is theirs to say. Whether the record
/// names our master now, as far as is known.
async fn complete(mover: &Mover, guard: &LockGuard, state: &State, mut version: Version) -> bool {
    for _ in 0..PUBLISH_TRIES {
        match publish(&mover.registry, state, version, Some(guard)).await {
            Ok(()) => return true,
            Err(RecordError::Outrun) => {}
            Err(reason @ RecordError::Unconfirmed(_)) => {
                warn!(reason = %reason, "the new master is not confirmed in ZooKeeper; trying again");
                sleep(LATE).await;
            }
        }
        match mover.registry.read(&mover.registry.tree().state()).await {
            Ok(Some(node)) => match State::decode(&node.data) {
                Ok(Some(now)) if now.record() == state.record() && now.phase == Phase::Settled => {
                    return true;
                }
                Ok(Some(now)) if now.record() == state.record() => version = node.version,
                _ => {
                    warn!("the record names somebody else by now; left as it is");
                    return false;
                }
            },
            Ok(None) => return true,
            Err(_) => sleep(LATE).await,
        }
    }
    warn!("the new master is not recorded as settled; its wrapper or a watcher will do it");
    false
}

/// Completes what a dead predecessor began: the candidate is master already.
pub(crate) async fn finish(
    mover: &Mover,
    guard: &LockGuard,
    view: &View,
    record: &MasterRecord,
) -> Result<(), RecordError> {
    let (Some((state, version)), Some(snapshot)) = (&view.recorded, view.snapshot(&record.addr)) else {
        return Err(RecordError::Outrun);
    };
    publish(&mover.registry, &settled(state, snapshot), *version, Some(guard)).await?;
    let told = promote::announce_to_all(&mover.links, view, record).await;
    let old = state
        .replaces
        .as_ref()
        .map_or(&record.addr, |replaced| &replaced.addr);
    promote::repoint(&mover.links, view, &record.addr, old).await;
    info!(master = %record.addr, epoch = %record.epoch, sentinels = told, "a move of the role that was left unfinished is finished");
    Ok(())
}

/// Takes back what a dead predecessor intended: nobody was promoted, and the old master is well. The record still moves forward,
/// as one epoch never names two.
pub(crate) async fn undo(
    mover: &Mover,
    guard: &LockGuard,
    view: &View,
    master: &Addr,
    epoch: Epoch,
) -> Result<MasterRecord, RecordError> {
    let (Some((state, version)), Some(snapshot)) = (&view.recorded, view.snapshot(master)) else {
        return Err(RecordError::Outrun);
    };
    let restored = restored(state, master, snapshot, epoch, now_ms());
    publish(&mover.registry, &restored, *version, Some(guard)).await?;
    let record = restored.record();
    promote::announce_to_all(&mover.links, view, &record).await;
    info!(master = %record.addr, epoch = %record.epoch, "a move of the role that promoted nobody is undone");
    Ok(record)
}
