//! Which watcher leads. A courtesy, not a safeguard: compare-and-set keeps two that act at once from harm, and the lock
//! only keeps them from doing everything twice.

use std::time::Duration;

use registry::{LockError, LockGuard, Registry, Session};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use zkpaths::Lock;

use crate::pace::{Part, jittered};

/// How long to stand in line before asking anew.
const IN_LINE: Duration = Duration::from_secs(3600);
const RETRY: Duration = Duration::from_millis(500);

/// Stands in line for the lock, holds it, and takes it again after losing it, until `stop`.
pub(crate) async fn lead(
    registry: Registry,
    who: String,
    part: watch::Sender<Part>,
    stop: CancellationToken,
) {
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => return,
            taken = registry.lock(Lock::Watcher, &who, IN_LINE) => taken,
        };
        match taken {
            Ok(guard) => {
                info!("this watcher leads");
                part.send_replace(Part::Leader);
                tokio::select! {
                    () = stop.cancelled() => {
                        guard.release().await;
                        return;
                    }
                    () = lost(&guard) => {}
                }
                part.send_replace(Part::Standby);
                warn!("this watcher no longer leads; its lock was lost");
            }
            Err(LockError::Deadline { .. }) => {}
            Err(LockError::Unavailable(reason)) => {
                debug!(%reason, "the watchers' lock cannot be asked for");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = usable(&registry) => {}
                }
            }
        }
    }
}

async fn lost(guard: &LockGuard) {
    let _ = guard.lost().wait_for(|lost| *lost).await;
}

/// Waits until it is worth asking again.
async fn usable(registry: &Registry) {
    let mut session = registry.session();
    let up = |session: &Session| matches!(session, Session::Up { .. });
    if up(&session.borrow()) {
        tokio::time::sleep(jittered(RETRY, rand::random())).await;
    }
    if session.wait_for(up).await.is_err() {
        std::future::pending::<()>().await;
    }
}
