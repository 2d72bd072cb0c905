//! One sink's turns.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{Drain, LOOK};
use crate::message::Message;
use crate::sink::{Sink, SinkError};
use crate::spool::{LATEST, Outcome, SpoolError, Turn};
use crate::store::{self, Claim, Counted, Store};

/// After the first failure.
const AGAIN: Duration = Duration::from_millis(500);
/// After many.
const AGAIN_MOST: Duration = Duration::from_secs(15);
/// A receiver may ask to be left alone no longer than this.
const BUSY_MOST: Duration = Duration::from_secs(10 * 60);
/// Somebody else is at it, or the store is to be asked first.
const SOON: Duration = Duration::from_millis(200);
/// More than a receiver's own deadline, for what is about it.
const MARGIN: Duration = Duration::from_secs(5);

/// Whom to deliver to.
#[derive(Clone, Copy)]
pub(super) enum Taker<'a> {
    /// A sink of the outside world.
    Outlet(&'a dyn Sink),
    /// The store, which counts.
    Store(&'a Store),
}

impl Taker<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Outlet(sink) => sink.name(),
            Self::Store(_) => store::NAME,
        }
    }
}

/// What came of looking for work.
enum Step {
    /// There was some.
    Done,
    /// There is none for so long.
    Wait(Duration),
}

/// What is known of others that may deliver the same.
enum Leave<'a> {
    /// It is ours, and noted as such.
    Claimed(&'a Store, &'a str),
    /// There are no others.
    Free,
    /// They cannot be asked.
    Alone,
    /// It is delivered.
    Done,
    /// One of them is at it.
    Elsewhere,
    /// They can be asked soon.
    NotYet,
}

/// What a sink is given.
pub fn message(turn: &Turn) -> Option<Message> {
    let telling = &turn.spooled.telling;
    Some(Message {
        id: turn.shared.clone().unwrap_or_else(|| turn.id.clone()),
        call: telling.call()?,
        at: telling.at,
        epoch: turn.epoch,
        sentinel: telling.sentinel.clone(),
        host: telling.host.clone(),
        trial: false,
    })
}

impl Drain {
    /// Gives a sink its turns, until it is closing time.
    pub(super) async fn keep(&self, taker: Taker<'_>) {
        let name = taker.name().to_owned();
        let (mut news, mut closing) = (self.news.subscribe(), self.closing.subscribe());
        while !*closing.borrow_and_update() {
            let wait = match self.step(taker, &name).await {
                Ok(Step::Done) => continue,
                Ok(Step::Wait(wait)) => wait,
                Err(problem) => {
                    let reason = crate::call::chain(&problem);
                    warn!(sink = name, reason, "the spool cannot be used");
                    LOOK
                }
            };
            tokio::select! {
                _ = timeout(wait, news.changed()) => {}
                _ = closing.changed() => {}
            }
        }
    }

    async fn step(&self, taker: Taker<'_>, name: &str) -> Result<Step, SpoolError> {
        let now = Timestamp::now();
        let (failures, due) = self.spool(|spool| spool.rest(name))?;
        if let Some(wait) = due.and_then(|due| until(now, due)) {
            return Ok(Step::Wait(wait.min(LOOK)));
        }
        let Some(turn) = self.spool(|spool| spool.next_turn(name, now))? else {
            let due = self.spool(|spool| spool.next_due(name))?;
            let wait = due.and_then(|due| until(now, due));
            return Ok(Step::Wait(wait.map_or(LOOK, |wait| wait.min(LOOK))));
        };
        let Some(outcome) = self.turn(taker, &turn, failures).await? else {
            return Ok(Step::Wait(SOON));
        };
        self.note(name, &turn, &outcome).await;
        self.tell(name, &turn, &outcome, failures);
        Ok(Step::Done)
    }

    /// Notes what came of it. It has happened: so this is tried until it is noted, or nobody waits for it any more.
    async fn note(&self, name: &str, turn: &Turn, outcome: &Outcome) {
        let mut closing: watch::Receiver<bool> = self.closing.subscribe();
        loop {
            match self.spool(|spool| spool.took(turn, name, outcome, Timestamp::now())) {
                Ok(()) => return,
                Err(problem) if *closing.borrow_and_update() => {
                    let reason = crate::call::chain(&problem);
                    warn!(
                        sink = name,
                        id = turn.id,
                        reason,
                        "what was delivered cannot be noted"
                    );
                    return;
                }
                Err(_) => sleep(SOON).await,
            }
        }
    }

    /// One line for each change: what was delivered, and that a sink fails, why, and that it does no more; not each try.
    fn tell(&self, sink: &str, turn: &Turn, outcome: &Outcome, failures: u32) {
        let (mode, id) = (self.config.mode.name(), turn.shared.as_ref().unwrap_or(&turn.id));
        let event = turn.spooled.telling.arguments.join(" ");
        match outcome {
            Outcome::Delivered => info!(mode, sink, id, event, failures = turn.tries, "delivered"),
            Outcome::DeliveredAlone => {
                info!(
                    mode,
                    sink,
                    id,
                    event,
                    failures = turn.tries,
                    "delivered without the store: another host may have delivered it too"
                );
            }
            Outcome::Failed { again, reason } => {
                let again_ms = again.as_millis();
                if self.is_another(sink, reason) || failures == 0 {
                    warn!(
                        mode,
                        sink, id, event, again_ms, reason, "not delivered yet; it is tried again and again"
                    );
                }
            }
            Outcome::Repeated if turn.shared.is_some() => {
                info!(mode, sink, id, event, "delivered before, by this host or another");
            }
            Outcome::Repeated | Outcome::Elsewhere { .. } => {}
        }
    }

    /// Whether this sink's reason to fail is another one than the last time.
    fn is_another(&self, sink: &str, reason: &str) -> bool {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons
            .insert(sink.to_owned(), reason.to_owned())
            .is_none_or(|before| before != reason)
    }

    async fn turn(
        &self,
        taker: Taker<'_>,
        turn: &Turn,
        failures: u32,
    ) -> Result<Option<Outcome>, SpoolError> {
        let Some(message) = message(turn) else {
            return Ok(Some(Outcome::Repeated));
        };
        let times = turn.tries.max(failures);
        match taker {
            Taker::Store(store) => self.count(store, turn, &message, times).await,
            Taker::Outlet(sink) => self.send(sink, turn, &message, times).await,
        }
    }

    /// The store judges and counts by the shared book only.
    async fn count(
        &self,
        store: &Store,
        turn: &Turn,
        message: &Message,
        times: u32,
    ) -> Result<Option<Outcome>, SpoolError> {
        let Some(shared) = &turn.shared else {
            let away = self.away().clone();
            return Ok(away.map(|(reason, _)| failed(times, reason)));
        };
        self.spool(|spool| spool.begin(turn, store::NAME))?;
        Ok(Some(match store.count(shared, message).await {
            Ok(Counted::Once) => Outcome::Delivered,
            Ok(Counted::Repeated) => Outcome::Repeated,
            Ok(Counted::Partly(reason)) => {
                warn!(
                    id = shared,
                    reason, "counted, except where a key in the store is of another type"
                );
                Outcome::Delivered
            }
            Err(problem) => failed(times, problem.to_string()),
        }))
    }

    async fn leave<'a>(&'a self, sink: &dyn Sink, turn: &'a Turn) -> Result<Leave<'a>, SpoolError> {
        let Some(store) = &self.store else {
            let has = self.spool(|spool| spool.has(&turn.id, sink.name()))?;
            return Ok(if has { Leave::Done } else { Leave::Free });
        };
        let Some(shared) = &turn.shared else {
            if self.is_patient(store) {
                return Ok(Leave::NotYet);
            }
            let has = self.spool(|spool| spool.has(&turn.id, sink.name()))?;
            return Ok(if has { Leave::Done } else { Leave::Alone });
        };
        // Longer than all that may happen until it is noted.
        let lease = sink.deadline() + 3 * store.config().timeout + MARGIN;
        Ok(match store.claim(sink.name(), shared, lease).await {
            Ok(claim) => {
                self.store_answers();
                match claim {
                    Claim::Ours => Leave::Claimed(store, shared),
                    Claim::Done => Leave::Done,
                    Claim::Elsewhere => Leave::Elsewhere,
                }
            }
            Err(problem) => {
                self.note_away(&problem);
                if self.is_patient(store) {
                    Leave::NotYet
                } else {
                    Leave::Alone
                }
            }
        })
    }

    async fn send(
        &self,
        sink: &dyn Sink,
        turn: &Turn,
        message: &Message,
        times: u32,
    ) -> Result<Option<Outcome>, SpoolError> {
        let leave = self.leave(sink, turn).await?;
        match leave {
            Leave::Done => return Ok(Some(Outcome::Repeated)),
            Leave::Elsewhere => return Ok(Some(Outcome::Elsewhere { again: SOON })),
            Leave::NotYet => return Ok(None),
            Leave::Claimed(..) | Leave::Free | Leave::Alone => {}
        }
        self.spool(|spool| spool.begin(turn, sink.name()))?;
        let sent = timeout(sink.deadline() + Duration::from_secs(1), sink.send(message)).await;
        let sent = sent.unwrap_or_else(|_| Err(SinkError::Failed("no answer".to_owned())));
        let delivered = match leave {
            Leave::Claimed(store, shared) if sent.is_ok() => match store.done(sink.name(), shared).await {
                Ok(()) => Outcome::Delivered,
                // They are told when it is back; until then the claim keeps them off.
                Err(_) => Outcome::DeliveredAlone,
            },
            Leave::Claimed(store, shared) => {
                let _ = store.release(sink.name(), shared).await;
                Outcome::Delivered
            }
            Leave::Alone => Outcome::DeliveredAlone,
            Leave::Free | Leave::Done | Leave::Elsewhere | Leave::NotYet => Outcome::Delivered,
        };
        Ok(Some(match sent {
            Ok(()) => delivered,
            Err(SinkError::Failed(reason)) => failed(times, reason),
            Err(SinkError::Busy { reason, after }) => Outcome::Failed {
                again: after.min(BUSY_MOST),
                reason,
            },
        }))
    }
}

/// Longer each time, whether it is the event that fails or the sink.
fn failed(times: u32, reason: String) -> Outcome {
    let again = AGAIN.saturating_mul(1 << times.min(10)).min(AGAIN_MOST);
    let jitter = rand::random_range(0.8..1.2);
    Outcome::Failed {
        again: again.mul_f64(jitter),
        reason,
    }
}

/// How long it is until then; none if it is past, or further away than anything is put off: the clock went back.
fn until(now: Timestamp, due: Timestamp) -> Option<Duration> {
    let wait = Duration::try_from(due.duration_since(now)).ok()?;
    (!wait.is_zero() && wait <= LATEST).then_some(wait)
}
