//! For how long the recorded master has answered no look as a master. Pure: time is an argument.
//!
//! Fewer than a majority of the Sentinels may move the record only after the recorded master was looked at in vain for a
//! while. One look that went wrong is no evidence: a fork of a large data set stalls a Redis for longer than a look waits.

use std::time::{Duration, Instant};

use topology::Addr;

use crate::view::{Answer, View};

/// Since when, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Silence {
    of: Option<Addr>,
    since: Option<Instant>,
}

impl Silence {
    /// How long it has lasted for the master recorded now.
    pub(crate) fn length(&self, recorded: Option<&Addr>, now: Instant) -> Duration {
        match self.since {
            Some(since) if self.of.as_ref() == recorded => now.saturating_duration_since(since),
            Some(_) | None => Duration::ZERO,
        }
    }

    /// What is known after a look. A recorded master that was not asked, or whose answer is not clear, counts as
    /// silent no longer: patience begins anew.
    #[must_use]
    pub(crate) fn after(self, view: &View, now: Instant) -> Self {
        let of = view.recorded.addr().cloned();
        let silent = match of.as_ref().map(|addr| view.answer(addr)) {
            None | Some(Answer::Gone | Answer::Replica) => true,
            // The look was decided before the answer came: no news.
            Some(Answer::Waiting) => self.since.is_some() && self.of == of,
            Some(Answer::Master(_) | Answer::Loading | Answer::Busy | Answer::Denied(_)) => false,
        };
        let since = match (silent, self.since) {
            (true, Some(since)) if self.of == of => Some(since),
            (true, _) => Some(now),
            (false, _) => None,
        };
        Self { of, since }
    }
}

#[cfg(test)]
mod tests {
    use topology::RunId;

    use super::*;
    use crate::sample;

    #[test]
    fn counts_from_the_first_look_in_vain_and_starts_anew_after_any_other_answer() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let addr = sample::addr(1);
        let seen = |answer| sample::View::recorded(1, 1).node(1, answer).build();
        let silence = Silence::default().after(&seen(Answer::Gone), after(0));
        let silence = silence.after(&seen(Answer::Replica), after(500));
        assert_eq!(silence.length(Some(&addr), after(2000)), Duration::from_secs(2));
        let silence = silence.after(&seen(Answer::Waiting), after(2100));
        assert_eq!(
            silence.length(Some(&addr), after(2500)),
            Duration::from_millis(2500)
        );
        for answer in [
            Answer::Master(RunId::from_bytes([1; 20])),
            Answer::Loading,
            Answer::Busy,
            Answer::Denied("NOAUTH".to_owned()),
        ] {
            let silence = silence.clone().after(&seen(answer), after(3000));
            assert_eq!(silence.length(Some(&addr), after(4000)), Duration::ZERO);
        }
    }

    #[test]
    fn another_recorded_master_is_another_count() {
        let start = Instant::now();
        let later = start + Duration::from_secs(5);
        let silence =
            Silence::default().after(&sample::View::recorded(1, 1).node(1, Answer::Gone).build(), start);
        assert_eq!(silence.length(Some(&sample::addr(2)), later), Duration::ZERO);
        let silence = silence.after(&sample::View::recorded(2, 2).node(2, Answer::Gone).build(), later);
        assert_eq!(silence.length(Some(&sample::addr(2)), later), Duration::ZERO);
    }
}
