//! When to look again, and whether it is this watcher's turn to act. Pure: time is an argument.
//!
//! Events wake the loop at once; this is for when none comes. While something is going on the looks follow each other
//! closely and then ever more slowly; otherwise every few seconds, since an event may have been lost.

use std::time::{Duration, Instant};

use crate::verdict::{Reason, Verdict};

/// How often to look when nothing is going on.
pub(crate) const PERIOD: Duration = Duration::from_secs(5);
/// The longest time between looks while something is going on.
pub(crate) const CEILING: Duration = Duration::from_millis(500);
/// The least time between two looks.
const BREATH: Duration = Duration::from_millis(1);
/// The same, while one hint follows the other without end: a flood of events must not become a flood of questions.
pub(crate) const LONG_BREATH: Duration = Duration::from_millis(64);
/// So many looks in a row may hints cause before the breaths grow. A failover needs fewer.
const IN_A_ROW: u32 = 40;
/// A look that rests on facts older than this is not acted upon: the program was halted meanwhile.
pub(crate) const FRESH: Duration = Duration::from_secs(4);
/// How long a standby leaves it to the leader to put things right.
pub(crate) const COURTESY: Duration = Duration::from_secs(1);

/// Whether this watcher holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It acts at once.
    Leader,
    /// It acts when nobody else does: the leader's lock outlives a killed leader by a session timeout.
    Standby,
}

/// What to do about a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Turn {
    /// Act on it now.
    Act,
    /// Look again after this time.
    Wait(Duration),
}

/// The memory between looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pace {
    passing: u32,
    /// Looks in a row that a hint caused before their time.
    woken: u32,
    wrong_since: Option<Instant>,
}

impl Pace {
    /// Something happened: what goes on next goes on quickly.
    pub(crate) fn woken(&mut self) {
        self.passing = 0;
        self.woken = self.woken.saturating_add(1);
    }

    /// Nothing happened until the next look was due.
    pub(crate) fn rested(&mut self) {
        self.woken = 0;
    }

    /// How long to wait before the next look, whatever happens; an announced master need not.
    pub(crate) fn breath(&self) -> Duration {
        let beyond = self.woken.saturating_sub(IN_A_ROW);
        (BREATH * 2_u32.pow(beyond.min(16))).min(LONG_BREATH)
    }

    /// What to do about the verdict of a look that `began` then and ended now.
    pub(crate) fn turn(&mut self, verdict: &Verdict, part: Part, began: Instant, now: Instant) -> Turn {
        if verdict.writes() && now.saturating_duration_since(began) >= FRESH {
            return Turn::Wait(Duration::ZERO);
        }
        if !verdict.writes() {
            self.wrong_since = None;
        }
        match verdict {
            Verdict::Publish(_) | Verdict::Settle { .. } | Verdict::RepairMaster(_) => match part {
                Part::Leader => Turn::Act,
                Part::Standby => self.standby(now),
            },
            Verdict::Nothing(reason) if reason.is_passing() => Turn::Wait(self.passing(*reason)),
            Verdict::Nothing(_) | Verdict::Conflict { .. } | Verdict::OtherGroup { .. } => {
                self.passing = 0;
                Turn::Wait(PERIOD)
            }
        }
    }

    /// When to look again after writing, or trying to.
    pub(crate) fn after_act(&mut self, written: Written) -> Duration {
        match written {
            Written::Done => {
                (self.passing, self.wrong_since) = (0, None);
                PERIOD
            }
            Written::Not => self.doubling(Duration::from_millis(5)),
        }
    }

    /// When to look again after a look that could not be made.
    pub(crate) fn after_failed_look(&mut self) -> Duration {
        self.doubling(Duration::from_millis(20))
    }

    fn standby(&mut self, now: Instant) -> Turn {
        let since = *self.wrong_since.get_or_insert(now);
        match COURTESY.checked_sub(now.saturating_duration_since(since)) {
            None | Some(Duration::ZERO) => Turn::Act,
            // The leader may be at it: look in between, and be there at the end.
            Some(left) => Turn::Wait(left),
        }
    }

    fn passing(&mut self, reason: Reason) -> Duration {
        let first = match reason {
            Reason::NoMajority | Reason::Waiting => Duration::from_millis(5),
            Reason::NotMasterYet
            | Reason::RecordedMayReturn
            | Reason::UpToDate
            | Reason::Stale
            | Reason::SentinelsAstray
            | Reason::UnknownPhase
            | Reason::NewerRecord
            | Reason::NoSentinels
            | Reason::NoReports => Duration::from_millis(10),
        };
        self.doubling(first)
    }

    fn doubling(&mut self, first: Duration) -> Duration {
        let wait = first * 2_u32.pow(self.passing.min(16));
        self.passing = self.passing.saturating_add(1);
        wait.min(CEILING)
    }
}

/// Whether what was decided is now recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is.
    Done,
    /// Somebody else was faster, or it is not known.
    Not,
}

/// `wait` give or take a fifth, so that watchers started together do not stay in step. `chance` is between 0 and 1.
pub(crate) fn jittered(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn waits(pace: &mut Pace, reason: Reason, times: usize) -> Vec<u128> {
        let wait = |turn| match turn {
            Turn::Wait(wait) => wait.as_millis(),
            Turn::Act => panic!("nothing to act on"),
        };
        let now = Instant::now();
        (0..times)
            .map(|_| wait(pace.turn(&Verdict::Nothing(reason), Part::Leader, now, now)))
            .collect()
    }

    #[test]
    fn looks_follow_each_other_closely_and_then_more_slowly() {
        let mut pace = Pace::default();
        assert_eq!(waits(&mut pace, Reason::NoMajority, 4), [5, 10, 20, 40]);
        pace.woken();
        assert_eq!(
            waits(&mut pace, Reason::NotMasterYet, 8),
            [10, 20, 40, 80, 160, 320, 500, 500]
        );
        assert_eq!(waits(&mut pace, Reason::UpToDate, 1), [5000]);
        assert_eq!(waits(&mut pace, Reason::NotMasterYet, 1), [10]);
    }

    #[test]
    fn a_standby_acts_when_the_leader_has_not_for_a_second() {
        let start = Instant::now();
        let settle = Verdict::Settle {
            run_id: sample::run_id(1),
        };
        let turn = |pace: &mut Pace, verdict: &Verdict, part, at| pace.turn(verdict, part, at, at);
        let mut pace = Pace::default();
        assert_eq!(turn(&mut pace, &settle, Part::Leader, start), Turn::Act);
        assert_eq!(
            turn(&mut pace, &settle, Part::Standby, start),
            Turn::Wait(COURTESY)
        );
        let (half, end) = (start + COURTESY / 2, start + COURTESY);
        assert_eq!(
            turn(&mut pace, &settle, Part::Standby, half),
            Turn::Wait(COURTESY / 2)
        );
        assert_eq!(turn(&mut pace, &settle, Part::Standby, end), Turn::Act);
        // Put right by the leader meanwhile: the next wrong is a new one.
        let _ = turn(&mut pace, &Verdict::Nothing(Reason::UpToDate), Part::Standby, end);
        assert_eq!(turn(&mut pace, &settle, Part::Standby, end), Turn::Wait(COURTESY));
    }

    #[test]
    fn what_was_seen_before_a_halt_is_looked_at_again() {
        let began = Instant::now();
        let settle = Verdict::Settle {
            run_id: sample::run_id(1),
        };
        for part in [Part::Leader, Part::Standby] {
            let turn = Pace::default().turn(&settle, part, began, began + FRESH);
            assert_eq!(turn, Turn::Wait(Duration::ZERO));
        }
        let slow = began + FRESH / 2;
        assert_eq!(
            Pace::default().turn(&settle, Part::Leader, began, slow),
            Turn::Act
        );
    }

    #[test]
    fn a_flood_of_hints_is_breathed_through_and_a_burst_is_not() {
        let mut pace = Pace::default();
        for _ in 0..IN_A_ROW {
            pace.woken();
            assert_eq!(pace.breath(), BREATH);
        }
        for _ in 0..100 {
            pace.woken();
        }
        assert_eq!(pace.breath(), LONG_BREATH);
        pace.rested();
        assert_eq!(pace.breath(), BREATH);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        assert_eq!(jittered(PERIOD, 0.0), Duration::from_secs(4));
        assert_eq!(jittered(PERIOD, 1.0), Duration::from_secs(6));
    }
}
