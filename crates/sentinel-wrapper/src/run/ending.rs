//! How a run ends: by request, with the Sentinel, or because the Sentinel is of no use.
//!
//! The registration goes first, so that nobody is sent to a Sentinel that is about to end; the run id last, with the
//! session, so that nobody else has it while the Sentinel still speaks. One deadline stands over all of it: a
//! ZooKeeper that hangs costs the Sentinel its share of the time at most, and nobody the end.

use std::time::Duration;

use program::{Farewell, chain};
use registry::{Registered, Registration};
use supervisor::{Child, ChildExit, Exit};
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use super::{Presence, Wrapper};
use crate::admin::Phase;
use crate::hearing::HUNG;
use crate::launch::Mute;

const STOP_SLACK: Duration = Duration::from_millis(100);

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
