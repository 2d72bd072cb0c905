//! What to do next, and why: a pure function of what is seen and of what the attempt has done so far.
//!
//! The order of the questions is the safety argument: has somebody else moved on, does the master live after all, are the Sentinels
//! moving the role themselves, did they elect us, is the lease over, who is fit. Only then is anything changed.

use std::time::Duration;

use instance::Probe;
use topology::{Addr, Epoch, MasterRecord};
use zkpaths::{Phase, State};

use crate::choose::{Choice, Durability, choose};
use crate::step::{Step, Stop, Wait};
use crate::tally::{Election, tally};
use crate::{Attempt, Takes, View, Warrant};

/// Beyond the end of a lease: the fence's own deadline and the drift of two clocks.
pub const LEASE_MARGIN: Duration = Duration::from_millis(250);
/// How many elections one attempt holds before it leaves the role to the Sentinels.
const ELECTIONS: u32 = 3;

/// Votes that are older are asked for anew: after 10 s a vote no longer keeps the Sentinels from standing in for a master's lease (0007),
/// and what is decided on them still takes its time.
const VOTES_HOLD: Duration = Duration::from_secs(5);

/// Decides. `durability` is the group's promise to its clients.
pub fn plan(view: &View, attempt: &Attempt, durability: Durability) -> Step {
    let Some((state, _)) = &view.recorded else {
        return Step::Stop(Stop::NothingRecorded);
    };
    if let Some(pause) = view.paused.as_ref().filter(|_| attempt.warrant.is_automatic()) {
        let (who, why) = (pause.who.clone(), pause.why.clone());
        return Step::Stop(Stop::Paused { who, why });
    }
    if let Some(ahead) = sentinels_are_ahead(view, state) {
        return Step::Stop(Stop::EpochMovedOn(ahead));
    }
    let replaces = match whom(view, state, attempt) {
        Ok(replaces) => replaces,
        Err(step) => return step,
    };
    if let Some(step) = sentinels_are_moving_it(view) {
        return step;
    }
    // No election for nobody: it would keep the Sentinels from holding one. Who is fit is looked at again after the votes.
    if attempt.votes.is_none()
        && let Err(why) = choose(view, &replaces, attempt, durability)
    {
        return Step::Stop(Stop::NoCandidate(why));
    }
    let epoch = match elected(view, state, attempt, &replaces, durability) {
        Ok(epoch) => epoch,
        Err(step) => return step,
    };
    if let Some(step) = lease_runs(view, state, attempt, &replaces) {
        return step;
    }
    let choice = match choose(view, &replaces, attempt, durability) {
        Ok(choice) => choice,
        Err(why) => return Step::Stop(Stop::NoCandidate(why)),
    };
    promote(attempt, choice, epoch, replaces)
}

fn promote(attempt: &Attempt, choice: Choice, epoch: Epoch, replaces: Addr) -> Step {
    let is_handover = matches!(attempt.warrant, Warrant::Handover { .. });
    if is_handover && attempt.prepared.as_ref() != Some(&choice.candidate.addr) {
        let candidate = choice.candidate.addr;
        return Step::Prepare { candidate };
    }
    Step::Promote {
        choice: Box::new(choice),
        epoch,
        replaces,
    }
}

/// Whom the new master replaces, or what else is to be done.
fn whom(view: &View, state: &State, attempt: &Attempt) -> Result<Addr, Step> {
    let recorded = &state.master.addr;
    let warranted = attempt.warrant.master();
    match &state.phase {
        Phase::Other(word) => Err(Step::Stop(Stop::UnknownPhase(word.clone()))),
        Phase::Promoting if warranted != Some(recorded) => unfinished(view, state, attempt),
        Phase::Claimed | Phase::Promoting | Phase::Settled => match warranted {
            Some(master) if master == recorded => {
                lives(view, attempt, master).map_or_else(|| Ok(master.clone()), |stop| Err(Step::Stop(stop)))
            }
            Some(_) | None => Err(Step::Stop(Stop::EpochMovedOn(state.record()))),
        },
    }
}

/// The record names a candidate that somebody wanted to promote.
fn unfinished(view: &View, state: &State, attempt: &Attempt) -> Result<Addr, Step> {
    let candidate = &state.master.addr;
    if view.answers_as_master(candidate).is_some() {
        return Err(Step::Finish {
            record: state.record(),
        });
    }
    let Some(old) = state.replaces.as_ref().map(|old| &old.addr) else {
        return Ok(candidate.clone());
    };
    let gives_it_away = matches!(&attempt.warrant, Warrant::Handover { master } if master == old);
    if !gives_it_away && view.answers_as_master(old).is_some() && lives(view, attempt, old).is_some() {
        return Err(Step::Undo {
            master: old.clone(),
            epoch: view.next_epoch(),
        });
    }
    match attempt.warrant.master() {
        None => Ok(old.clone()),
        Some(master) if master == old => Ok(old.clone()),
        // Somebody has moved on from the master that this warrant is about.
        Some(_) => Err(Step::Stop(Stop::EpochMovedOn(state.record()))),
    }
}

/// Whether the master contradicts its warrant.
fn lives(view: &View, attempt: &Attempt, master: &Addr) -> Option<Stop> {
    let probe = view.nodes.get(master)?;
    let as_master = || view.answers_as_master(master);
    let answers = match (probe, &attempt.warrant) {
        // What only reads its data set may be another process by now, which will serve it as a replica.
        (Probe::Refused | Probe::Unreachable, _)
        | (_, Warrant::Handover { .. })
        | (
            Probe::Loading | Probe::Busy | Probe::Denied(_),
            Warrant::Died { .. } | Warrant::Returned { .. },
        ) => false,
        (Probe::Answered(_), Warrant::Died { run_id, .. }) => {
            as_master().is_some_and(|other| Some(other) != run_id.as_ref())
        }
        (Probe::Answered(_), Warrant::Returned { .. } | Warrant::Unfinished) => as_master().is_some(),
        (
            Probe::Answered(_) | Probe::Loading | Probe::Busy | Probe::Denied(_),
            Warrant::Refused { .. } | Warrant::LeaseOver { .. } | Warrant::Unfinished,
        ) => true,
    };
    answers.then(|| Stop::MasterAnswers(master.clone()))
}

/// A Sentinel knows a later master that is one.
fn sentinels_are_ahead(view: &View, state: &State) -> Option<MasterRecord> {
    let later = view.reports().map(|(_, report)| &report.record);
    let mut later: Vec<&MasterRecord> = later
        .filter(|named| named.epoch > state.epoch && named.addr != state.master.addr)
        .filter(|named| view.answers_as_master(&named.addr).is_some())
        .collect();
    later.sort_by_key(|named| named.epoch);
    later.pop().cloned()
}

/// A Sentinel that leads a failover and is past the point where our votes would stop it (`WAIT_START` in sentinel.c).
fn sentinels_are_moving_it(view: &View) -> Option<Step> {
    let leads = view.reports().find(|(_, report)| {
        report.flags.failover_in_progress && report.failover_state.as_deref() != Some("wait_start")
    });
    let (sentinel, report) = leads?;
    Some(Step::Wait {
        at_most: report.failover_timeout.max(Duration::from_secs(1)),
        why: Wait::SentinelsAreMovingIt(sentinel.promoted.clone()),
    })
}

/// The epoch in which we were elected, or how to become so.
fn elected(
    view: &View,
    state: &State,
    attempt: &Attempt,
    replaces: &Addr,
    durability: Durability,
) -> Result<Epoch, Step> {
    let cut_off_or_dead = matches!(attempt.warrant, Warrant::LeaseOver { .. } | Warrant::Unfinished);
    match tally(view, attempt.votes) {
        Election::NobodyVotes if cut_off_or_dead => Err(Step::Stop(Stop::NobodyVotes)),
        Election::NobodyVotes => Ok(view.next_epoch()),
        // It is us who would be master, and we are not: no master lives that a minority could overrule, unless those that are not heard
        // have chosen one.
        Election::TooFew { .. }
            if matches!(attempt.warrant, Warrant::Returned { .. })
                && (view.unheard == 0 || attempt.unheard_for_long)
                && durability == Durability::Async =>
        {
            Err(Step::AskSentinel {
                replaces: replaces.clone(),
            })
        }
        Election::TooFew { answering, needed } => {
            Err(Step::Stop(Stop::TooFewSentinels { answering, needed }))
        }
        Election::NotHeld => Err(election(view, attempt, replaces)),
        Election::Lost { .. } if attempt.elections < ELECTIONS => Err(election(view, attempt, replaces)),
        Election::Lost { granted, needed } => Err(Step::Stop(Stop::NotElected { granted, needed })),
        Election::Won => match attempt.votes {
            // An epoch that is recorded already, by us and without an answer, names its candidate for ever.
            Some(votes)
                if view.next_epoch() <= votes.epoch.next()
                    && state.epoch < votes.epoch
                    && votes.age < votes_hold(view) =>
            {
                Ok(votes.epoch)
            }
            // Somebody was elected after us, or we were too long ago.
            Some(_) | None => Err(election(view, attempt, replaces)),
        },
    }
}

/// How long votes count; longer than is waited for with them.
fn votes_hold(view: &View) -> Duration {
    let waited = view
        .lease
        .as_ref()
        .map(|seen| seen.lease.by_sentinels() + 2 * LEASE_MARGIN);
    waited.map_or(VOTES_HOLD, |waited| {
        VOTES_HOLD.max(waited + Duration::from_secs(1))
    })
}

fn election(view: &View, attempt: &Attempt, replaces: &Addr) -> Step {
    let needed = crate::majority(view.known_sentinels(), view.quorum());
    let taking = view.reports().filter(|(s, _)| s.takes == Takes::Yes).count();
    if taking < needed {
        return match attempt.warrant {
            // The master may live; the Sentinels will see by themselves when it does not.
            Warrant::Handover { .. } | Warrant::LeaseOver { .. } | Warrant::Unfinished => {
                Step::Stop(Stop::NotAnnounceable)
            }
            Warrant::Died { .. } | Warrant::Refused { .. } | Warrant::Returned { .. } => {
                let replaces = replaces.clone();
                Step::AskSentinel { replaces }
            }
        };
    }
    let epoch = view.next_epoch();
    // An epoch that was refused is left behind by more than one: a Sentinel may have begun one that nobody shows yet.
    let above = attempt.votes.map_or(0, |votes| votes.epoch.0 + 1) + u64::from(attempt.elections);
    Step::Elect {
        epoch: epoch.max(Epoch(above)),
    }
}

/// What must be waited for before anyone is promoted beside a master that may live. A lease that is not there, or another's, proves
/// nothing.
fn lease_runs(view: &View, state: &State, attempt: &Attempt, replaces: &Addr) -> Option<Step> {
    let seen = view.nodes.get(replaces);
    if !attempt.warrant.rests_on_the_lease(&state.cause, seen) || seen == Some(&Probe::Refused) {
        return None;
    }
    let replaced = match &state.replaces {
        Some(old) if old.addr == *replaces => old,
        Some(_) | None => &state.master,
    };
    let Some(seen) = view.lease.as_ref().filter(|seen| seen.lease.covers(replaced)) else {
        if down_by_majority(view, replaces) {
            return None;
        }
        return Some(Step::Stop(Stop::NoLease(replaces.clone())));
    };
    let lease_left = (seen.lease.length() + LEASE_MARGIN).saturating_sub(seen.unchanged_for);
    // The Sentinels may have renewed it just before they voted.
    let votes_age = attempt.votes.map_or(Duration::ZERO, |votes| votes.age);
    let votes_left = (seen.lease.by_sentinels() + LEASE_MARGIN).saturating_sub(votes_age);
    let left = lease_left.max(votes_left);
    (!left.is_zero()).then(|| Step::Wait {
        at_most: left,
        why: Wait::LeaseRuns(replaces.clone()),
    })
}

/// Without a lease the Sentinels' own timeout is the last resort, as it is where there is nothing of ours: at this moment they
/// would promote somebody themselves.
fn down_by_majority(view: &View, master: &Addr) -> bool {
    let down = view
        .reports()
        .filter(|(_, report)| report.record.addr == *master && report.flags.subjectively_down);
    down.count() >= crate::majority(view.known_sentinels(), view.quorum())
}

#[cfg(test)]
mod tests;
