//! What nobody else removes from ZooKeeper.
//!
//! Old components register their Sentinels for ever; a dead one would be offered to clients for ever. And run ids
//! outlive their Sentinels by design, so somebody must see that they do not pile up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use registry::{Expected, RegistryError, Write};
use tokio::time::Instant;
use topology::{Addr, RunId};
use tracing::{debug, info};

use crate::ghosts::{Suspect, surplus};
use crate::identity::Holder;
use crate::observe::{Knock, knock};
use crate::tend::Look;

const TIDY: Duration = Duration::from_secs(30);

impl Look<'_> {
    /// What nobody else removes from ZooKeeper: registrations of dead Sentinels of old components, which are not
    /// ephemeral, and free run ids beyond number.
    pub(crate) async fn tidy(&mut self) {
        if self.memory.tidy_after.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.memory.tidy_after = Some(Instant::now() + TIDY);
        if !self.observer.session_up() {
            self.memory.registrations.blind();
            return;
        }
        if let Err(problem) = self.tidy_now().await {
            debug!(reason = %problem, "zookeeper could not be tidied");
            self.memory.registrations.blind();
        }
    }

    async fn tidy_now(&mut self) -> Result<(), RegistryError> {
        let slots = self.observer.slots().await?;
        self.registrations(&slots).await?;
        self.run_ids(&slots).await
    }

    /// Registrations that nobody keeps and nobody stands behind.
    async fn registrations(&mut self, slots: &BTreeMap<RunId, Holder>) -> Result<(), RegistryError> {
        let held: BTreeSet<_> = slots.values().filter_map(holder_addr).collect();
        let registered = self.observer.registrations().await?.into_iter();
        let nobodys = registered.filter(|(_, addr)| *addr != self.observer.announce && !held.contains(addr));
        let knocked = join_all(nobodys.map(async |(name, addr)| (knock(&addr).await, name))).await;
        let refused = knocked
            .into_iter()
            .filter(|(knock, _)| *knock == Knock::Refused)
            .map(|(_, name)| Suspect::Registration(name));
        let ripe = self
            .memory
            .registrations
            .look(refused.collect(), Instant::now().into_std());
        for ghost in ripe {
            if let Suspect::Registration(name) = ghost {
                self.unregister(&name).await?;
            }
        }
        Ok(())
    }

    /// An ephemeral has an owner who lives: that we are refused there says only that there is no way from here.
    async fn unregister(&self, name: &str) -> Result<(), RegistryError> {
        let registry = &self.observer.registry;
        let path = registry.tree().sentinels().child(name);
        let Some(znode) = registry.read(&path).await?.filter(|znode| !znode.ephemeral) else {
            return Ok(());
        };
        let expected = Expected::Version(znode.version);
        let delete = Write::Delete {
            path: path.clone(),
            expected,
        };
        match registry.commit(&[delete]).await {
            Ok(()) => info!(%path, "registration of a dead sentinel removed"),
            // Another was quicker, or somebody came back.
            Err(problem) => debug!(%path, reason = %problem, "registration of a dead sentinel not removed"),
        }
        Ok(())
    }

    async fn run_ids(&mut self, slots: &BTreeMap<RunId, Holder>) -> Result<(), RegistryError> {
        let tree = self.observer.registry.tree().clone();
        let free = slots
            .iter()
            .filter(|(_, holder)| **holder == Holder::Nobody)
            .map(|(id, _)| id.clone())
            .collect();
        for id in surplus(&free) {
            // A holder that came meanwhile is a child, and ZooKeeper refuses.
            if self.observer.registry.remove(&tree.identity(&id)).await.is_ok() {
                info!(%id, "surplus run id removed");
            }
        }
        Ok(())
    }
}

fn holder_addr(holder: &Holder) -> Option<Addr> {
    match holder {
        Holder::Nobody | Holder::Starting => None,
        Holder::At { addr, .. } => Some(addr.clone()),
    }
}
