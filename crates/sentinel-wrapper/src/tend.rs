//! One look after another while the Sentinel runs: keep it in step, rid it of ghosts, tidy ZooKeeper.
//!
//! A change in ZooKeeper only means *look at once*; without one there is a look every two seconds. What did not take
//! is tried again ever more slowly: a Sentinel that does not listen must not be shouted at.

mod showing;

use std::collections::BTreeSet;
use std::time::Duration;

use registry::{Registered, Registration};
use tokio::time::Instant;
use topology::{MasterRecord, RunId};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::act::{self, Forgotten, Told};
use crate::admin::Page;
use crate::admission::Admission;
use crate::decide::{InStep, Keep, Rewrite, Waiting, keep};
use crate::ghosts::{NotNow, Suspect, Suspicion, suspects};
use crate::hearing::{Hearing, Silence};
use crate::observe::Observer;
use crate::recorded::NoRecord;
use crate::view::{Monitoring, Own, Peer, Reach, Recorded, View};

/// Between two looks when nothing happens.
pub(crate) const LOOK: Duration = Duration::from_secs(2);
const BETWEEN_RESETS: Duration = Duration::from_secs(20);

/// What only the loop above can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Start Sentinel again with a new file.
    Restart(Rewrite),
    /// The run id is another's: take another and start again.
    Identity,
    /// It hangs: kill it.
    Kill,
}

/// Memory from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The record that was told last, and how often in vain.
    told: Option<(MasterRecord, u32)>,
    /// Attempts in a row, restarts included, that left the Sentinel out of step.
    attempts: u32,
    act_after: Option<Instant>,
    silence: Silence,
    conflict: Option<(MasterRecord, MasterRecord)>,
    admission: Admission,
    waiting: Option<Waiting>,
    not_now: Option<NotNow>,
    suspicion: Suspicion,
    pub(crate) registrations: Suspicion,
    reset_after: Option<Instant>,
    pub(crate) tidy_after: Option<Instant>,
}

/// Longer with each attempt, with half of it chance, so that a group does not act in step.
fn backoff(attempts: u32) -> Duration {
    let whole = Duration::from_millis(250).saturating_mul(1 << attempts.min(7));
    let chance = u32::from(Uuid::new_v4().as_bytes()[0]);
    whole / 2 + whole * chance / 512
}

impl Memory {
    /// When the next look is due at the latest.
    pub(crate) fn next_look(&self, now: Instant) -> Instant {
        self.act_after
            .filter(|at| *at > now)
            .map_or(now + LOOK, |at| at.min(now + LOOK))
    }

    /// A restart was tried, or could not be.
    pub(crate) fn tried(&mut self) {
        self.attempts += 1;
        self.act_after = Some(Instant::now() + backoff(self.attempts));
    }

    fn may_act(&self) -> bool {
        self.act_after.is_none_or(|at| Instant::now() >= at)
    }

    fn refused(&self, view: &Recorded) -> u32 {
        match (view, &self.told) {
            (Recorded::Yes { record, .. }, Some((told, refused))) if record == told => *refused,
            _ => 0,
        }
    }
}

/// One look.
pub(crate) struct Look<'a> {
    pub(crate) observer: &'a mut Observer,
    pub(crate) memory: &'a mut Memory,
    pub(crate) page: &'a Page,
    pub(crate) id: &'a RunId,
    pub(crate) slot: &'a Registration,
    pub(crate) registration: &'a Registration,
}

impl Look<'_> {
    /// Looks, decides, acts. Says what only the caller can do.
    pub(crate) async fn take(mut self) -> Option<Need> {
        let registered = |registration: &Registration| *registration.status().borrow();
        if registered(self.slot) == Registered::Taken {
            return self.memory.may_act().then_some(Need::Identity);
        }
        let view = self.observer.look(|recorded| self.memory.refused(recorded)).await;
        let decision = keep(&view);
        let hearing = self.hear(&view.own);
        self.show(
            &view,
            &decision,
            hearing,
            registered(self.registration) == Registered::Present,
        );
        if hearing == Hearing::Hung {
            return Some(Need::Kill);
        }
        match decision {
            Keep::InStep(_) => self.ghosts(&view).await,
            // First everything else must be right.
            Keep::Conflict { .. } | Keep::Announce { .. } | Keep::Rewrite(_) | Keep::Wait(_) => {
                self.memory.suspicion.blind();
            }
        }
        let need = self.act(decision, view.refused).await;
        if need.is_none() {
            self.ask_to_be_let_in(&view.own).await;
            self.tidy().await;
        }
        need
    }

    async fn act(&mut self, decision: Keep, refused: u32) -> Option<Need> {
        let memory = &mut *self.memory;
        if !matches!(decision, Keep::Wait(_)) {
            memory.waiting = None;
        }
        match decision {
            Keep::InStep(InStep::Same | InStep::Ahead) => {
                (memory.attempts, memory.act_after, memory.told, memory.conflict) = (0, None, None, None);
                None
            }
            Keep::Conflict { recorded, reported } => {
                let pair = (recorded, reported);
                if memory.conflict.as_ref() != Some(&pair) {
                    let (recorded, reported) = &pair;
                    self.page.metrics.conflicts.inc();
                    error!(
                        recorded = %recorded.addr, reported = %reported.addr, epoch = recorded.epoch.0,
                        "two masters share one epoch; nothing is done until a person decides"
                    );
                    memory.conflict = Some(pair);
                }
                None
            }
            Keep::Wait(reason) => {
                if memory.waiting.as_ref() != Some(&reason) {
                    say(&reason);
                    memory.waiting = Some(reason);
                }
                None
            }
            Keep::Announce { .. } | Keep::Rewrite(_) if !memory.may_act() => None,
            Keep::Rewrite(why) => {
                warn!(reason = why.word(), "sentinel is started again with a new file");
                Some(Need::Restart(why))
            }
            Keep::Announce { sender, record } => {
                self.tell(&sender, record, refused).await;
                None
            }
        }
    }

    async fn tell(&mut self, sender: &Peer, record: MasterRecord, refused: u32) {
        let (master, epoch) = (&record.addr, record.epoch.0);
        info!(%master, epoch, peer = %sender.addr, "sentinel is behind; it is told");
        self.page.metrics.announces.inc();
        match act::announce(self.observer, sender, &record).await {
            Ok(Told::Taken) => {
                info!(%master, epoch, "sentinel follows");
                (self.memory.attempts, self.memory.act_after, self.memory.told) = (0, None, None);
            }
            Ok(Told::NotTaken) => {
                warn!(%master, epoch, "sentinel did not take the announcement");
                self.memory.told = Some((record, refused + 1));
                self.memory.tried();
            }
            Err(problem) => {
                warn!(%master, epoch, reason = %problem, "sentinel could not be told");
                self.memory.tried();
            }
        }
    }

    /// Ghosts among what the own Sentinel knows.
    async fn ghosts(&mut self, view: &View) {
        let (Own::Monitoring(own), Recorded::Yes { record, .. }) = (&view.own, &view.recorded) else {
            self.memory.suspicion.blind();
            return;
        };
        let ripe = self.ripe(own, record).await;
        let too_soon = self.memory.reset_after.is_some_and(|at| Instant::now() < at);
        if ripe.is_empty() || too_soon {
            return;
        }
        match act::forget(self.observer, self.id, &ripe).await {
            Ok(done @ (Forgotten::Recovered | Forgotten::Recovering)) => {
                self.page.metrics.resets.inc();
                let ghosts = ripe
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                info!(ghosts, recovered = done == Forgotten::Recovered, "ghosts removed");
                self.memory.reset_after = Some(Instant::now() + BETWEEN_RESETS);
                self.memory.suspicion.blind();
                self.memory.not_now = None;
            }
            Ok(Forgotten::NotNow(reason)) => {
                if self.memory.not_now.as_ref() != Some(&reason) {
                    info!(%reason, "ghosts stay for now");
                    self.memory.not_now = Some(reason);
                }
            }
            Ok(Forgotten::NoneLeft | Forgotten::Busy) => {}
            Err(problem) => warn!(reason = %program::chain(&problem), "ghosts could not be removed"),
        }
    }

    async fn ripe(&mut self, own: &Monitoring, record: &MasterRecord) -> Vec<Suspect> {
        let now = Instant::now().into_std();
        let all_up = own.peers.iter().all(|peer| peer.reach == Reach::Up)
            && own.replicas.iter().all(|replica| replica.reach == Reach::Up);
        if all_up {
            return self.memory.suspicion.look(BTreeSet::new(), now);
        }
        if let Ok(census) = self.observer.census().await {
            return self.memory.suspicion.look(suspects(own, &census, record), now);
        }
        self.memory.suspicion.blind();
        Vec::new()
    }
}

/// Garbage in ZooKeeper, and a record that nobody stands behind, are worth a warning; the others are passing.
fn say(reason: &Waiting) {
    match reason {
        Waiting::NoRecord(reason @ (NoRecord::Malformed { .. } | NoRecord::OtherGroup(_))) => {
            warn!(%reason, "no master to keep in step with");
        }
        // ZooKeeper is ahead, and stays so until that node answers: nobody else would say why.
        Waiting::MasterUnconfirmed => {
            warn!(
                ?reason,
                "the recorded master does not say that it is one; sentinel keeps its own"
            );
        }
        Waiting::NoRecord(NoRecord::NotRead | NoRecord::Nobody | NoRecord::Moving)
        | Waiting::RecordStale
        | Waiting::SentinelSilent
        | Waiting::SentinelUnusable => debug!(?reason, "nothing to keep in step with"),
    }
}
