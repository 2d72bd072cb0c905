//! `STOP_GRACE`, from the moment a wrapper's end begins, and who has which share of it.
//!
//! One deadline stands over the whole end: a ZooKeeper that hangs costs the child its share of the time at most, and
//! nobody the end. Each later step has what the steps before it left.

use std::time::Duration;

use tokio::time::Instant;

const LONGEST_GOODBYE: Duration = Duration::from_secs(1);

/// The time in which everything ends.
#[derive(Debug, Clone, Copy)]
pub struct Farewell {
    end: Instant,
    goodbye: Duration,
}

impl Farewell {
    /// The end that begins now.
    pub fn begin(grace: Duration) -> Self {
        Self::at(Instant::now(), grace)
    }

    fn at(now: Instant, grace: Duration) -> Self {
        Self {
            end: now + grace,
            goodbye: (grace / 5).min(LONGEST_GOODBYE),
        }
    }

    /// What is left of the whole.
    pub fn left(self) -> Duration {
        self.left_at(Instant::now())
    }

    fn left_at(self, now: Instant) -> Duration {
        self.end.saturating_duration_since(now)
    }

    /// What may be spent on saying goodbye to ZooKeeper once: a fifth of the whole, and no more than is left.
    pub fn for_goodbye(self, now: Instant) -> Duration {
        self.goodbye.min(self.left_at(now))
    }

    /// What is left for the child, when the last goodbye shall still find its time.
    pub fn for_child(self, now: Instant) -> Duration {
        self.left_at(now).saturating_sub(self.goodbye)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_never_add_up_to_more_than_the_grace() {
        for grace_ms in [0, 1, 100, 1000, 4000, 10_000, 3_600_000] {
            let (begin, grace) = (Instant::now(), Duration::from_millis(grace_ms));
            let farewell = Farewell::at(begin, grace);
            // Each takes all that it may.
            let child_asked = begin + farewell.for_goodbye(begin);
            let child = farewell.for_child(child_asked);
            assert!(child >= grace / 5 * 3, "{grace:?}: {child:?} for the child");
            let last = child_asked + child;
            assert_eq!(farewell.left_at(last), farewell.for_goodbye(last), "{grace:?}");
            assert_eq!(last + farewell.left_at(last), begin + grace);
            assert_eq!(farewell.for_child(begin + grace), Duration::ZERO);
        }
    }
}
