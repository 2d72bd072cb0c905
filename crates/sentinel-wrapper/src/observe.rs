//! The only reads: ZooKeeper, the own Sentinel, the others.
//!
//! Nothing is decided here. ZooKeeper is read from followed copies where a view must be quick, and directly where a
//! list must be complete. Every question has a deadline; not answering is an answer.

mod census;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use instance::{Dialer, Flags, InstanceError, Sentinel};
use registry::{Followed, Freshness, Registry, RegistryError, Session, Znode};
use tokio::sync::watch;
use topology::{Addr, MasterName, MasterRecord, Role};

use crate::decide::needs_confirmation;
use crate::hooks::Wanted;
use crate::notes::Notes;
use crate::recorded::{NoRecord, recorded};
use crate::view::{Monitoring, Own, Peer, Reach, Recorded, Replica, Standing, View};

pub use self::census::{Knock, knock};

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
    /// What the own Sentinel is to call.
    pub scripts: Wanted,
    /// What was warned of already.
    pub notes: Notes,
    state: watch::Receiver<Followed<Option<Znode>>>,
    master: watch::Receiver<Followed<Option<Znode>>>,
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
            scripts: Wanted::default(),
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

    /// The recorded master as read anew. The two copies are followed each by itself: of one transaction that writes both znodes, the
    /// master may show before the state that says whose it is.
    pub async fn record_now(&self) -> Result<MasterRecord, NoRecord> {
        let tree = self.registry.tree();
        // In this order: whoever sees the master of a transaction sees its state too.
        let read = async {
            let master = self.registry.read(&tree.master()).await?;
            let state = self.registry.read(&tree.state()).await?;
            Ok::<_, RegistryError>((state, master))
        };
        let (state, master) = read.await.map_err(|_| NoRecord::NotRead)?;
        let data = |znode: Option<Znode>| znode.map(|znode| znode.data);
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
                scripts: self.scripts.seen_in(&report),
                record: report.record,
                peers: peers.into_iter().map(peer).collect(),
                replicas: replicas.into_iter().map(replica).collect(),
            })))
        };
        match read.await {
            Ok(own) => own,
            // Removed between two questions.
            Err(InstanceError::NoSuchMaster { .. }) => Own::Unaware,
            Err(error) if error.broke_the_connection() => {
                tracing::debug!(reason = %error, "own sentinel could not be read");
                Own::Silent
            }
            Err(error) => Own::Unusable(error.to_string()),
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

/// Where the wrapper itself reaches its Sentinel: never the announced address, which may be a NAT's.
pub fn local_addr(bind: Option<IpAddr>, port: u16) -> Addr {
    Addr::from(SocketAddr::new(
        bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port,
    ))
}
