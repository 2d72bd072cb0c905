//! What a Sentinel is told before it starts, gathered from ZooKeeper and the living Sentinels.
//!
//! Epochs are the point: a Sentinel that starts below an epoch in which its predecessor voted could vote twice. So it
//! starts at the highest that anybody knows, and votes only in later ones.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use instance::InstanceError;
use registry::RegistryError;
use topology::{Addr, Epoch, MasterRecord, RunId};

use crate::observe::Observer;
use crate::recorded::NoRecord;
use crate::view::{Living, Seed};

/// Why a Sentinel cannot be told everything now.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// There is no master to tell it of.
    #[error("no master to start with: {0}")]
    NoRecord(NoRecord),
    /// ZooKeeper cannot be read.
    #[error("ZooKeeper cannot be read")]
    Registry(#[source] RegistryError),
}

impl Observer {
    /// What a Sentinel with this run id should know from its first moment.
    pub async fn seed(&mut self, id: &RunId, known: Epoch) -> Result<Seed, Unready> {
        let recorded = self.record().map_err(Unready::NoRecord)?;
        let census = self.census().await.map_err(Unready::Registry)?;
        let mut peers: BTreeSet<Living> = census
            .sentinels
            .iter()
            .filter(|living| living.id != *id)
            .cloned()
            .collect();
        // Sentinels of old components have no identity in ZooKeeper; they know their run id themselves.
        let placed: BTreeSet<&Addr> = census.sentinels.iter().map(|living| &living.addr).collect();
        let unplaced = census
            .registered
            .iter()
            .filter(|addr| !placed.contains(addr) && **addr != self.announce);
        let named = join_all(unplaced.map(async |addr| {
            let asked = async { self.dialer.sentinel(addr).await?.my_id().await };
            asked.await.ok().map(|id| Living {
                id,
                addr: addr.clone(),
            })
        }));
        peers.extend(
            named
                .await
                .into_iter()
                .flatten()
                .filter(|living| living.id != *id),
        );
        let words = join_all(peers.iter().map(|living| self.word(&living.addr))).await;
        let mut seed = Seed {
            id: id.clone(),
            epoch: known.max(recorded.epoch),
            master: recorded,
            peers: peers.into_iter().collect(),
            replicas: census.members.into_iter().collect(),
        };
        for (record, vote) in words.into_iter().flatten() {
            seed.epoch = seed.epoch.max(vote).max(record.epoch);
            if record.epoch > seed.master.epoch {
                seed.master = record;
            }
        }
        Ok(seed)
    }

    /// Whom a Sentinel holds for master, and the epoch of its last vote.
    async fn word(&self, addr: &Addr) -> Option<(MasterRecord, Epoch)> {
        let asked = async {
            let sentinel = self.dialer.sentinel(addr).await?;
            let Some(report) = sentinel.report(&self.name).await? else {
                return Ok(None);
            };
            let vote = sentinel.last_vote(&report.record.addr).await?;
            Ok::<_, InstanceError>(Some((report.record, vote)))
        };
        asked.await.ok().flatten()
    }
}
