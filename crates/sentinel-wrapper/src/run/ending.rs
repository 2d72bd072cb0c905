//! How a run ends: by request, with the Sentinel, or because the Sentinel is of no use.
//!
//! The registration goes first, so that nobody is sent to a Sentinel that is about to end; the run id last, so that
//! nobody else has it while the Sentinel still speaks.

use std::time::Duration;

use program::chain;
use registry::{Registered, Registration};
use supervisor::{Child, ChildExit, Exit};
use tokio::time::timeout;
use tracing::{error, info};

use super::{Presence, Wrapper};
use crate::admin::Phase;
use crate::launch::Mute;

const LEAVE_DEADLINE: Duration = Duration::from_secs(1);
const STOP_SLACK: Duration = Duration::from_millis(100);

impl Wrapper {
    pub(super) async fn stop(&self, child: &Child, presence: Presence) -> Exit {
        self.page.update(|status| status.phase = Phase::Stopping);
        self.process.notifier.stopping();
        info!(pid = child.pid(), "stopping");
        if let Some(registration) = presence.registration {
            leave(registration).await;
        }
        let exit = Exit::after_stop(child.stop(self.config.stop_grace).await);
        leave(presence.held.slot).await;
        info!(code = exit.code(), "stopped");
        exit
    }

    pub(super) async fn ended(&self, exit: ChildExit, presence: Presence) -> Exit {
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
        } else {
            error!(code = exit.code(), reason = %exit, "sentinel ended; its last lines say why");
        }
        self.page.update(|status| status.phase = Phase::Stopping);
        for registration in presence.registration.into_iter().chain([presence.held.slot]) {
            leave(registration).await;
        }
        exit
    }

    pub(super) async fn mute(&self, problem: &Mute, child: &Child, presence: Presence) -> Exit {
        let exit = match problem {
            Mute::Denied(_) => Exit::Configuration,
            Mute::Silent(_) | Mute::Other => Exit::Unavailable,
        };
        error!(reason = %chain(problem), code = exit.code(), "sentinel is of no use");
        child.stop(self.config.stop_grace).await;
        for registration in presence.registration.into_iter().chain([presence.held.slot]) {
            leave(registration).await;
        }
        exit
    }
}

/// Without ZooKeeper there is nobody to say goodbye to, and the session ends by itself.
pub(super) async fn leave(registration: Registration) {
    if *registration.status().borrow() == Registered::Taken {
        return;
    }
    let _ = timeout(LEAVE_DEADLINE, registration.leave()).await;
}
