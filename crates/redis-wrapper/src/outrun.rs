//! After the claim: completing the record, or stepping back at once if somebody was quicker.
//!
//! Between the claim and the moment when our Redis answers the group may have gone on without us. Then our Redis is a master that nobody
//! recorded, and each write that it takes is lost; so it follows the recorded one, if that one answers, before anybody hears of ours.

use instance::{Probe, Snapshot};
use program::chain;
use topology::Role;
use tracing::{info, warn};
use zkpaths::{Holding, State};

use crate::act::{self, ActError};
use crate::keep::{Accepted, Keep, Look, Record, disagreement, keep};
use crate::launch::local_addr;
use crate::observe::Seen;
use crate::run::Wrapper;
use crate::salvage::{self, Verdict};
use crate::view::{Recorded, View};

/// Somebody else may write the record at the same moment; what is left then is done while Redis runs.
const TRIES: usize = 3;

impl Wrapper {
    /// Completes the record that we claimed. If it is not ours any more, our Redis follows the one that is recorded.
    pub(crate) async fn complete(
        &self,
        claimed: &State,
        held: Option<&Holding>,
        snapshot: &mut Box<Snapshot>,
    ) {
        let me = &self.identity.addr;
        for _ in 0..TRIES {
            match act::settle(&self.registry, me, None, snapshot).await {
                Ok(state) => {
                    info!(master = %me, epoch = %state.epoch, "master published");
                    return;
                }
                Err(ActError::Outrun) => info!("the record has changed since we claimed it; looking again"),
                Err(reason @ (ActError::NotMaster | ActError::Newer | ActError::Unconfirmed(_))) => {
                    warn!(reason = %chain(&reason), "record not completed yet; trying again");
                    return;
                }
            }
            let Ok(seen) = self.observer.look().await else {
                return;
            };
            match keep(&look(claimed, snapshot, &seen)) {
                Keep::Follow { to, why } => {
                    warn!(master = %to, reason = ?why, "somebody else became master meanwhile");
                    if let Verdict::Keep(why) =
                        salvage::judge(held.unwrap_or(&Holding::Nothing), &to, &seen.view)
                    {
                        salvage::before_start(&self.node, claimed.epoch, why, &self.page.metrics).await;
                    }
                    self.step_back(&to, snapshot).await;
                    return;
                }
                Keep::Settle => {}
                Keep::Nothing(_) | Keep::Restore => return,
            }
        }
    }

    async fn step_back(&self, to: &topology::Addr, snapshot: &mut Box<Snapshot>) {
        let local = local_addr(&self.config.network);
        let followed = async {
            let redis = self.dialer.redis(&local).await?;
            redis.follow_master(to).await?;
            redis.kill_clients().await
        };
        match followed.await {
            Ok(_) => info!(master = %to, "following the recorded master"),
            Err(reason) => warn!(master = %to, reason = %chain(&reason), "not following yet; trying again"),
        }
        if let Probe::Answered(now) = self.dialer.probe(&local).await {
            *snapshot = now;
        }
    }
}

/// The look of a node that has just claimed to be master.
fn look(claimed: &State, snapshot: &Snapshot, seen: &Seen) -> Look {
    let view = &seen.view;
    let role = snapshot.replication.role.clone();
    let record = match &view.recorded {
        Recorded::State(state) => Record::Named(state.clone()),
        Recorded::Nobody | Recorded::Legacy(_) | Recorded::Newer => Record::Unknown,
    };
    let recorded_role = match &record {
        Record::Named(state) => {
            disagreement(&view.me, &role, Some(state)).and_then(|addr| answered(view, addr))
        }
        Record::Unknown | Record::Empty => None,
    };
    let heard = !view.sentinels.is_empty() || view.silent_sentinels == 0;
    Look {
        me: view.me.clone(),
        role,
        run_id: snapshot.run_id.clone(),
        replication_id: snapshot.replication.id.clone(),
        record,
        known: Some(Accepted::from(claimed)),
        recorded_role,
        sentinels: heard.then(|| view.sentinels.clone()),
        standing: std::time::Duration::ZERO,
        namesakes: Some(view.own.members.clone()),
        settled: 0,
    }
}

fn answered(view: &View, addr: &topology::Addr) -> Option<Role> {
    view.snapshot(addr)
        .map(|snapshot| snapshot.replication.role.clone())
}
