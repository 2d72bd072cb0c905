//! When to take away what is registered at an agent, and when to put one's name on it. Pure.
//!
//! That we do not lead does not say that another one does: nobody may, while ZooKeeper is away or a new leader is found. An entry that is
//! taken away too soon is an outage, one that stays too long names the old master only after a further move. So it stays for long enough
//! that a leader which uses the same agent has put its name on it: what bears another's name is not ours to take away.

use std::time::Duration;

use tokio::time::Instant;

/// So long it must be told to stand aside, without a break.
pub(super) const LONG_ENOUGH: Duration = Duration::from_secs(90);
/// What is right but for the name is written no more often than this: two that both think they lead would write in turns.
const CLAIM_PAUSE: Duration = Duration::from_secs(30);

/// Since when we are told to stand aside, if we are.
#[derive(Debug, Default)]
pub(super) struct Aside(Option<Instant>);

/// What to do with our own entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is too early to say that another one leads.
    Keep,
    /// Take them away.
    Remove,
}

/// Whether our name may be put on an entry that is right but for the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It may.
    Due,
    /// It was put there a moment ago.
    Rests,
}

impl Aside {
    /// We are told to stand aside.
    pub(super) fn told(&mut self, now: Instant) -> Turn {
        let since = *self.0.get_or_insert(now);
        if now.saturating_duration_since(since) >= LONG_ENOUGH {
            Turn::Remove
        } else {
            Turn::Keep
        }
    }

    /// We lead.
    pub(super) fn over(&mut self) {
        self.0 = None;
    }
}

impl Claim {
    pub(super) fn after(last: Option<Instant>, now: Instant) -> Self {
        match last {
            Some(last) if now.saturating_duration_since(last) < CLAIM_PAUSE => Self::Rests,
            Some(_) | None => Self::Due,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_taken_away_by_time_and_never_by_the_number_of_calls() {
        let (mut aside, began) = (Aside::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        for seconds in 0..90 {
            assert_eq!(aside.told(at(seconds)), Turn::Keep, "{seconds}");
            assert_eq!(aside.told(at(seconds)), Turn::Keep, "{seconds}");
        }
        assert_eq!(aside.told(at(90)), Turn::Remove);
        // We lead for a moment: all is counted anew.
        aside.over();
        assert_eq!(aside.told(at(91)), Turn::Keep);
        assert_eq!(aside.told(at(180)), Turn::Keep);
        assert_eq!(aside.told(at(181)), Turn::Remove);
    }

    #[test]
    fn a_leader_has_its_name_there_before_the_old_one_takes_its_own_away() {
        let now = Instant::now();
        assert_eq!(Claim::after(None, now), Claim::Due);
        assert_eq!(Claim::after(Some(now), now), Claim::Rests);
        assert_eq!(Claim::after(Some(now), now + CLAIM_PAUSE), Claim::Due);
        assert!(CLAIM_PAUSE * 2 < LONG_ENOUGH);
    }
}
