//! The task behind a lock.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;
use zkpaths::ZkPath;
use zookeeper_client::CreateMode;

use super::line::line;
use crate::RegistryError;
use crate::backoff::Backoff;
use crate::error::Fault;
use crate::session::{Attached, Link, Phase};
use crate::watcher::{Change, change};

/// What the caller gets when it is its turn.
pub(super) struct Held {
    pub(super) path: ZkPath,
    pub(super) lost: watch::Receiver<bool>,
}

pub(super) struct Contender {
    link: Arc<Link>,
    phase: watch::Receiver<Phase>,
    dir: ZkPath,
    who: String,
    /// Begin of our znode's name, ours alone: by it the znode is found when the answer to its creation was lost.
    prefix: String,
    /// The session in which the znode was made, or may have been.
    made_in: Option<i64>,
}

/// Where we are in the line.
enum Place {
    First(ZkPath),
    /// Fires when the one before us is gone.
    Behind(Change),
    /// Our znode is not there.
    Nowhere,
}

impl Contender {
    pub(super) fn new(link: Arc<Link>, dir: ZkPath, who: &str) -> Self {
        let phase = link.phase();
        Self {
            link,
            phase,
            dir,
            who: who.to_owned(),
            prefix: format!("_c_{}-lock-", Uuid::new_v4()),
            made_in: None,
        }
    }

    pub(super) async fn run(
        mut self,
        held: oneshot::Sender<Result<Held, RegistryError>>,
        mut dropped: oneshot::Receiver<()>,
    ) {
        let turn = tokio::select! {
            turn = self.wait_in_line() => Some(turn),
            _ = &mut dropped => None,
        };
        let lost = match turn {
            None => None,
            Some(Err(error)) => {
                let _ = held.send(Err(error));
                None
            }
            Some(Ok((attached, path))) => {
                let (lost, receiver) = watch::channel(false);
                let told = held.send(Ok(Held {
                    path: path.clone(),
                    lost: receiver,
                }));
                if told.is_ok() {
                    tokio::select! {
                        () = self.guard(&attached, &path, &lost) => {}
                        _ = &mut dropped => {}
                    }
                    if *lost.borrow() {
                        let _ = dropped.await;
                    }
                }
                Some(lost)
            }
        };
        self.sweep().await;
        // Only now does the guard's `release` return.
        drop(lost);
    }

    /// Ends when the lock is ours, with the client and the znode by which we hold it.
    async fn wait_in_line(&mut self) -> Result<(Arc<Attached>, ZkPath), RegistryError> {
        let mut backoff = Backoff::for_requests();
        loop {
            let attached = self.link.attached(&mut self.phase).await;
            let place = match self.place(&attached).await {
                Ok(Place::Nowhere) => {
                    self.made_in = Some(attached.session());
                    self.join(&attached).await.map(|()| None)
                }
                Ok(Place::First(path)) => return Ok((attached, path)),
                Ok(Place::Behind(change)) => Ok(Some(change)),
                Err(fault) => Err(fault),
            };
            match place {
                Ok(None) => {}
                Ok(Some(change)) => tokio::select! {
                    () = change => {}
                    () = self.link.departed(&mut self.phase, &attached) => {}
                },
                Err(fault @ (Fault::Denied | Fault::Refused(_))) => {
                    return Err(self.link.write_error(self.dir.as_str(), fault));
                }
                Err(Fault::Missing | Fault::Exists | Fault::Version | Fault::Unknown) => {
                    backoff.pause().await;
                }
            }
        }
    }

    /// Puts our znode at the end of the line.
    async fn join(&self, attached: &Attached) -> Result<(), Fault> {
        let path = self.dir.child(&self.prefix);
        let options = self.link.ephemeral(CreateMode::EphemeralSequential);
        let who = self.who.as_bytes();
        match self
            .link
            .answer(attached.client.create(path.as_str(), who, &options))
            .await
        {
            Ok(_) => Ok(()),
            Err(Fault::Missing) => {
                let options = self.link.persistent();
                self.link
                    .answer(attached.client.mkdir(self.dir.as_str(), &options))
                    .await
            }
            Err(fault) => Err(fault),
        }
    }

    async fn place(&self, attached: &Attached) -> Result<Place, Fault> {
        // A znode of an earlier session of ours goes away by itself, and is not to be relied on until then.
        if self.made_in != Some(attached.session()) {
            return Ok(Place::Nowhere);
        }
        loop {
            let names = match self
                .link
                .answer(attached.client.list_children(self.dir.as_str()))
                .await
            {
                Ok(names) => names,
                Err(Fault::Missing) => return Ok(Place::Nowhere),
                Err(fault) => return Err(fault),
            };
            let (ours, before) = line(&names, &self.prefix);
            let Some(ours) = ours else {
                return Ok(Place::Nowhere);
            };
            let Some(before) = before else {
                return Ok(Place::First(self.dir.child(ours)));
            };
            let before = self.dir.child(before);
            match self
                .link
                .answer(attached.client.get_and_watch_data(before.as_str()))
                .await
            {
                Ok((_, _, watcher)) => return Ok(Place::Behind(change(watcher))),
                // Gone since the list was read.
                Err(Fault::Missing) => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Ends when the lock is lost, and says so.
    async fn guard(&mut self, attached: &Attached, path: &ZkPath, lost: &watch::Sender<bool>) {
        let reason = self.loss(attached, path).await;
        warn!(%path, reason, "lock is lost");
        lost.send_replace(true);
    }

    async fn loss(&mut self, taken_by: &Attached, path: &ZkPath) -> &'static str {
        let mut backoff = Backoff::for_requests();
        let generation = taken_by.generation;
        loop {
            // ZooKeeper counts from the last time it heard from us, which the library may notice two fifths of the
            // timeout late. With this, we have stepped down after two thirds. It holds from the first moment: the connection may
            // have gone while we took the lock.
            let deadline = Instant::now() + taken_by.client.session_timeout() * 4 / 15;
            let back = self.link.attached(&mut self.phase);
            let Ok(attached) = tokio::time::timeout_at(deadline, back).await else {
                return "zookeeper is out of reach";
            };
            if attached.generation != generation {
                return "the session is a new one";
            }
            // It has no children: this watch fires only when it is deleted.
            let watcher = attached.client.list_and_watch_children(path.as_str());
            let gone = match self.link.answer(watcher).await {
                Ok((_, watcher)) => Some(change(watcher)),
                Err(Fault::Missing) => return "its znode is gone",
                Err(_) => None,
            };
            let again = async {
                match gone {
                    Some(gone) => gone.await,
                    None => backoff.pause().await,
                }
            };
            tokio::select! {
                () = again => {}
                () = self.link.departed(&mut self.phase, &attached) => {}
            }
        }
    }

    /// Deletes our znode, however long that takes: while the session lives, it would block the lock for everybody.
    async fn sweep(mut self) {
        let Some(session) = self.made_in else { return };
        let begun = Instant::now();
        let mut backoff = Backoff::for_requests();
        loop {
            let attached = self.link.attached(&mut self.phase).await;
            if attached.session() != session {
                return;
            }
            match self.delete(&attached).await {
                Ok(()) => break,
                Err(fault) => {
                    info!(path = %self.dir, reason = ?fault, "a lock is not released yet, trying again");
                    backoff.pause().await;
                }
            }
        }
        let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(path = %self.dir, elapsed_ms, "lock is released");
    }

    async fn delete(&self, attached: &Attached) -> Result<(), Fault> {
        let names = match self
            .link
            .answer(attached.client.list_children(self.dir.as_str()))
            .await
        {
            Ok(names) => names,
            Err(Fault::Missing) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        for name in names.iter().filter(|name| name.starts_with(&self.prefix)) {
            let path = self.dir.child(name);
            match self
                .link
                .answer(attached.client.delete(path.as_str(), None))
                .await
            {
                Ok(()) | Err(Fault::Missing) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}
