//! One attempt: look, plan, do one step, look again.

mod handing;

use std::time::{Duration, Instant};

use registry::LockGuard;
use tokio::time::sleep;
use topology::{Addr, Candidate, Epoch, MasterRecord, RunId};
use tracing::{info, warn};
use zkpaths::Timings;

use crate::RecordError;
use crate::choose::Choice;
use crate::elect::{Polled, elect, new_id};
use crate::execute::{Promotion, finish, undo};
use crate::fallback::through_a_sentinel;
use crate::handover::Paused;
use crate::look::{lost, probe_all};
use crate::mover::{Checkpoint, Mover};
use crate::outcome::{MoveError, Moved, OldMaster, Outcome};
use crate::plan::plan;
use crate::promote::{chain, promote};
use crate::step::{Step, Stop, Wait};
use crate::view::View;
use crate::warrant::Attempt;

/// Between two looks while something is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// After a lost race or an unconfirmed write.
const TRIES: u32 = 5;
/// For a promotion and what becomes of the old master: their caller's deadline must not come in between.
const TWO_COMMANDS: Duration = Duration::from_millis(600);
/// An intent that took longer to be recorded is not acted upon without another look. A session outlives it.
const RECORDED_WITHIN: Duration = Duration::from_secs(2);

/// One attempt, with what is held while it runs.
pub(crate) struct Run<'a> {
    mover: &'a Mover,
    guard: &'a LockGuard,
    attempt: Attempt,
    id: RunId,
    since: Instant,
    /// The caller's deadline.
    until: tokio::time::Instant,
    voted_at: Option<Instant>,
    paused: Option<Paused>,
    /// Whom writes may go to from now on: the old master must not take any more, whatever happens.
    committed: Option<Addr>,
    /// What became of the old master.
    old: Option<OldMaster>,
    timings: Timings,
    tries: u32,
    waiting: Option<(Wait, Instant)>,
    /// What the next step is decided on; none when it must be looked at anew.
    view: Option<View>,
}

impl<'a> Run<'a> {
    /// `view` is what was seen while the lock was taken, if it is fresh.
    pub(crate) fn new(
        mover: &'a Mover,
        guard: &'a LockGuard,
        attempt: Attempt,
        since: Instant,
        until: tokio::time::Instant,
        view: Option<View>,
    ) -> Self {
        Self {
            mover,
            guard,
            attempt,
            id: new_id(),
            since,
            until,
            voted_at: None,
            paused: None,
            committed: None,
            old: None,
            timings: Timings {
                locked_ms: millis(since.elapsed()),
                ..Timings::default()
            },
            tries: 0,
            waiting: None,
            view,
        }
    }

    /// The end, whichever: writes that are still held back go on, or to the successor, where somebody may have become master.
    pub(crate) async fn give_up(&mut self) {
        if let Some(successor) = self.committed.take() {
            self.old = Some(self.relieve(&successor).await);
        } else if let Some(paused) = self.paused.take() {
            paused.give_up().await;
        }
    }

    /// Whether the old master took part and did not obey.
    pub(crate) fn disobeyed(&self) -> bool {
        self.old == Some(OldMaster::Disobeys)
    }

    /// Until there is an outcome; the caller sets the deadline.
    pub(crate) async fn finish_it(&mut self) -> Outcome {
        self.checkpoint(Checkpoint::Locked).await;
        loop {
            if *self.guard.lost().borrow() {
                return Outcome::Failed(MoveError::LockLost);
            }
            let view = match self.view.take() {
                Some(view) => view,
                None => match self.mover.look(&self.attempt.warrant).await {
                    Ok(view) => view,
                    Err(reason) => return Outcome::Failed(MoveError::Look(reason)),
                },
            };
            if let (Some(votes), Some(at)) = (&mut self.attempt.votes, self.voted_at) {
                votes.age = at.elapsed();
            }
            let step = plan(&view, &self.attempt, self.mover.durability);
            if let Some(outcome) = self.take(&view, step).await {
                return outcome;
            }
            self.tries += 1;
        }
    }

    /// One step. None: look again.
    async fn take(&mut self, view: &View, step: Step) -> Option<Outcome> {
        match step {
            // They may catch up.
            Step::Stop(why @ Stop::NoCandidate(_)) if self.has_held_back() => {
                Some(Outcome::NotReady(why.to_string()))
            }
            Step::Stop(why) => Some(Outcome::Stopped(why)),
            Step::Wait { at_most, why } => self.wait(at_most, why).await,
            Step::Elect { epoch } => {
                let links = &self.mover.links;
                let nodes = probe_all(
                    links,
                    view.nodes.keys().cloned().collect(),
                    lost(&self.attempt.warrant),
                );
                let votes = async {
                    let polled = elect(links, view, epoch, &self.id).await;
                    // A Sentinel may have renewed the master's lease until it voted, and the last one counts.
                    (polled, Instant::now())
                };
                let ((Polled { votes, sentinels }, voted_at), nodes) = tokio::join!(votes, nodes);
                self.voted_at = Some(voted_at);
                // Who is fit is read after the votes, and so are the Sentinels; all else is guarded by the versions that it was read at.
                self.view = Some(View {
                    sentinels,
                    nodes,
                    ..view.clone()
                });
                info!(%epoch, votes = votes.granted, sentinels = view.known_sentinels(), "asked the sentinels for their votes");
                self.attempt.votes = Some(votes);
                self.attempt.elections += 1;
                self.timings.elected_ms = self.elapsed();
                self.checkpoint(Checkpoint::Elected).await;
                None
            }
            Step::Prepare { candidate } => self.prepare(candidate).await,
            Step::Promote {
                choice,
                epoch,
                replaces,
            } => {
                if self.tries > TRIES {
                    return Some(Outcome::Failed(MoveError::NobodyPromoted));
                }
                self.promote(view, &choice, epoch, &replaces).await
            }
            Step::Finish { record } => self.finish(view, record).await,
            Step::Undo { master, epoch } => self.undo(view, &master, epoch).await,
            Step::AskSentinel { replaces } => {
                warn!("too few sentinels take announcements; one of them is asked to move the role");
                let moved = through_a_sentinel(&self.mover.links, view, &replaces).await;
                Some(moved.map_or(Outcome::Failed(MoveError::NobodyPromoted), Outcome::Finished))
            }
        }
    }

    async fn wait(&mut self, at_most: Duration, why: Wait) -> Option<Outcome> {
        let now = Instant::now();
        let began = match &self.waiting {
            Some((before, began)) if std::mem::discriminant(before) == std::mem::discriminant(&why) => *began,
            Some(_) | None => {
                info!(reason = %why, "waiting");
                now
            }
        };
        self.waiting = Some((why.clone(), began));
        self.tries = 0;
        match why {
            // The remaining time is new at each look, and ends.
            Wait::LeaseRuns(_) => sleep(at_most.min(LOOK_AGAIN)).await,
            Wait::SentinelsAreMovingIt(_) if now - began > at_most => return Some(Outcome::Waited(why)),
            Wait::SentinelsAreMovingIt(_) => sleep(LOOK_AGAIN).await,
        }
        None
    }

    async fn promote(
        &mut self,
        view: &View,
        choice: &Choice,
        epoch: Epoch,
        replaces: &Addr,
    ) -> Option<Outcome> {
        if let Some(outcome) = self.is_late() {
            return Some(outcome);
        }
        let asked = Instant::now();
        let warrant = self.attempt.warrant.clone();
        let plan = Promotion {
            mover: self.mover,
            guard: self.guard,
            view,
            choice,
            epoch,
            replaces,
            warrant: &warrant,
        };
        let version = match plan.record().await {
            Ok((_, version)) => version,
            Err(RecordError::Outrun) => return None,
            Err(reason) if self.tries < TRIES => {
                warn!(reason = %reason, "the intent is not recorded; looking again");
                sleep(LOOK_AGAIN).await;
                return None;
            }
            Err(reason) => return Some(Outcome::Failed(MoveError::Record(reason))),
        };
        self.timings.recorded_ms = self.elapsed();
        self.checkpoint(Checkpoint::Recorded).await;
        // The record took its time, or this process stood still: another may have moved on, or the pause be over.
        if let Some(outcome) = self.is_late() {
            return Some(outcome);
        }
        if asked.elapsed() > RECORDED_WITHIN || *self.guard.lost().borrow() {
            warn!("the intent was recorded too long ago to be acted upon; looking again");
            return None;
        }
        self.committed = self.paused.as_ref().map(|_| choice.candidate.addr.clone());
        let Candidate { addr, run_id, .. } = &choice.candidate;
        let snapshot = match promote(&self.mover.links, addr, run_id).await {
            Ok(snapshot) => snapshot,
            Err(reason) if reason.is_open() && self.committed.is_some() => {
                warn!(replica = %choice.candidate.addr, reason = %chain(&reason), "perhaps promoted; the old master gives way, and it is asked again");
                self.give_up().await;
                return None;
            }
            Err(reason) => {
                self.committed = None;
                warn!(replica = %choice.candidate.addr, reason = %chain(&reason), "not promoted; the next one");
                self.attempt.failed.insert(choice.candidate.addr.clone());
                self.attempt.votes = None;
                return None;
            }
        };
        self.timings.promoted_ms = self.elapsed();
        self.checkpoint(Checkpoint::Promoted).await;
        self.committed = None;
        let old = match self.old {
            Some(old) => old,
            None => self.relieve(&choice.candidate.addr).await,
        };
        self.old = Some(old);
        let votes = self.attempt.votes.map_or(0, |votes| votes.granted);
        let (since, timings) = (self.since, self.timings);
        let done = plan.announce(version, &snapshot, since, timings).await;
        self.checkpoint(Checkpoint::Announced).await;
        plan.follow_up(&done, votes).await;
        Some(Outcome::Moved(Box::new(Moved {
            record: done.record,
            from: replaces.clone(),
            timings: done.timings,
            old,
        })))
    }

    async fn finish(&mut self, view: &View, record: MasterRecord) -> Option<Outcome> {
        match finish(self.mover, self.guard, view, &record).await {
            Ok(()) => Some(Outcome::Finished(record)),
            Err(reason) => self.again(reason).await,
        }
    }

    async fn undo(&mut self, view: &View, master: &Addr, epoch: Epoch) -> Option<Outcome> {
        match undo(self.mover, self.guard, view, master, epoch).await {
            Ok(record) => Some(Outcome::Finished(record)),
            Err(reason) => self.again(reason).await,
        }
    }

    async fn again(&mut self, reason: RecordError) -> Option<Outcome> {
        if self.tries > TRIES {
            return Some(Outcome::Failed(MoveError::Record(reason)));
        }
        sleep(LOOK_AGAIN).await;
        None
    }

    fn elapsed(&self) -> u64 {
        millis(self.since.elapsed())
    }

    async fn checkpoint(&self, point: Checkpoint) {
        if let Some(hook) = &self.mover.hook {
            hook(point).await;
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
