//! Doing what [`crate::keep`] decided: the record is completed or put back, or our Redis follows another. No choices are made here.

use instance::{InstanceError, Snapshot};
use program::chain;
use topology::{Addr, Role};
use tracing::{info, warn};

use super::Tending;
use crate::act;
use crate::keep::{Keep, Look, WhyFollow};
use crate::run::Wrapper;
use crate::salvage;

impl Tending<'_> {
    /// What only a node has that was master goes aside before it is replaced.
    async fn keep_aside(
        &self,
        master: &Addr,
        why: WhyFollow,
        look: &Look,
        snapshot: &Snapshot,
    ) -> Result<(), InstanceError> {
        let Wrapper {
            dialer, node, page, ..
        } = self.wrapper;
        match why {
            WhyFollow::NoLongerMaster | WhyFollow::Fenced => {}
            WhyFollow::WrongMaster => return Ok(()),
        }
        let its = dialer.redis(master).await?.snapshot().await?;
        if salvage::contains(&its.replication, &snapshot.replication) {
            return Ok(());
        }
        // It takes no write while files are linked, or copied.
        if look.role == Role::Master {
            self.redis.get().await?.follow_nobody().await?;
        }
        let epoch = look.recorded_epoch();
        salvage::before_following(node, epoch, &page.metrics).await;
        Ok(())
    }

    pub(super) async fn correct(&mut self, decided: &Keep, look: &Look, snapshot: &Snapshot) {
        let Wrapper {
            identity,
            registry,
            page,
            ..
        } = self.wrapper;
        match decided {
            Keep::Nothing(_) => {}
            Keep::Settle => {
                let over = look.recorded_run_id();
                match act::settle(registry, &identity.addr, over, snapshot).await {
                    Ok(state) => {
                        self.settlements.note();
                        info!(master = %identity.addr, epoch = %state.epoch, "record completed");
                    }
                    Err(reason) => warn!(reason = %chain(&reason), "record not completed yet; trying again"),
                }
            }
            Keep::Restore => {
                page.metrics.corrections.inc();
                let Some(known) = &self.known else { return };
                match act::restore(registry, known, &self.wrapper.config.group.name, snapshot).await {
                    Ok(state) => {
                        warn!(master = %identity.addr, epoch = %state.epoch, "zookeeper had lost the record; put back");
                    }
                    Err(reason) => warn!(reason = %chain(&reason), "record not put back yet; trying again"),
                }
            }
            Keep::Follow { to, why } => {
                page.metrics.corrections.inc();
                if let Err(reason) = self.keep_aside(to, *why, look, snapshot).await {
                    warn!(master = %to, reason = %chain(&reason), "not following yet; trying again");
                    return;
                }
                let followed = async {
                    let redis = self.redis.get().await?;
                    redis.follow_master(to).await?;
                    // Clients that still think they speak to a master look again.
                    if look.role == Role::Master {
                        redis.kill_clients().await
                    } else {
                        Ok(0)
                    }
                };
                match followed.await {
                    Ok(_) => warn!(master = %to, reason = ?why, "following the recorded master"),
                    Err(reason) => {
                        warn!(master = %to, reason = %chain(&reason), "not following yet; trying again");
                    }
                }
            }
        }
    }
}
