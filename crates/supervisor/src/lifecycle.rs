//! The supervisor's brain: what to do with the child when something happens. Pure, so it is tested without a process.
//!
//! Asking twice changes nothing: Marathon repeats a kill it has not seen acknowledged every 30 s, and a second SIGTERM
//! must neither restart the grace period nor cut it short.

use std::time::{Duration, Instant};

use crate::child::ChildExit;

/// How long a stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// From the request to the kill.
    pub whole: Duration,
    /// The part of it in which a gentler way may be tried before the child is told to end. Zero: none is.
    pub gentle: Duration,
}

impl Grace {
    /// All of it for the child.
    pub fn without_gentle(whole: Duration) -> Self {
        Self {
            whole,
            gentle: Duration::ZERO,
        }
    }
}

/// Where a child is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody asked it to end.
    Running,
    /// The gentler way is being tried, until `until`; the child knows of nothing yet.
    Yielding {
        /// When the child is told to end, whatever the gentler way has reached.
        until: Instant,
        /// When it is killed.
        deadline: Instant,
    },
    /// It was told to end.
    Stopping {
        /// When it is killed.
        deadline: Instant,
    },
    /// It was killed; only the kernel's word is missing.
    Killing,
    /// It has ended.
    Ended(ChildExit),
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants the child to end.
    StopAsked,
    /// The gentler way is done.
    GentleEnded,
    /// The child has ended.
    ChildExited(ChildExit),
    /// A timer rang.
    DeadlineReached,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Try the gentler way.
    BeGentle,
    /// Tell the child to end.
    Terminate,
    /// Come back with [`Event::DeadlineReached`] then; replaces an earlier wish.
    WakeAt(Instant),
    /// Kill the child.
    Kill,
}

/// The answer to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Step {
    /// The new state.
    pub state: State,
    /// What is to be done, in order.
    pub actions: Vec<Action>,
}

impl State {
    /// What follows from `event` at `now`. `grace` is looked at only when a stop begins.
    #[expect(
        clippy::match_same_arms,
        reason = "one row for each state and event, to be read as a table"
    )]
    pub fn step(self, event: Event, now: Instant, grace: Grace) -> Step {
        let stay = Step {
            state: self,
            actions: vec![],
        };
        match (self, event) {
            // The end is the end, whatever was going on.
            (Self::Ended(_), _) => stay,
            (_, Event::ChildExited(exit)) => Step {
                state: Self::Ended(exit),
                actions: vec![],
            },

            (Self::Running, Event::StopAsked) => {
                let deadline = now + grace.whole;
                if grace.gentle.is_zero() {
                    return terminate(deadline);
                }
                let until = now + grace.gentle.min(grace.whole);
                let actions = vec![Action::BeGentle, Action::WakeAt(until)];
                Step {
                    state: Self::Yielding { until, deadline },
                    actions,
                }
            }
            (Self::Running, Event::GentleEnded | Event::DeadlineReached) => stay,

            (Self::Yielding { .. }, Event::StopAsked) => stay,
            (Self::Yielding { deadline, .. }, Event::GentleEnded) => terminate(deadline),
            (Self::Yielding { until, .. }, Event::DeadlineReached) if now < until => wake_again(self, until),
            (Self::Yielding { deadline, .. }, Event::DeadlineReached) => terminate(deadline),

            (Self::Stopping { .. }, Event::StopAsked | Event::GentleEnded) => stay,
            // A timer of the past rings; the deadline stands.
            (Self::Stopping { deadline }, Event::DeadlineReached) if now < deadline => {
                wake_again(self, deadline)
            }
            (Self::Stopping { .. }, Event::DeadlineReached) => Step {
                state: Self::Killing,
                actions: vec![Action::Kill],
            },

            (Self::Killing, Event::StopAsked | Event::GentleEnded | Event::DeadlineReached) => stay,
        }
    }
}

fn terminate(deadline: Instant) -> Step {
    let actions = vec![Action::Terminate, Action::WakeAt(deadline)];
    Step {
        state: State::Stopping { deadline },
        actions,
    }
}

fn wake_again(state: State, at: Instant) -> Step {
    Step {
        state,
        actions: vec![Action::WakeAt(at)],
    }
}

#[cfg(test)]
mod tests;
