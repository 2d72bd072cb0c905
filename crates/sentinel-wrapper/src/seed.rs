//! What a Sentinel is told before it starts, gathered from ZooKeeper and the living Sentinels.
//!
//! Epochs are the point: a Sentinel that starts below an epoch in which its predecessor voted could vote twice. So it
//! starts at the highest that anybody knows, and votes only in later ones.
//!
//! Sentinels of old components have no identity here, only an address that outlives them. A stranger may listen there
//! by now, with a group of the same name and a higher epoch: whoever believed it would hand our nodes to its master, to
//! be wiped. So such a Sentinel is believed only if it watches one of our nodes.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use instance::InstanceError;
use registry::RegistryError;
use topology::{Addr, Epoch, MasterRecord, RunId};
use tracing::warn;

use crate::ghosts::Census;
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
        let placed = census.sentinels.iter().filter(|living| living.id != *id);
        let mut peers: BTreeSet<Living> = placed.cloned().collect();
        let words = join_all(peers.iter().map(|living| self.word(&living.addr))).await;
        let mut words: Vec<Word> = words.into_iter().flatten().collect();
        let mut nodes = census.members.clone();
        nodes.insert(recorded.addr.clone());
        for (addr, word) in self.unplaced(&census).await {
            if watches_one_of(&word, &nodes) {
                let id = word.id.clone();
                peers.insert(Living { id, addr });
                words.push(word);
            } else if self.notes.first(format!("stranger {addr} {}", word.record.addr)) {
                warn!(peer = %addr, master = %word.record.addr, "a registered sentinel watches none of our nodes; it is not believed");
            }
        }
        peers.retain(|living| living.id != *id);
        let mut seed = Seed {
            id: id.clone(),
            epoch: known.max(recorded.epoch),
            master: recorded,
            peers: peers.into_iter().collect(),
            replicas: census.members.into_iter().collect(),
        };
        for Word { record, vote, .. } in words {
            seed.epoch = seed.epoch.max(vote).max(record.epoch);
            if record.epoch > seed.master.epoch {
                seed.master = record;
            }
        }
        Ok(seed)
    }

    /// What the Sentinels of old components say that are registered: those that know the group's name.
    async fn unplaced(&self, census: &Census) -> Vec<(Addr, Word)> {
        let placed: BTreeSet<&Addr> = census.sentinels.iter().map(|living| &living.addr).collect();
        let unplaced = census
            .registered
            .iter()
            .filter(|addr| !placed.contains(addr) && **addr != self.announce);
        let asked = unplaced.map(async |addr| Some((addr.clone(), self.word(addr).await?)));
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn word(&self, addr: &Addr) -> Option<Word> {
        let asked = async {
            let sentinel = self.dialer.sentinel(addr).await?;
            let Some(report) = sentinel.report(&self.name).await? else {
                return Ok(None);
            };
            let replicas = sentinel.replicas(&self.name).await?;
            Ok::<_, InstanceError>(Some(Word {
                id: sentinel.my_id().await?,
                vote: sentinel.last_vote(&report.record.addr).await?,
                record: report.record,
                replicas: replicas.into_iter().map(|replica| replica.addr).collect(),
            }))
        };
        asked.await.ok().flatten()
    }
}

/// What a Sentinel says about the group.
#[derive(Debug, Clone)]
struct Word {
    id: RunId,
    /// Whom it holds for master.
    record: MasterRecord,
    /// The epoch of its last vote.
    vote: Epoch,
    replicas: Vec<Addr>,
}

fn watches_one_of(word: &Word, nodes: &BTreeSet<Addr>) -> bool {
    std::iter::once(&word.record.addr)
        .chain(&word.replicas)
        .any(|addr| nodes.contains(addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_is_ours_if_it_watches_a_node_of_ours() {
        let addr = |port| Addr::new("10.0.0.1", port).unwrap();
        let nodes = BTreeSet::from([addr(1), addr(2)]);
        let word = |master, replicas: &[u16]| Word {
            id: RunId::from_bytes([1; 20]),
            record: MasterRecord {
                addr: addr(master),
                epoch: Epoch(9),
            },
            vote: Epoch(9),
            replicas: replicas.iter().map(|port| addr(*port)).collect(),
        };
        let table = [
            (word(1, &[]), true),
            // It has failed over to a node that is no member, and ours is its replica now.
            (word(8, &[7, 2]), true),
            (word(8, &[7]), false),
            (word(8, &[]), false),
        ];
        for (word, ours) in table {
            assert_eq!(watches_one_of(&word, &nodes), ours, "{word:?}");
        }
    }
}
