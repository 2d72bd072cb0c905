//! One attempt to put a registration's znode there: whatever is found under its name is ours, or another's.

use zookeeper_client::CreateMode;

use super::keep::{Keeper, Rule};
use crate::error::Fault;
use crate::session::Attached;
use crate::watcher::{Change, change};

/// What an attempt to put the znode there came to.
pub(super) enum Put {
    Present(Placed),
    Taken(Change),
    /// Try again without waiting: the situation has changed.
    Again,
    Failed(Fault),
}

/// The znode, as we left it.
pub(super) struct Placed {
    pub(super) version: i32,
    /// Fires when it is deleted.
    pub(super) gone: Change,
}

impl Keeper {
    pub(super) async fn put(&mut self, attached: &Attached) -> Put {
        let data = self.wanted.borrow_and_update().clone();
        let path = self.path.as_str();
        let options = self.link.ephemeral(CreateMode::Ephemeral);
        let before = self.made_in.replace(attached.session());
        let made = self
            .link
            .answer(attached.client.create(path, &data, &options))
            .await;
        if !matches!(made, Ok(_) | Err(Fault::Unknown)) {
            self.made_in = before;
        }
        match made {
            Ok(_) => self.placed(attached, 0).await,
            Err(Fault::Exists) => self.claim_existing(attached, &data).await,
            Err(Fault::Missing) => self.make_parents(attached).await,
            Err(fault) => Put::Failed(fault),
        }
    }

    /// The watch on a znode that we have just written. A watch on its children: an ephemeral has none, so it fires only
    /// when the znode is deleted, not with each of our own updates.
    async fn placed(&self, attached: &Attached, version: i32) -> Put {
        let watcher = attached.client.list_and_watch_children(self.path.as_str());
        match self.link.answer(watcher).await {
            Ok((_, watcher)) => Put::Present(Placed {
                version,
                gone: change(watcher),
            }),
            Err(Fault::Missing) => Put::Again,
            Err(fault) => Put::Failed(fault),
        }
    }

    /// Someone has made it: we, or another.
    async fn claim_existing(&mut self, attached: &Attached, data: &[u8]) -> Put {
        let path = self.path.as_str();
        let (stat, watcher) = match self.link.answer(attached.client.check_and_watch_stat(path)).await {
            Ok((Some(stat), watcher)) => (stat, watcher),
            Ok((None, _)) => return Put::Again,
            Err(fault) => return Put::Failed(fault),
        };
        let owner = stat.ephemeral_owner;
        let ours = match self.rule {
            Rule::Always => owner == attached.session() || self.link.was_ours(owner),
            Rule::IfFree => self.made_in == Some(owner),
        };
        if !ours {
            return Put::Taken(change(watcher));
        }
        if owner == attached.session() {
            let written = attached.client.set_data(path, data, Some(stat.version));
            return match self.link.answer(written).await {
                Ok(stat) => {
                    self.made_in = Some(owner);
                    self.placed(attached, stat.version).await
                }
                Err(Fault::Missing | Fault::Version) => Put::Again,
                Err(fault) => Put::Failed(fault),
            };
        }
        // Left by our last session, which ZooKeeper has not ended yet.
        match self
            .link
            .answer(attached.client.delete(path, Some(stat.version)))
            .await
        {
            Ok(()) | Err(Fault::Missing | Fault::Version) => Put::Again,
            Err(fault) => Put::Failed(fault),
        }
    }

    async fn make_parents(&self, attached: &Attached) -> Put {
        let Some(parent) = self.path.parent() else {
            return Put::Failed(Fault::Missing);
        };
        let options = self.link.persistent();
        match self
            .link
            .answer(attached.client.mkdir(parent.as_str(), &options))
            .await
        {
            Ok(()) => Put::Again,
            Err(fault) => Put::Failed(fault),
        }
    }
}
