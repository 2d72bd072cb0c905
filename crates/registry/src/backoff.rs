//! How long to wait before trying again: doubling up to a ceiling, with jitter, so that many programs that lost the same
//! ZooKeeper do not come back in step.

use std::time::Duration;

/// The pauses between the attempts at one thing.
pub(crate) struct Backoff {
    next: Duration,
    first: Duration,
    ceiling: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, ceiling: Duration) -> Self {
        Self {
            next: first,
            first,
            ceiling,
        }
    }

    /// For requests over a session that is up: short at first, never more than five seconds.
    pub(crate) fn for_requests() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(5))
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next pause, between a half and the whole of the step.
    pub(crate) fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.ceiling);
        step.mul_f64(rand::random_range(0.5..1.0))
    }

    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.step()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_ceiling_and_begins_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        for whole in [100, 200, 400, 400] {
            let pause = backoff.step();
            assert!(pause <= Duration::from_millis(whole) && pause >= Duration::from_millis(whole / 2));
        }
        backoff.reset();
        assert!(backoff.step() <= Duration::from_millis(100));
    }
}
