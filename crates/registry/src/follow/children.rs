//! A znode's children with their data: one watch on the list, and one on each child.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tracing::warn;
use zkpaths::ZkPath;
use zookeeper_client::OneshotWatcher;

use super::{Copy, REREAD};
use crate::backoff::Backoff;
use crate::error::Fault;
use crate::session::{Attached, Link};
use crate::watcher::{Change, change};

pub(super) async fn follow(link: Arc<Link>, path: ZkPath, copy: Copy<BTreeMap<String, Vec<u8>>>) {
    tokio::select! {
        () = copy.unwanted() => {}
        () = keep(&link, &path, &copy) => {}
    }
}

async fn keep(link: &Link, path: &ZkPath, copy: &Copy<BTreeMap<String, Vec<u8>>>) {
    let mut phase = link.phase();
    let mut backoff = Backoff::for_requests();
    let mut denied = false;
    // Outlives the round: the old watches go when the new ones are set.
    let mut watched = Watched::default();
    loop {
        let attached = link.attached(&mut phase).await;
        let source = Source {
            link,
            attached: &attached,
            path,
        };
        let mut outcome = source.read().await.map(|all| watched = all);
        let reread = Instant::now() + REREAD;
        while outcome.is_ok() {
            copy.current(watched.values());
            backoff.reset();
            denied = false;
            let change = tokio::select! {
                change = watched.next() => change,
                () = link.departed(&mut phase, &attached) => {
                    copy.stale();
                    break;
                }
                () = tokio::time::sleep_until(reread) => break,
            };
            outcome = source.apply(&mut watched, change).await;
        }
        if let Err(fault) = outcome {
            copy.stale();
            if fault == Fault::Denied && !denied {
                warn!(%path, "zookeeper denies reading");
                denied = true;
            }
            backoff.pause().await;
        }
    }
}

/// Which watch has fired.
enum Changed {
    /// The list of names.
    List,
    /// One child's data. A watch that was set before the child was read anew says nothing.
    Child { name: String, watch: u64 },
}

struct Child {
    data: Vec<u8>,
    /// Number of the watch that belongs to this data.
    watch: u64,
}

type ChildChange = Pin<Box<dyn Future<Output = Changed> + Send>>;

/// What was read, and the watches that will say that it is old.
#[derive(Default)]
struct Watched {
    list: Option<Change>,
    children: BTreeMap<String, Child>,
    changes: FuturesUnordered<ChildChange>,
    watches: u64,
}

impl Watched {
    fn values(&self) -> BTreeMap<String, Vec<u8>> {
        self.children
            .iter()
            .map(|(name, child)| (name.clone(), child.data.clone()))
            .collect()
    }

    fn insert(&mut self, name: &str, data: Vec<u8>, watcher: OneshotWatcher) {
        self.watches += 1;
        let watch = self.watches;
        let name = name.to_owned();
        self.children.insert(name.clone(), Child { data, watch });
        let changed = change(watcher);
        self.changes.push(Box::pin(async move {
            changed.await;
            Changed::Child { name, watch }
        }));
    }

    async fn next(&mut self) -> Changed {
        let list = async {
            match &mut self.list {
                Some(list) => list.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = list => Changed::List,
            Some(changed) = self.changes.next() => changed,
        }
    }
}

/// Where to read.
struct Source<'a> {
    link: &'a Link,
    attached: &'a Attached,
    path: &'a ZkPath,
}

impl Source<'_> {
    /// Reads everything and watches it.
    async fn read(&self) -> Result<Watched, Fault> {
        let mut watched = Watched::default();
        self.read_list(&mut watched).await?;
        Ok(watched)
    }

    async fn apply(&self, watched: &mut Watched, changed: Changed) -> Result<(), Fault> {
        match changed {
            Changed::List => self.read_list(watched).await,
            Changed::Child { name, watch } => {
                if watched
                    .children
                    .get(&name)
                    .is_some_and(|child| child.watch == watch)
                {
                    self.read_children(watched, &[name]).await?;
                }
                Ok(())
            }
        }
    }

    /// Reads the names, and the data of those that are new.
    async fn read_list(&self, watched: &mut Watched) -> Result<(), Fault> {
        let (names, next) = self.names().await?;
        watched.list = Some(change(next));
        watched.children.retain(|name, _| names.contains(name));
        let new: Vec<String> = names
            .into_iter()
            .filter(|name| !watched.children.contains_key(name))
            .collect();
        self.read_children(watched, &new).await
    }

    async fn names(&self) -> Result<(Vec<String>, OneshotWatcher), Fault> {
        let client = &self.attached.client;
        loop {
            match self
                .link
                .answer(client.list_and_watch_children(self.path.as_str()))
                .await
            {
                Err(Fault::Missing) => {}
                answer => return answer,
            }
            let (stat, watcher) = self
                .link
                .answer(client.check_and_watch_stat(self.path.as_str()))
                .await?;
            if stat.is_none() {
                return Ok((Vec::new(), watcher));
            }
            // Made between the two questions.
        }
    }

    async fn read_children(&self, watched: &mut Watched, names: &[String]) -> Result<(), Fault> {
        let paths: Vec<ZkPath> = names.iter().map(|name| self.path.child(name)).collect();
        let requests = paths
            .iter()
            .map(|child| self.attached.client.get_and_watch_data(child.as_str()));
        let requests = join_all(requests);
        let answers = self.link.answer(async { Ok(requests.await) }).await?;
        for (name, answer) in names.iter().zip(answers) {
            match answer.map_err(Fault::from) {
                Ok((data, _, next)) => watched.insert(name, data, next),
                Err(Fault::Missing) => drop(watched.children.remove(name)),
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}
