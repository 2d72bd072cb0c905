//! Who lives, by ZooKeeper's word: Sentinels, run ids, members; and whether they can be reached.
//!
//! Read from ZooKeeper directly: a list from which ghosts are told must be complete and of now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use registry::RegistryError;
use tokio::net::TcpStream;
use tokio::time::timeout;
use topology::{Addr, RunId};
use zkpaths::Member;

use super::{Observer, reach};
use crate::ghosts::{Census, Testimony, Witness};
use crate::identity::{Answers, Holder};
use crate::view::Living;

/// How long a connection may take before nobody is there.
const KNOCK: Duration = Duration::from_millis(500);

/// Whether somebody accepts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knock {
    /// Yes.
    Open,
    /// The host answered: nobody listens.
    Refused,
    /// No answer, or no way there.
    Unreachable,
}

impl Observer {
    /// Everybody who is registered.
    pub async fn census(&mut self) -> Result<Census, RegistryError> {
        let tree = self.registry.tree().clone();
        let sentinels = self.holders().await?.into_iter();
        let sentinels = sentinels.filter_map(|(id, holder)| match holder {
            Holder::Nobody | Holder::Starting => None,
            Holder::At { addr, .. } => Some(Living { id, addr }),
        });
        let registered = self.registrations().await?.into_values().collect();
        let mut members = BTreeSet::new();
        for (name, data) in self.registry.children(&tree.members()).await? {
            match Member::decode(&data) {
                Ok(member) => drop(members.insert(member.addr)),
                Err(problem) => self.notes.malformed(&tree.members(), &name, &problem),
            }
        }
        Ok(Census {
            sentinels: sentinels.collect(),
            registered,
            members,
        })
    }

    /// The children of `/redis/sentinels` and where they say they are.
    pub async fn registrations(&mut self) -> Result<BTreeMap<String, Addr>, RegistryError> {
        let parent = self.registry.tree().sentinels();
        let mut found = BTreeMap::new();
        for (name, data) in self.registry.children(&parent).await? {
            match zkpaths::decode_address(&data) {
                Ok(addr) => drop(found.insert(name, addr)),
                Err(problem) => self.notes.malformed(&parent, &name, &problem),
            }
        }
        Ok(found)
    }

    /// The run ids and who has them, by ZooKeeper's word alone: every address counts as answering.
    async fn holders(&mut self) -> Result<BTreeMap<RunId, Holder>, RegistryError> {
        let parent = self.registry.tree().identities();
        let mut slots = BTreeMap::new();
        for name in self.registry.children(&parent).await?.into_keys() {
            let id: RunId = match name.parse() {
                Ok(id) => id,
                Err(problem) => {
                    self.notes.malformed(&parent, &name, &problem);
                    continue;
                }
            };
            let path = self.registry.tree().identity_holder(&id);
            let holder = match self.registry.read(&path).await? {
                None => Holder::Nobody,
                Some(znode) => match zkpaths::decode_address(&znode.data) {
                    Ok(addr) => Holder::At {
                        addr,
                        answers: Answers::Yes,
                    },
                    Err(_) => Holder::Starting,
                },
            };
            slots.insert(id, holder);
        }
        Ok(slots)
    }

    /// The run ids, who has them, and whether they answer.
    pub async fn slots(&mut self) -> Result<BTreeMap<RunId, Holder>, RegistryError> {
        let knocked = self
            .holders()
            .await?
            .into_iter()
            .map(async |(id, holder)| match holder {
                Holder::Nobody | Holder::Starting => (id, holder),
                Holder::At { addr, .. } => {
                    let answers = match knock(&addr).await {
                        Knock::Open => Answers::Yes,
                        Knock::Refused | Knock::Unreachable => Answers::No,
                    };
                    (id, Holder::At { addr, answers })
                }
            });
        Ok(join_all(knocked).await.into_iter().collect())
    }

    /// What the living Sentinels but `without` say about the master.
    pub async fn witnesses(&self, census: &Census, without: &RunId) -> Vec<Witness> {
        let others = census.sentinels.iter().filter(|living| living.id != *without);
        join_all(others.map(|living| self.witness(&living.addr))).await
    }

    async fn witness(&self, addr: &Addr) -> Witness {
        let asked = async { self.dialer.sentinel(addr).await?.report(&self.name).await };
        let says = asked.await.ok().flatten().map(|report| Testimony {
            master: reach(&report.flags),
            failover_in_progress: report.flags.failover_in_progress,
            record: report.record,
        });
        Witness {
            addr: addr.clone(),
            says,
        }
    }
}

/// Whether anybody accepts connections at `addr`.
pub async fn knock(addr: &Addr) -> Knock {
    match timeout(KNOCK, TcpStream::connect((addr.host(), addr.port()))).await {
        Ok(Ok(_)) => Knock::Open,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Knock::Refused,
        Ok(Err(_)) | Err(_) => Knock::Unreachable,
    }
}
