//! Our candidacy for a cold start: registered before the bootstrap lock is taken, kept until there is a role.
//!
//! Whoever holds the lock compares the disks of all candidates, so being first is no advantage. Who waits, for time or for
//! another, does so without the lock, until a watch says that something has changed.

use std::collections::BTreeMap;
use std::time::Duration;

use registry::{Followed, Registered, Registration, Registry, RegistryError, Znode};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use topology::Addr;
use tracing::info;
use uuid::Uuid;
use zkpaths::{Candidacy, Holding, Node, Window};

use crate::decide::cold::WINDOW;
use crate::node::NodeKeeper;
use crate::observe::Seen;

/// How long a registration may take before the decision goes on without it.
const REGISTER_DEADLINE: Duration = Duration::from_secs(2);
/// A watch may be late; everything is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Our side of a cold start.
pub(crate) struct Candidate<'a> {
    registry: &'a Registry,
    keeper: &'a NodeKeeper,
    id: Uuid,
    addr: Addr,
    entered: Option<Entered>,
    told: Option<String>,
}

struct Entered {
    candidacy: Candidacy,
    registration: Registration,
    since: Instant,
    others: watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>>,
    state: watch::Receiver<Followed<Option<Znode>>>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(registry: &'a Registry, keeper: &'a NodeKeeper, id: Uuid, addr: Addr) -> Self {
        Self {
            registry,
            keeper,
            id,
            addr,
            entered: None,
            told: None,
        }
    }

    /// Registers, unless it is done already, or there is neither a group nor any data.
    pub(crate) async fn enter(&mut self) -> Result<(), RegistryError> {
        if self.entered.is_some() {
            return Ok(());
        }
        let (registry, tree) = (self.registry, self.registry.tree());
        let node_id = self.keeper.id().id;
        let (state_path, master_path, node_path) = (tree.state(), tree.master(), tree.node(node_id));
        let (state, master, node) = tokio::try_join!(
            registry.read(&state_path),
            registry.read(&master_path),
            registry.read(&node_path),
        )?;
        let remembered = node.and_then(|node| Node::decode(&node.data).ok());
        let holds = self.keeper.recall(remembered);
        let recorded = [state, master]
            .into_iter()
            .flatten()
            .any(|node| !node.data.is_empty());
        if !recorded && holds == Holding::Nothing {
            return Ok(());
        }
        info!(node = %node_id, disk = %shown(&holds), "candidate for a cold start");
        let candidacy = Candidacy {
            node: node_id,
            addr: self.addr.clone(),
            holds,
            window: Window::Open,
        };
        let registration = registry.register(tree.candidate(self.id), candidacy.encode());
        let mut status = registration.status();
        let present = status.wait_for(|status| *status == Registered::Present);
        let _ = timeout(REGISTER_DEADLINE, present).await;
        self.entered = Some(Entered {
            candidacy,
            registration,
            since: Instant::now(),
            others: registry.follow_children(tree.candidates()),
            state: registry.follow(tree.state()),
        });
        Ok(())
    }

    /// Before a look: what changes from now on ends the next [`Self::stand_by`].
    pub(crate) fn about_to_look(&mut self) {
        if let Some(entered) = &mut self.entered {
            entered.others.mark_unchanged();
            entered.state.mark_unchanged();
        }
    }

    /// Adds our own part to what was seen.
    pub(crate) fn complete(&mut self, seen: &mut Seen) {
        let Some(entered) = &mut self.entered else { return };
        let open_for = entered.since.elapsed();
        if open_for >= WINDOW && entered.candidacy.window == Window::Open {
            entered.candidacy.window = Window::Over;
            entered.registration.update(entered.candidacy.encode());
        }
        seen.view.field.mine = Some(entered.candidacy.clone());
        seen.view.field.whole = self.keeper.is_whole();
        seen.view.field.open_for = open_for;
    }

    /// Waits until a candidacy or the record changes, `left` at most.
    pub(crate) async fn stand_by(&mut self, left: Duration, why: &str) {
        if self.told.as_deref() != Some(why) {
            info!(reason = why, "cold start: standing by");
            self.told = Some(why.to_owned());
        }
        let changed = async {
            match &mut self.entered {
                Some(entered) => {
                    tokio::select! {
                        _ = entered.others.changed() => {}
                        _ = entered.state.changed() => {}
                    }
                }
                None => std::future::pending().await,
            }
        };
        let _ = timeout(left.min(LOOK_AGAIN), changed).await;
    }

    /// What our disk holds, where it matters.
    pub(crate) fn holds(&self) -> Option<&Holding> {
        self.entered.as_ref().map(|entered| &entered.candidacy.holds)
    }

    /// The end: the registration of a winner stays until its Redis answers.
    pub(crate) fn leave(self) -> Option<Registration> {
        self.entered.map(|entered| entered.registration)
    }
}

/// One line for the log.
pub(crate) fn shown(holds: &Holding) -> String {
    match holds {
        Holding::Nothing => "nothing".to_owned(),
        Holding::Unknown { .. } => "data of an unknown lineage".to_owned(),
        Holding::Known { point, .. } => format!("{} at offset {}", point.id, point.offset),
    }
}
