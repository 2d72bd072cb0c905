//! The only reads: ZooKeeper, the own Sentinel, the others.
//!
//! Nothing is decided here. ZooKeeper is read from followed copies where a view must be quick, and directly where a
//! list must be complete. Every question has a deadline; not answering is an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use instance::{Dialer, Flags, InstanceError, Sentinel};
use registry::{Followed, Freshness, Registry, RegistryError, Session, Znode};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use topology::{Addr, MasterName, MasterRecord, Role, RunId};
use zkpaths::Member;

use crate::decide::needs_confirmation;
use crate::ghosts::{Census, Testimony, Witness};
use crate::identity::{Answers, Holder};
use crate::notes::Notes;
use crate::recorded::{NoRecord, recorded};
use crate::view::{Living, Monitoring, Own, Peer, Reach, Recorded, Replica, Standing, View};

/// How long a connection may take before nobody is there.
const KNOCK: Duration = Duration::from_millis(500);

/// Looks at the world for one Sentinel.
pub struct Observer {
    /// ZooKeeper.
    pub registry: Registry,
    /// Redis and Sentinel.
    pub dialer: Dialer,
    /// The group.
    pub name: MasterName,
    /// Where the own Sentinel is announced.
    pub announce: Addr,
    /// Where the wrapper itself reaches it.
    pub local: Addr,
    /// What was warned of already.
    pub notes: Notes,
    state: watch::Receiver<Followed<Option<Znode>>>,
    master: watch::Receiver<Followed<Option<Znode>>>,
}

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
    /// An observer that follows the recorded master from now on.
    pub fn new(registry: Registry, dialer: Dialer, name: MasterName, announce: Addr, local: Addr) -> Self {
        let state = registry.follow(registry.tree().state());
        let master = registry.follow(registry.tree().master());
        Self {
            registry,
            dialer,
            name,
            announce,
            local,
            notes: Notes::default(),
            state,
            master,
        }
    }

    /// Waits for a change of what ZooKeeper says about the master. Once nobody follows it any more, for ever.
    pub async fn record_changed(&mut self) {
        tokio::select! {
            Ok(()) = self.state.changed() => {}
            Ok(()) = self.master.changed() => {}
            else => std::future::pending().await,
        }
    }

    /// Whether the session is up.
    pub fn session_up(&self) -> bool {
        matches!(*self.registry.session().borrow(), Session::Up { .. })
    }

    /// The recorded master by the followed copies; they must be current.
    pub fn record(&self) -> Result<MasterRecord, NoRecord> {
        let (state, master) = (self.state.borrow(), self.master.borrow());
        let (Some(state), Some(master)) = (&state.value, &master.value) else {
            return Err(NoRecord::NotRead);
        };
        let data = |znode: &Option<Znode>| znode.as_ref().map(|znode| znode.data.clone());
        recorded(data(state).as_deref(), data(master).as_deref(), &self.name)
    }

    fn record_is_current(&self) -> bool {
        let current = |followed: &watch::Receiver<Followed<Option<Znode>>>| match followed.borrow().freshness
        {
            Freshness::Current => true,
            Freshness::NeverRead | Freshness::StaleSince(_) => false,
        };
        current(&self.state) && current(&self.master)
    }

    /// One look at everything that keeping in step turns on. How often it was `refused` the caller knows.
    pub async fn look(&self, refused: impl FnOnce(&Recorded) -> u32) -> View {
        let own = self.own().await;
        let recorded = match self.record() {
            Err(reason) => Recorded::No(reason),
            Ok(_) if !self.record_is_current() => Recorded::Stale,
            Ok(record) => {
                let standing = if needs_confirmation(&record, &own) {
                    self.standing(&record.addr).await
                } else {
                    Standing::NotAsked
                };
                Recorded::Yes { record, standing }
            }
        };
        View {
            refused: refused(&recorded),
            recorded,
            own,
        }
    }

    /// A connection to the own Sentinel.
    pub async fn own_sentinel(&self) -> Result<Sentinel, InstanceError> {
        self.dialer.sentinel(&self.local).await
    }

    /// What the own Sentinel says.
    pub async fn own(&self) -> Own {
        let read = async {
            let sentinel = self.own_sentinel().await?;
            let Some(report) = sentinel.report(&self.name).await? else {
                return Ok(Own::Unaware);
            };
            let peers = sentinel.peers(&self.name).await?;
            let replicas = sentinel.replicas(&self.name).await?;
            let peer = |peer: instance::PeerReport| Peer {
                reach: reach(&peer.flags),
                id: peer.run_id,
                addr: peer.addr,
            };
            let replica = |replica: instance::ReplicaReport| Replica {
                reach: reach(&replica.flags),
                addr: replica.addr,
            };
            Ok::<_, InstanceError>(Own::Monitoring(Box::new(Monitoring {
                master: reach(&report.flags),
                failover_in_progress: report.flags.failover_in_progress,
                record: report.record,
                peers: peers.into_iter().map(peer).collect(),
                replicas: replicas.into_iter().map(replica).collect(),
            })))
        };
        match read.await {
            Ok(own) => own,
            // Removed between two questions.
            Err(InstanceError::NoSuchMaster { .. }) => Own::Unaware,
            Err(error) => {
                tracing::debug!(reason = %error, "own sentinel could not be read");
                Own::Silent
            }
        }
    }

    /// Whether the node at `addr` says that it is a master.
    pub async fn standing(&self, addr: &Addr) -> Standing {
        let role = async { self.dialer.redis(addr).await?.role().await };
        match role.await {
            Ok(Role::Master) => Standing::Confirmed,
            Ok(Role::Replica { .. }) | Err(_) => Standing::Unconfirmed,
        }
    }

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

fn reach(flags: &Flags) -> Reach {
    if flags.subjectively_down || flags.objectively_down {
        Reach::Down
    } else if flags.disconnected {
        Reach::Disconnected
    } else {
        Reach::Up
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

/// Where the wrapper itself reaches its Sentinel: never the announced address, which may be a NAT's.
pub fn local_addr(bind: Option<IpAddr>, port: u16) -> Addr {
    Addr::from(SocketAddr::new(
        bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port,
    ))
}
