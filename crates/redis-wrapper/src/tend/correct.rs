//! Doing what [`crate::keep`] decided: the record is completed or put back, or our Redis follows another. No choices are made here.

use instance::Snapshot;
use program::chain;
use topology::Role;
use tracing::{info, warn};

use super::Tending;
use crate::act;
use crate::keep::{Keep, Look};
use crate::run::Wrapper;

impl Tending<'_> {
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
