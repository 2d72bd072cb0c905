//! The task behind a registration.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};
use zkpaths::ZkPath;

use super::Registered;
use super::put::{Placed, Put};
use crate::Session;
use crate::backoff::Backoff;
use crate::error::Fault;
use crate::session::{Attached, Link, Phase};
use crate::watcher::Change;

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Ours alone: what is there under our name is ours, or will go.
    Always,
    /// Whoever comes first.
    IfFree,
}

pub(super) struct Keeper {
    pub(super) link: Arc<Link>,
    pub(super) path: ZkPath,
    pub(super) rule: Rule,
    pub(super) wanted: watch::Receiver<Vec<u8>>,
    status: watch::Sender<Registered>,
    phase: watch::Receiver<Phase>,
    /// The last session in which we made the znode, or may have.
    pub(super) made_in: Option<i64>,
}

/// Why the task looks up from a znode that is there.
enum Stir {
    /// It is gone, or not known to be right: put it there again.
    PutAgain,
    /// The handle was dropped.
    Left,
}

impl Keeper {
    pub(super) fn new(
        link: Arc<Link>,
        path: ZkPath,
        rule: Rule,
        wanted: watch::Receiver<Vec<u8>>,
        status: watch::Sender<Registered>,
    ) -> Self {
        let phase = link.phase();
        Self {
            link,
            path,
            rule,
            wanted,
            status,
            phase,
            made_in: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::for_requests();
        let mut denied = false;
        loop {
            let Some(attached) = self.attached().await else {
                break;
            };
            let outcome = self.put(&attached).await;
            let stir = match outcome {
                Put::Present(placed) => {
                    backoff.reset();
                    denied = false;
                    self.publish(Registered::Present);
                    self.stay(&attached, placed).await
                }
                Put::Taken(freed) => {
                    self.publish(Registered::Taken);
                    if self.rule == Rule::IfFree {
                        return;
                    }
                    self.wait_until_free(&attached, freed).await
                }
                Put::Again => Stir::PutAgain,
                Put::Failed(fault) => {
                    if !denied && matches!(fault, Fault::Denied | Fault::Refused(_)) {
                        warn!(path = %self.path, reason = ?fault, "zookeeper refuses a registration");
                        denied = true;
                    }
                    self.pause(&mut backoff).await
                }
            };
            match stir {
                Stir::PutAgain => {}
                Stir::Left => break,
            }
        }
        self.withdraw().await;
    }

    /// The usable client; `None` once the handle is dropped. Says meanwhile that the znode's session is over.
    async fn attached(&mut self) -> Option<Arc<Attached>> {
        loop {
            let session = self.phase.borrow_and_update().session;
            if session == Session::Connecting {
                self.publish(Registered::Pending);
            }
            if let Ok(attached) = self.link.up() {
                if self.wanted.has_changed().is_err() {
                    return None;
                }
                if self.made_in.is_some_and(|session| session != attached.session()) {
                    self.publish(Registered::Pending);
                }
                return Some(attached);
            }
            tokio::select! {
                changed = self.phase.changed() => if changed.is_err() { std::future::pending().await },
                () = left(&mut self.wanted) => return None,
            }
        }
    }

    /// Keeps the data current while the znode is there.
    async fn stay(&mut self, attached: &Attached, mut placed: Placed) -> Stir {
        loop {
            match self.attached().await {
                None => return Stir::Left,
                Some(now) if now.number != attached.number => return Stir::PutAgain,
                Some(_) => {}
            }
            if self.wanted.has_changed().is_ok_and(|changed| changed) {
                let data = self.wanted.borrow_and_update().clone();
                let request = attached
                    .client
                    .set_data(self.path.as_str(), &data, Some(placed.version));
                match self.link.answer(request).await {
                    Ok(stat) => placed.version = stat.version,
                    Err(_) => return Stir::PutAgain,
                }
            }
            tokio::select! {
                () = &mut placed.gone => {
                    if self.link.up().is_ok_and(|now| now.number == attached.number) {
                        info!(path = %self.path, "registration was deleted by someone, putting it back");
                    }
                    return Stir::PutAgain;
                }
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.wanted.mark_changed(),
                    Err(_) => return Stir::Left,
                },
                () = self.link.departed(&mut self.phase, attached) => {}
            }
        }
    }

    async fn wait_until_free(&mut self, attached: &Attached, freed: Change) -> Stir {
        tokio::select! {
            () = freed => Stir::PutAgain,
            () = self.link.departed(&mut self.phase, attached) => Stir::PutAgain,
            () = left(&mut self.wanted) => Stir::Left,
        }
    }

    async fn pause(&mut self, backoff: &mut Backoff) -> Stir {
        tokio::select! {
            () = backoff.pause() => Stir::PutAgain,
            () = left(&mut self.wanted) => Stir::Left,
        }
    }

    /// Deletes what we have made, however long it takes to get through: the session may live on without us, and with it
    /// the znode.
    async fn withdraw(mut self) {
        let Some(session) = self.made_in else { return };
        let mut backoff = Backoff::for_requests();
        loop {
            let attached = self.link.attached(&mut self.phase).await;
            if attached.session() != session {
                return;
            }
            let path = self.path.as_str();
            let stat = match self.link.answer(attached.client.check_stat(path)).await {
                Ok(Some(stat)) if stat.ephemeral_owner == session => stat,
                Ok(_) => return,
                Err(_) => {
                    backoff.pause().await;
                    continue;
                }
            };
            match self
                .link
                .answer(attached.client.delete(path, Some(stat.version)))
                .await
            {
                Ok(()) | Err(Fault::Missing) => return,
                Err(_) => backoff.pause().await,
            }
        }
    }

    fn publish(&self, status: Registered) {
        self.status
            .send_if_modified(|published| std::mem::replace(published, status) != status);
    }
}

/// Ends when the handle is dropped; updates meanwhile are found when the data is read.
async fn left(wanted: &mut watch::Receiver<Vec<u8>>) {
    while wanted.changed().await.is_ok() {}
}
