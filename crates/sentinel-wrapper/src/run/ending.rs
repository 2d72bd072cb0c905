//! How a run ends: by request, with the Sentinel, or because the Sentinel is of no use.
//!
//! The registration goes first, so that nobody is sent to a Sentinel that is about to end; the run id last, with the
//! session, so that nobody else has it while the Sentinel still speaks. One deadline stands over all of it: a
//! ZooKeeper that hangs costs the Sentinel its share of the time at most, and nobody the end.

use std::time::Duration;

use program::chain;
use registry::{Registered, Registration};
use supervisor::{Child, ChildExit, Exit};
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use super::{Presence, Wrapper};
use crate::admin::Phase;
use crate::hearing::HUNG;
use crate::launch::Mute;

const LONGEST_GOODBYE: Duration = Duration::from_secs(1);
const STOP_SLACK: Duration = Duration::from_millis(100);

/// The time in which everything ends: `STOP_GRACE`, from the moment the end begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Farewell {
    end: Instant,
    goodbye: Duration,
}

impl Farewell {
    /// The end that begins now.
    pub(super) fn begin(grace: Duration) -> Self {
        Self::at(Instant::now(), grace)
    }

    fn at(now: Instant, grace: Duration) -> Self {
        Self {
            end: now + grace,
            goodbye: (grace / 5).min(LONGEST_GOODBYE),
        }
    }

    /// What is left of the whole.
    pub(super) fn left(self) -> Duration {
        self.left_at(Instant::now())
    }

    fn left_at(self, now: Instant) -> Duration {
        self.end.saturating_duration_since(now)
    }

    /// What may be spent on saying goodbye to ZooKeeper once: a fifth of the whole, and no more than is left.
    fn for_goodbye(self, now: Instant) -> Duration {
        self.goodbye.min(self.left_at(now))
    }

    /// What is left for the child, when the last goodbye shall still find its time.
    fn for_child(self, now: Instant) -> Duration {
        self.left_at(now).saturating_sub(self.goodbye)
    }
}

impl Wrapper {
    /// The end before there is a Sentinel.
    pub(super) fn unstarted(&self) -> Exit {
        self.goes();
        info!("stopped before a sentinel was started");
        Exit::Clean
    }

    pub(super) async fn stop(&self, child: &Child, presence: Presence, farewell: Farewell) -> Exit {
        self.goes();
        info!(pid = child.pid(), "stopping");
        if let Some(registration) = presence.registration {
            leave(registration, farewell.for_goodbye(Instant::now())).await;
        }
        let exit = Exit::after_stop(child.stop(farewell.for_child(Instant::now())).await);
        info!(code = exit.code(), "stopped");
        exit
    }

    pub(super) async fn ended(&self, exit: ChildExit) -> Exit {
        // Some platforms signal the whole tree at once, and Sentinel is quicker than our handler.
        let asked = timeout(STOP_SLACK, self.process.stop.token().cancelled_owned())
            .await
            .is_ok();
        let exit = if asked {
            Exit::after_stop(exit)
        } else {
            Exit::Child(exit)
        };
        if exit == Exit::Clean {
            info!("sentinel ended with the wrapper");
        } else if exit.code() == 0 {
            warn!(reason = %exit, "somebody else shut sentinel down (SHUTDOWN, or a signal); the wrapper ends with it");
        } else {
            error!(code = exit.code(), reason = %exit, "sentinel ended; its last lines say why");
        }
        self.goes();
        exit
    }

    pub(super) async fn mute(
        &self,
        problem: &Mute,
        child: &Child,
        presence: Presence,
        farewell: Farewell,
    ) -> Exit {
        let exit = match problem {
            Mute::Denied(_) => Exit::Configuration,
            Mute::Silent(_) | Mute::Other => Exit::Unavailable,
        };
        error!(reason = %chain(problem), code = exit.code(), "sentinel is of no use");
        let _ = self.stop(child, presence, farewell).await;
        exit
    }

    /// Who does not answer does not hear that it should end either.
    pub(super) async fn hung(&self, child: &Child) -> Exit {
        let elapsed_ms = HUNG.as_millis();
        error!(
            pid = child.pid(),
            elapsed_ms, "sentinel hangs; it is killed, and the wrapper ends with it"
        );
        self.goes();
        child.kill();
        Exit::Child(child.exited().await)
    }

    fn goes(&self) {
        self.page.update(|status| status.phase = Phase::Stopping);
        self.process.notifier.stopping();
    }
}

/// Without ZooKeeper there is nobody to say goodbye to, and the session ends by itself.
pub(super) async fn leave(registration: Registration, within: Duration) {
    if *registration.status().borrow() == Registered::Taken {
        return;
    }
    let _ = timeout(within, registration.leave()).await;
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
