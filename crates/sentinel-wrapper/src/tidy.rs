//! What nobody else removes from ZooKeeper.
//!
//! Old components register their Sentinels for ever; a dead one would be offered to clients for ever. And run ids
//! outlive their Sentinels by design, so somebody must see that they do not pile up.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use topology::Addr;
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

    async fn tidy_now(&mut self) -> Result<(), registry::RegistryError> {
        let tree = self.observer.registry.tree().clone();
        let slots = self.observer.slots().await?;
        let held: BTreeSet<_> = slots.values().filter_map(holder_addr).collect();
        let mut dead = BTreeSet::new();
        for (name, addr) in self.observer.registrations().await? {
            if addr != self.observer.announce && !held.contains(&addr) && knock(&addr).await == Knock::Refused
            {
                dead.insert(Suspect::Registration(name));
            }
        }
        for ghost in self.memory.registrations.look(dead, Instant::now().into_std()) {
            if let Suspect::Registration(name) = ghost {
                self.observer
                    .registry
                    .remove(&tree.sentinels().child(&name))
                    .await?;
                info!(path = %tree.sentinels().child(&name), "registration of a dead sentinel removed");
            }
        }
        let free = slots
            .iter()
            .filter(|(_, holder)| **holder == Holder::Nobody)
            .map(|(id, _)| id.clone())
            .collect();
        for id in surplus(&free) {
            // A holder that came meanwhile is a child, and ZooKeeper refuses.
            if self.observer.registry.remove(&tree.identity(&id)).await.is_ok() {
                debug!(%id, "surplus run id removed");
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
