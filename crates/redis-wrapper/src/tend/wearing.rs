//! Puts the belt on and takes it off, once a second if need be.

use instance::{InstanceError, Redis};
use program::chain;
use topology::Role;
use tracing::{info, warn};

use crate::belt::{BELT, Belt, Worn, belt};

/// The belt of our Redis, and what its settings were before.
pub(super) struct Wearing {
    worn: Worn,
    /// The values to give back, read before the belt was put on.
    own: Vec<(&'static str, String)>,
    told: bool,
}

impl Wearing {
    pub(super) fn new(worn: Worn) -> Self {
        Self {
            worn,
            own: Vec::new(),
            told: false,
        }
    }

    /// Brings the belt in line with what our Redis is and how many replicas are in step.
    pub(super) async fn wear(&mut self, redis: &Redis, role: &Role, in_step: usize) {
        let (done, worn) = match belt(role, in_step, self.worn) {
            Belt::Leave => return,
            Belt::PutOn => (self.put_on(redis).await, Worn::On),
            Belt::TakeOff => (self.take_off(redis).await, Worn::Off),
        };
        match done {
            Ok(()) => {
                self.worn = worn;
                self.told = false;
                let writes = match worn {
                    Worn::On => "refused while no replica acknowledges them",
                    Worn::Off | Worn::NotOurs => "taken whether a replica acknowledges them or not",
                };
                info!(
                    replicas = in_step,
                    "min-replicas-to-write changed: writes are {writes}"
                );
            }
            Err(reason) if !self.told => {
                warn!(reason = %chain(&reason), "min-replicas-to-write not changed; trying again");
                self.told = true;
            }
            Err(_) => {}
        }
    }

    async fn put_on(&mut self, redis: &Redis) -> Result<(), InstanceError> {
        if self.own.is_empty() {
            let mut own = Vec::new();
            for (setting, _) in BELT {
                // A server that does not say has none of ours to give back.
                own.push((setting, redis.config_get(setting).await?.unwrap_or_default()));
            }
            self.own = own;
        }
        for (setting, value) in BELT {
            redis.config_set(setting, value).await?;
        }
        Ok(())
    }

    async fn take_off(&mut self, redis: &Redis) -> Result<(), InstanceError> {
        for (setting, value) in self.own.iter().rev() {
            redis.config_set(setting, value).await?;
        }
        Ok(())
    }
}
