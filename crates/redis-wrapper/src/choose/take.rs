//! What a starting node does about the master role: has another node promoted, or claims it.

use failover::{Outcome, Stop, Warrant, WhyNoChoice};
use instance::Probe;
use program::chain;
use registry::LockGuard;
use tokio::time::Instant;
use topology::{Candidate, Epoch, MasterRecord, Role};
use tracing::{info, warn};
use zkpaths::{Lock, Phase};

use super::{Chosen, PROMOTION, Promoted, Turn, Waiting};
use crate::act;
use crate::decide::cold::{Beginning, beginning};
use crate::decide::{PATIENCE, WhyMaster, WhyPromote};
use crate::observe::Seen;
use crate::run::Wrapper;
use crate::view::Recorded;

/// Whether somebody was moving the role, and may yet be: whom the record names may be promoted at any moment.
pub(super) fn is_moving(seen: &Seen) -> bool {
    matches!(&seen.view.recorded, Recorded::State(state) if state.phase == Phase::Promoting)
}

impl Wrapper {
    /// Has the best node that holds data promoted. Which one that is, is looked at again under the failover lock.
    pub(super) async fn promote_another(
        &self,
        seen: &Seen,
        best: &Candidate,
        why: WhyPromote,
        waiting: &mut Waiting,
    ) -> Promoted {
        let Some(record) = seen.view.believed() else {
            return self.remember_whom_it_follows(seen, best).await;
        };
        let master = record.addr;
        let warrant = if master == self.identity.addr {
            Warrant::Returned { master }
        } else if seen.view.probe(&master) == Some(&Probe::Refused) {
            Warrant::Refused { master }
        } else {
            Warrant::LeaseOver { master }
        };
        let moves = &self.page.metrics.moves;
        let mut mover = self.mover.clone();
        if why == WhyPromote::NobodyOfTheLineage {
            mover = mover.of_any_lineage();
        }
        if waiting.unheard.is_some_and(|since| since.elapsed() > PATIENCE) {
            mover = mover.without_the_unheard();
        }
        let outcome = moves
            .run(&mover, warrant, std::time::Instant::now(), PROMOTION)
            .await;
        match outcome {
            Outcome::Moved(_) | Outcome::Finished(_) => {}
            Outcome::Stopped(Stop::NoCandidate(WhyNoChoice::NotEnoughSeen { .. })) => {
                return Promoted::TooFew;
            }
            Outcome::Stopped(Stop::TooFewSentinels { .. }) => {
                waiting.unheard.get_or_insert_with(Instant::now);
                return Promoted::Nobody;
            }
            Outcome::Stopped(_) | Outcome::Waited(_) | Outcome::NotReady(_) | Outcome::Failed(_) => {
                return Promoted::Nobody;
            }
        }
        Promoted::Perhaps
    }

    /// ZooKeeper has lost its data, and no Sentinel remembers who was master: a replica that holds the data does. Once that is recorded
    /// the role can be moved.
    async fn remember_whom_it_follows(&self, seen: &Seen, best: &Candidate) -> Promoted {
        let role = seen
            .view
            .snapshot(&best.addr)
            .map(|snapshot| &snapshot.replication.role);
        let Some(Role::Replica { of }) = role.filter(|role| !role.is_fenced()) else {
            return Promoted::Nobody;
        };
        match act::remember(&self.registry, seen, of, best).await {
            Ok(_) => {
                warn!(master = %of, replica = %best.addr, "nothing was recorded, and a replica has data: its master is recorded, to be replaced");
                Promoted::Perhaps
            }
            Err(reason) => {
                info!(reason = %chain(&reason), "the master of a replica not recorded; looking again");
                Promoted::Nobody
            }
        }
    }

    /// The failover lock: whoever had it has ended or is dead.
    pub(super) async fn quiet(&self) -> Option<LockGuard> {
        let by = self.identity.addr.to_string();
        match self.registry.lock(Lock::Failover, &by, PROMOTION.lock).await {
            Ok(guard) => Some(guard),
            Err(reason) => {
                info!(reason = %chain(&reason), "somebody is moving the role; waiting");
                self.progress("waiting for somebody who is moving the role");
                None
            }
        }
    }

    pub(super) async fn claim(&self, seen: Seen, epoch: Epoch, why: WhyMaster) -> Turn {
        let claimed = match act::claim(&self.registry, &seen, epoch, why).await {
            Ok(claimed) => claimed,
            Err(reason) => {
                info!(reason = %chain(&reason), "not recorded as master; looking again");
                return Turn::Again;
            }
        };
        info!(role = "master", %epoch, reason = ?why, "role decided");
        let mine = seen.view.field.mine.as_ref().map(|mine| &mine.holds);
        if beginning(why, mine) == Beginning::EmptyAgain {
            let path = self.work.data.display();
            warn!(%path, "a master was recorded, and nobody has its data: the group goes on with an empty data set; if there should be data, stop this program and bring DATA_DIR back");
        }
        let record = MasterRecord {
            addr: self.identity.addr.clone(),
            epoch,
        };
        let announce = match why {
            WhyMaster::RecordedIsGone => Some((Box::new(seen), record)),
            WhyMaster::FirstStart | WhyMaster::ResumeAlone | WhyMaster::HasEveryWrite => None,
        };
        Turn::Role(Box::new(Chosen {
            announce,
            claimed: Some(claimed),
            ..Chosen::default()
        }))
    }
}
