//! How a master's wrapper sees to its succession: after its Redis died, and before it ends itself.

use std::time::{Duration, Instant};

use failover::{Deadlines, MoveError, OldMaster, Outcome, Stop, Warrant};
use supervisor::Child;
use tokio::time::sleep;
use topology::Role;
use tracing::warn;
use zkpaths::Member;

use crate::admin::Phase;
use crate::launch;
use crate::run::{STOP_SLACK, Wrapper};

/// How long a wrapper whose Redis died stays for the failover.
const REPLACED: Duration = Duration::from_secs(5);
/// Between two tries to give the role away.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How long a master may take to give its role away.
pub(crate) const HANDOVER: Duration = Duration::from_secs(6);

/// Whether a handover that came to this may succeed a moment later.
fn may_pass(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::NotReady(_) | Outcome::Waited(_) => true,
        Outcome::Failed(reason) => match reason {
            MoveError::Lock(_) | MoveError::Look(_) | MoveError::LockLost | MoveError::Record(_) => true,
            MoveError::NobodyPromoted | MoveError::Disobeyed | MoveError::Deadline(_) => false,
        },
        Outcome::Moved(_) | Outcome::Finished(_) | Outcome::Stopped(_) => false,
    }
}

impl Wrapper {
    /// Our entry, if we are master as far as we know.
    pub(crate) fn as_master(&self) -> Option<Member> {
        match self.page.status().phase {
            Phase::Serving(member) if member.role == Role::Master => Some(*member),
            Phase::Serving(_) | Phase::Starting { .. } | Phase::Stopping => None,
        }
    }

    /// Our Redis has ended: if it was master, a replica takes its place before anything else is done.
    pub(crate) async fn have_it_replaced(&self) {
        let Some(member) = self.as_master() else { return };
        let warrant = Warrant::Died {
            master: self.identity.addr.clone(),
            run_id: Some(member.run_id),
        };
        let deadlines = Deadlines {
            lock: REPLACED / 2,
            whole: REPLACED,
        };
        let moves = &self.page.metrics.moves;
        // Whoever does not succeed leaves it to the neighbours, who keep trying.
        let _: Outcome = moves.run(&self.mover, warrant, Instant::now(), deadlines).await;
    }

    /// Tries again while there is time: ZooKeeper may just be electing its leader, or a replica be about to catch up.
    async fn give_away(&self, at_most: Duration) -> Outcome {
        let began = Instant::now();
        loop {
            let warrant = Warrant::Handover {
                master: self.identity.addr.clone(),
            };
            let left = at_most.saturating_sub(began.elapsed());
            let deadlines = Deadlines {
                lock: left / 2,
                whole: left,
            };
            let moves = &self.page.metrics.moves;
            let outcome = moves.run(&self.mover, warrant, Instant::now(), deadlines).await;
            if !may_pass(&outcome) || began.elapsed() > at_most / 2 {
                return outcome;
            }
            sleep(TRY_AGAIN).await;
        }
    }

    /// A master gives its role away before it ends. Where nobody can take it, its data is saved, whatever is configured.
    pub(crate) async fn hand_over(&self, child: &Child, at_most: Duration) {
        match self.give_away(at_most.saturating_sub(STOP_SLACK)).await {
            Outcome::Moved(moved) if moved.old == OldMaster::Disobeys => child.kill(),
            Outcome::Failed(MoveError::Disobeyed) => child.kill(),
            Outcome::Moved(moved) if moved.old == OldMaster::Relieved => self.relieved.cancel(),
            Outcome::Moved(_) | Outcome::Finished(_) | Outcome::Stopped(Stop::EpochMovedOn(_)) => {}
            Outcome::Stopped(_) | Outcome::Waited(_) | Outcome::NotReady(_) | Outcome::Failed(_) => {
                warn!("the role stays with this node; its data is saved before it ends");
                launch::save_on_stop(&self.dialer, &self.config.network).await;
            }
        }
    }
}
