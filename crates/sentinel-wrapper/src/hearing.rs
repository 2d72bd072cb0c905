//! Whether the own Sentinel still answers, judged over several looks.
//!
//! One missed look may be a busy machine. A Sentinel that stays silent while its process lives (stopped, swapped out,
//! stuck in a name lookup or on a disk) does not vote and is counted by the others all the same, so after [`HUNG`] it is
//! better dead: whoever starts the wrapper again starts it under the same run id. The time is long because Sentinel
//! looks names up in its only thread: a nameserver that is away for a moment must not end all Sentinels at once.

use std::time::{Duration, Instant};

/// How long a Sentinel may stay silent before it is killed.
pub const HUNG: Duration = Duration::from_secs(30);
/// From which missed look on it is called silent.
const SILENT_LOOKS: u32 = 2;
/// How many looks in a row must have been missed before it is killed: time alone also passes while this program is stopped.
const HUNG_LOOKS: u32 = 6;

/// What one look heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A useful answer.
    Answer,
    /// An answer that is of no use: it lives, and a person must see why.
    Refusal,
    /// Nothing.
    Nothing,
}

/// What is to be thought of the Sentinel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Hearing {
    /// It answers, or has only just failed to.
    Answers,
    /// It does not answer.
    Silent,
    /// It has not answered for so long that it never will.
    Hung,
}

/// The looks that heard nothing of use, in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Silence {
    missed: u32,
    /// Looks that heard nothing at all, and since when.
    nothing: u32,
    since: Option<Instant>,
}

impl Silence {
    /// One more look.
    pub fn look(&mut self, heard: Heard, now: Instant) -> Hearing {
        match heard {
            Heard::Answer => *self = Self::default(),
            Heard::Refusal => {
                self.missed = self.missed.saturating_add(1);
                (self.nothing, self.since) = (0, None);
            }
            Heard::Nothing => {
                self.missed = self.missed.saturating_add(1);
                self.nothing = self.nothing.saturating_add(1);
                self.since.get_or_insert(now);
            }
        }
        let long = self
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= HUNG);
        if long && self.nothing >= HUNG_LOOKS {
            Hearing::Hung
        } else if self.missed >= SILENT_LOOKS {
            Hearing::Silent
        } else {
            Hearing::Answers
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Looks at these times, in seconds; the judgement of the last.
    fn after(looks: &[(u64, Heard)]) -> Hearing {
        let begin = Instant::now();
        let mut silence = Silence::default();
        let mut last = Hearing::Answers;
        for (at, heard) in looks {
            last = silence.look(*heard, begin + Duration::from_secs(*at));
        }
        last
    }

    #[test]
    fn silence_is_noticed_soon_and_ends_late() {
        use Heard::{Answer, Nothing, Refusal};
        let regular = |upto: u64, heard| (0..=upto).step_by(3).map(|at| (at, heard)).collect::<Vec<_>>();
        let table = [
            ("one missed look", regular(0, Nothing), Hearing::Answers),
            ("two", regular(3, Nothing), Hearing::Silent),
            ("just before the end", regular(27, Nothing), Hearing::Silent),
            ("the end", regular(30, Nothing), Hearing::Hung),
            (
                "this program was stopped",
                vec![(0, Nothing), (3, Nothing), (90, Nothing)],
                Hearing::Silent,
            ),
            ("refusing is living", regular(90, Refusal), Hearing::Silent),
            (
                "an answer begins anew",
                [regular(27, Nothing), vec![(28, Answer), (31, Nothing)]].concat(),
                Hearing::Answers,
            ),
        ];
        for (what, looks, judged) in table {
            assert_eq!(after(&looks), judged, "{what}");
        }
    }

    proptest! {
        #[test]
        fn nobody_is_killed_who_answered_within_the_time(
            gaps in proptest::collection::vec(0_u64..20, 1..40), answer in 0_usize..40,
        ) {
            let mut at = 0;
            let mut looks = Vec::new();
            for (n, gap) in gaps.iter().enumerate() {
                at += gap;
                looks.push((at, if n == answer { Heard::Answer } else { Heard::Nothing }));
            }
            let since = looks.iter().rev().take_while(|(_, heard)| *heard == Heard::Nothing).last();
            if since.is_none_or(|(since, _)| at - since < HUNG.as_secs()) {
                prop_assert_ne!(after(&looks), Hearing::Hung);
            }
        }
    }
}
