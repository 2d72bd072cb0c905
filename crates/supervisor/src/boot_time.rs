//! The clock that promises are counted on: the time since boot, sleep included.
//!
//! `Instant` stands still while the machine sleeps, and the wall clock can be set. A promise to stop at a certain time must be
//! kept by a machine that was suspended in between, so it is counted on CLOCK_BOOTTIME.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A moment, as the time since this machine has booted. Means nothing on another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(Duration);

impl BootTime {
    /// Now.
    pub fn now() -> Self {
        // Cannot fail on a Linux that our other calls work on (2.6.39); the monotonic clock misses only sleep.
        let time =
            clock_gettime(ClockId::CLOCK_BOOTTIME).or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC));
        Self(time.map(Duration::from).unwrap_or_default())
    }

    /// The moment so long after boot.
    pub fn at(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// The time since boot.
    pub fn since_boot(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; nothing if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

impl fmt::Display for BootTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:03} s after boot",
            self.0.as_secs(),
            self.0.subsec_millis()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_and_is_the_kernels() {
        let before = BootTime::now();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let after = BootTime::now();
        assert!(before <= after && after.since(before) < Duration::from_secs(60));
        // /proc/uptime counts sleep too. A container may show another boot, but never one of tomorrow.
        assert!(
            uptime <= after.since_boot().as_secs_f64() + 1.0,
            "{uptime} {after}"
        );
        assert_eq!(before.since(before + Duration::from_secs(1)), Duration::ZERO);
    }
}
