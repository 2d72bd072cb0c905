//! Keeps one sink in step, in a task of its own: brings it to each new picture at once, looks after it from time to time, and
//! tries again, ever more slowly, while it fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use topology::{Epoch, MasterName};
use tracing::{debug, info, warn};

use crate::picture::Picture;
use crate::sink::{Brought, Sink, SinkError};
use crate::standing::{Standing, Step};

const FIRST_RETRY: Duration = Duration::from_millis(100);
/// So long a sink that is being brought in step may go on at the end: between two writes of one change it has neither.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How one sink is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long it may take to be brought in step once.
    pub deadline: Duration,
    /// How often it is looked at while nothing changes.
    pub every: Duration,
    /// The longest time between two tries while it fails.
    pub ceiling: Duration,
}

/// Whether it is this program that tells the sink: what is shared by several watchers is told by the one that leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It is.
    Open,
    /// Another one does.
    Shut,
}

/// Keeps `sink` in step with what the board shows until `stop`. `standing` is told how it stands.
pub async fn keep<S: Sink>(
    mut sink: S,
    terms: Terms,
    mut pictures: watch::Receiver<Arc<Picture>>,
    mut gate: watch::Receiver<Gate>,
    standing: watch::Sender<Standing>,
    stop: CancellationToken,
) {
    let mut tries: u32 = 0;
    while !stop.is_cancelled() {
        let open = *gate.borrow_and_update() == Gate::Open;
        let picture = pictures.borrow_and_update().clone();
        let wait = if open && !picture.groups.is_empty() {
            let began = Instant::now();
            let brought = {
                let mut bringing = std::pin::pin!(tokio::time::timeout(terms.deadline, sink.bring(&picture)));
                tokio::select! {
                    () = stop.cancelled() => {
                        let _ = tokio::time::timeout(LAST_WORDS, bringing).await;
                        return;
                    }
                    brought = &mut bringing => brought,
                }
            };
            let outcome = brought.unwrap_or_else(|_| {
                Err(SinkError::Unreachable {
                    what: standing.borrow().name.clone(),
                    source: format!("no end after {} ms", terms.deadline.as_millis()).into(),
                })
            });
            if outcome.is_err() {
                note_moves(&standing, &picture, Some(&sink.confirmed()));
            }
            let rests = match &outcome {
                Err(SinkError::Resting { after, .. }) => Some(*after),
                Err(_) | Ok(_) => None,
            };
            tries = note(&standing, &picture, outcome, tries, began);
            if let Some(after) = rests {
                after.clamp(FIRST_RETRY, terms.every.max(FIRST_RETRY))
            } else if tries == 0 {
                terms.every
            } else {
                backoff(tries, terms.ceiling)
            }
        } else {
            tries = 0;
            let step = if open { Step::Idle } else { Step::Standby };
            standing.send_if_modified(|standing| {
                let news = standing.step != step;
                standing.step = step;
                news
            });
            if !open {
                let aside = tokio::select! {
                    () = stop.cancelled() => return,
                    aside = tokio::time::timeout(terms.deadline, sink.stand_aside(&picture)) => aside,
                };
                if let Ok(Err(error)) = aside {
                    let (sink, reason) = (&standing.borrow().name, chain(&error));
                    debug!(%sink, %reason, "sink not left to the leader yet");
                }
            }
            terms.every
        };
        let jitter = rand::random_range(0.8..1.2);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = pictures.changed() => if changed.is_err() { return },
            changed = gate.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait.mul_f64(jitter)) => {}
        }
    }
}

/// How long to wait after so many failures in a row.
fn backoff(tries: u32, ceiling: Duration) -> Duration {
    (FIRST_RETRY * 2_u32.pow(tries.saturating_sub(1).min(16))).min(ceiling)
}

/// Notes what came of one try, tells of changes, and returns how many failed in a row.
fn note(
    standing: &watch::Sender<Standing>,
    picture: &Picture,
    outcome: Result<Brought, SinkError>,
    tries: u32,
    began: Instant,
) -> u32 {
    let name = standing.borrow().name.clone();
    match outcome {
        Ok(brought) => {
            let was_behind = matches!(standing.borrow().step, Step::Behind { .. });
            note_moves(standing, picture, None);
            if was_behind {
                info!(sink = %name, "sink is in step again");
            }
            if let Some(reason) = brought
                .remark
                .as_ref()
                .filter(|remark| standing.borrow().remark.as_ref() != Some(*remark))
            {
                warn!(sink = %name, %reason, "sink is not as it could be");
            }
            standing.send_modify(|standing| {
                standing.step = Step::InStep { at: Instant::now() };
                standing.remark = brought.remark;
            });
            0
        }
        Err(error) => {
            // Where nothing was tried nothing failed once more.
            let (error, failed) = if let SinkError::Resting { error, .. } = error {
                (*error, 0)
            } else {
                (error, 1)
            };
            let reason = chain(&error);
            let known = match &standing.borrow().step {
                Step::Behind { reason: before, .. } => *before == reason,
                Step::Idle | Step::Standby | Step::InStep { .. } => false,
            };
            if known {
                debug!(sink = %name, %reason, "sink not in step");
            } else {
                warn!(sink = %name, %reason, "sink not in step; trying again");
            }
            standing.send_modify(|standing| {
                let since = match standing.step {
                    Step::Behind { since, .. } => since,
                    Step::Idle | Step::Standby | Step::InStep { .. } => began,
                };
                standing.failures += u64::from(failed);
                standing.step = Step::Behind {
                    since,
                    tries: tries.saturating_add(failed),
                    reason,
                };
            });
            tries.saturating_add(failed)
        }
    }
}

/// Notes the groups of whose epoch the sink had not been known to have heard, and how long that took: of those in `only`, where not
/// all were told.
fn note_moves(
    standing: &watch::Sender<Standing>,
    picture: &Picture,
    only: Option<&BTreeMap<MasterName, Epoch>>,
) {
    standing.send_if_modified(|standing| {
        let mut news = false;
        for group in picture.groups.values() {
            let (name, epoch) = (&group.name, group.master.epoch);
            let has = only.is_none_or(|only| only.get(name) == Some(&epoch));
            if has && standing.confirmed.get(name) != Some(&epoch) {
                let took = group.master.seen.elapsed();
                let (sink, elapsed_ms) = (&standing.name, took.as_millis());
                info!(%sink, %name, %epoch, elapsed_ms, "sink has the master");
                standing.moves += 1;
                standing.last_took = Some(took);
                standing.confirmed.insert(name.clone(), epoch);
                news = true;
            }
        }
        news
    });
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
