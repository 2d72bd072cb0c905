//! Our entry under `/redis/nodes`: what our data directory holds, kept current while Redis runs.
//!
//! Written by a task of its own, so that a slow ZooKeeper never delays the look at our Redis; what comes while one
//! write is on its way is replaced by what comes last. What the disk does not hold yet is not written down.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use instance::Snapshot;
use program::chain;
use registry::{CommitError, Expected, Registry, Write};
use tokio::sync::watch;
use tokio::time::Instant;
use topology::{Addr, Branch, LinkStatus, Point, Replication, Role};
use tracing::{debug, info, warn};
use zkpaths::{AppendOnly, Holding, Node, Stopped};

use crate::act::now_ms;
use crate::boot::same_boot;
use crate::disk::{DiskFacts, Layout, Reads};
use crate::holding::holding;
use crate::node_id::{NodeId, Source, node_id};

/// How many nodes are remembered.
const REMEMBERED: usize = 64;
/// An entry whose facts have not changed is written again after this long: it was here lately.
const REFRESH: Duration = Duration::from_secs(10);
/// How long the first write may delay a start.
const FIRST: Duration = Duration::from_secs(1);
/// How long the last one may delay a stop.
const LAST: Duration = Duration::from_millis(300);

/// Keeps the entry.
pub(crate) struct NodeKeeper {
    registry: Registry,
    id: NodeId,
    addr: Addr,
    layout: Layout,
    facts: DiskFacts,
    same_boot: bool,
    since: SystemTime,
    kept: Mutex<Kept>,
    wanted: watch::Sender<Option<Node>>,
}

/// What is remembered between two looks.
#[derive(Default)]
struct Kept {
    node: Option<Node>,
    at: Option<Instant>,
    /// Whether what our Redis says of itself is about the data set on the disk.
    follows: bool,
    /// Whether it was master at the last look.
    was_master: bool,
}

impl NodeKeeper {
    pub(crate) fn new(registry: Registry, addr: Addr, layout: Layout) -> Self {
        let id = named(&layout.dir);
        let facts = layout.look();
        Self {
            registry,
            id,
            addr,
            same_boot: same_boot(&layout.dir),
            layout,
            facts,
            since: SystemTime::now(),
            kept: Mutex::default(),
            wanted: watch::channel(None).0,
        }
    }

    pub(crate) fn id(&self) -> &NodeId {
        &self.id
    }

    /// What was on the disk when this process started.
    pub(crate) fn facts(&self) -> &DiskFacts {
        &self.facts
    }

    /// Whether the disk has every write that a Redis acknowledged here: its append-only file does, while the host stays up.
    pub(crate) fn is_whole(&self) -> bool {
        self.same_boot && self.layout.reads == Reads::AppendOnly && self.id.from == Source::Kept
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Judges the disk by what ZooKeeper remembers of it, and goes on from that.
    pub(crate) fn recall(&self, remembered: Option<Node>) -> Holding {
        let holds = holding(&self.facts, remembered.as_ref());
        self.locked(|kept| kept.node = remembered);
        holds
    }

    /// The first entry, before anybody may compare with this node: a master's new lineage goes on from what was on its disk.
    pub(crate) async fn begin(&self, snapshot: &Snapshot, held: Option<&Holding>) {
        let own = &snapshot.replication.id;
        let origin = held.and_then(Holding::point).filter(|point| point.id != *own);
        let branch = origin
            .filter(|_| snapshot.replication.role == Role::Master)
            .map(|point| Branch {
                id: own.clone(),
                from: point.clone(),
            });
        self.note(snapshot, branch);
        let node = self.wanted.borrow().clone();
        if let Some(node) = node {
            let written = tokio::time::timeout(FIRST, self.write(&node)).await;
            if !matches!(written, Ok(Ok(()))) {
                warn!("what this node's disk holds is not in zookeeper yet; trying again");
            }
        }
    }

    /// What our Redis said just now.
    pub(crate) fn look(&self, snapshot: &Snapshot) {
        self.note(snapshot, None);
    }

    /// Writes what was noted, for ever; the caller stops polling it.
    pub(crate) async fn keep(&self) {
        let mut wanted = self.wanted.subscribe();
        self.forget_the_longest_silent().await;
        loop {
            if wanted.changed().await.is_err() {
                return;
            }
            let node = wanted.borrow_and_update().clone();
            let Some(node) = node else { continue };
            if let Err(reason) = self.write(&node).await {
                // A second later there is a newer one.
                debug!(reason = %chain(&reason), "node not written");
            }
        }
    }

    /// The last entry: Redis was stopped and has saved what it saves. Little is left of the time by then.
    pub(crate) async fn stopped_cleanly(&self, left: Duration) {
        let last = self.locked(|kept| kept.follows.then(|| kept.node.clone()).flatten());
        let Some(last) = last else { return };
        let node = Node {
            stopped: Stopped::Clean,
            at_ms: now_ms(),
            ..last
        };
        let _ = tokio::time::timeout(LAST.min(left), self.write(&node)).await;
    }

    fn note(&self, snapshot: &Snapshot, branch: Option<Branch>) {
        let replication = &snapshot.replication;
        let append_only = match self.layout.reads {
            Reads::Rdb => None,
            Reads::AppendOnly => match self.layout.appending_to(self.since) {
                Some((sequence, bytes)) => Some(AppendOnly { sequence, bytes }),
                // What is in memory is not on the disk yet.
                None => return,
            },
        };
        let noted = self.locked(|kept| {
            // A replica that waits for its first copy has an id of its own that says nothing of its disk.
            kept.follows |= replication.role == Role::Master || replication.link == Some(LinkStatus::Up);
            if !kept.follows {
                return None;
            }
            let second = second_or_renamed(kept, replication);
            kept.was_master = replication.role == Role::Master;
            let before = kept.node.as_ref();
            let mut node = Node {
                id: self.id.id,
                addr: self.addr.clone(),
                point: Point {
                    id: replication.id.clone(),
                    offset: replication.offset,
                },
                branches: before.map(|node| node.branches.clone()).unwrap_or_default(),
                append_only,
                stopped: Stopped::No,
                at_ms: now_ms(),
            };
            for branch in branch.into_iter().chain(second) {
                node.remember(branch);
            }
            let same = before.is_some_and(|before| {
                let at_ms = before.at_ms;
                Node {
                    at_ms,
                    ..node.clone()
                } == *before
            });
            if same && kept.at.is_some_and(|at| at.elapsed() < REFRESH) {
                return None;
            }
            kept.at = Some(Instant::now());
            kept.node = Some(node.clone());
            Some(node)
        });
        if noted.is_some() {
            self.wanted.send_replace(noted);
        }
    }

    async fn write(&self, node: &Node) -> Result<(), CommitError> {
        let path = self.registry.tree().node(node.id);
        let set = [Write::Set {
            path: path.clone(),
            data: node.encode(),
            expected: Expected::Any,
        }];
        match self.registry.commit(&set).await {
            Err(CommitError::Missing { .. }) => {
                self.registry
                    .ensure(&path)
                    .await
                    .map_err(CommitError::Unavailable)?;
                self.registry.commit(&set).await
            }
            written => written,
        }
    }

    /// Of too many nodes those that were silent longest are forgotten; an entry that cannot be read is the first of them.
    async fn forget_the_longest_silent(&self) {
        let tree = self.registry.tree();
        let Ok(nodes) = self.registry.children(&tree.nodes()).await else {
            return;
        };
        let own = self.id.id.to_string();
        let mut by_age: Vec<(u64, String)> = nodes
            .into_iter()
            .filter(|(name, _)| *name != own)
            .map(|(name, data)| (Node::decode(&data).map_or(0, |node| node.at_ms), name))
            .collect();
        by_age.sort_unstable();
        let surplus = (by_age.len() + 1).saturating_sub(REMEMBERED);
        for (_, name) in by_age.into_iter().take(surplus) {
            let _ = self.registry.remove(&tree.nodes().child(&name)).await;
        }
    }

    fn locked<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self
            .kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut kept)
    }
}

/// Where the present lineage goes on from another: the second id, or, for a master that gave its lineage a new name, the last point of
/// the old one. It does so when the first replica comes (replication.c, `syncCommand`), and when it had none for an hour
/// (`replicationCron`).
fn second_or_renamed(kept: &Kept, replication: &Replication) -> Option<Branch> {
    let second = Branch::of_second(&replication.id, &replication.second_id, replication.second_offset);
    let still_master = kept.was_master && replication.role == Role::Master;
    let renamed = kept
        .node
        .as_ref()
        .filter(|before| still_master && before.point.id != replication.id)
        .map(|before| Branch {
            id: replication.id.clone(),
            from: before.point.clone(),
        });
    second.or(renamed)
}

/// The identity of the data directory, and a line where it is not simply the one it had.
fn named(dir: &std::path::Path) -> NodeId {
    let named = node_id(dir);
    let (node, path) = (named.id, dir.display());
    match &named.from {
        Source::Kept => {}
        Source::Made => info!(%node, %path, "the data directory has an identity now"),
        Source::Repaired => {
            warn!(%node, %path, "the data directory's identity was cut off; it has a new one");
        }
        Source::Passing(reason) => {
            warn!(%node, %path, reason, "the data directory has no identity of ours; this one ends with this process");
        }
    }
    named
}
