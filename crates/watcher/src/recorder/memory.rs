//! The record of a group without ZooKeeper: what would be znodes there, kept here. Nothing of it outlives the process; after a
//! restart the Sentinels say who is master, by the same rules as for a group that was never recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use instance::ReplicaReport;
use registry::{Followed, Freshness, Session, Version, Znode};
use tokio::sync::watch;
use zkpaths::encode_master;

use crate::desired::Desired;
use crate::pace::Part;
use crate::situation::{FollowedChildren, FollowedNode};

type Node = watch::Sender<Followed<Option<Znode>>>;
type Children = watch::Sender<Followed<BTreeMap<String, Vec<u8>>>>;

/// What is known of one group. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    state: Node,
    master: Node,
    sentinels: Children,
    members: Children,
    history: Children,
    replicas: watch::Sender<Vec<ReplicaReport>>,
    session: watch::Sender<Session>,
    part: watch::Sender<Part>,
}

impl Memory {
    /// Of a group of which nothing is known.
    pub(crate) fn new() -> Self {
        let current = |value| Followed {
            value,
            freshness: Freshness::Current,
        };
        Self {
            held: Arc::new(Held {
                state: watch::Sender::new(current(Some(None))),
                master: watch::Sender::new(current(Some(None))),
                sentinels: watch::Sender::new(Followed {
                    value: None,
                    freshness: Freshness::NeverRead,
                }),
                members: watch::Sender::new(Followed {
                    value: Some(BTreeMap::new()),
                    freshness: Freshness::Current,
                }),
                history: watch::Sender::new(Followed {
                    value: Some(BTreeMap::new()),
                    freshness: Freshness::Current,
                }),
                replicas: watch::Sender::new(Vec::new()),
                session: watch::Sender::new(Session::Up { generation: 0 }),
                // Nobody shares this memory.
                part: watch::Sender::new(Part::Leader),
            }),
        }
    }

    /// State, master and named master, of which the last two are one here.
    pub(super) fn read(&self) -> [Option<Znode>; 3] {
        let value = |node: &Node| node.borrow().value.clone().flatten();
        let (state, master) = (value(&self.held.state), value(&self.held.master));
        [state, master.clone(), master]
    }

    /// Replaces the record.
    pub(super) fn write(&self, desired: &Desired) {
        put(&self.held.master, encode_master(Some(desired.addr())));
        put(&self.held.state, desired.state.encode());
    }

    /// The group's Sentinels, by run id where that is known, each with the bytes that a registration would have.
    pub(crate) fn sentinels_are(&self, sentinels: BTreeMap<String, Vec<u8>>) {
        let now = Followed {
            value: Some(sentinels),
            freshness: Freshness::Current,
        };
        replace(&self.held.sentinels, now);
    }

    /// The group's replicas, as a Sentinel sees them.
    pub(crate) fn replicas_are(&self, replicas: Vec<ReplicaReport>) {
        replace(&self.held.replicas, replicas);
    }

    pub(crate) fn state(&self) -> FollowedNode {
        self.held.state.subscribe()
    }

    pub(crate) fn master(&self) -> FollowedNode {
        self.held.master.subscribe()
    }

    pub(crate) fn sentinels(&self) -> FollowedChildren {
        self.held.sentinels.subscribe()
    }

    pub(crate) fn members(&self) -> FollowedChildren {
        self.held.members.subscribe()
    }

    pub(crate) fn history(&self) -> FollowedChildren {
        self.held.history.subscribe()
    }

    pub(crate) fn replicas(&self) -> watch::Receiver<Vec<ReplicaReport>> {
        self.held.replicas.subscribe()
    }

    pub(crate) fn part(&self) -> watch::Receiver<Part> {
        self.held.part.subscribe()
    }

    pub(crate) fn session(&self) -> watch::Receiver<Session> {
        self.held.session.subscribe()
    }
}

fn put(node: &Node, data: Vec<u8>) {
    node.send_modify(|followed| {
        let before = followed.value.take().flatten();
        let version = Version(before.map_or(0, |znode| znode.version.0.wrapping_add(1)));
        followed.value = Some(Some(Znode {
            data,
            version,
            ephemeral: false,
        }));
    });
}

fn replace<T: PartialEq>(held: &watch::Sender<T>, now: T) {
    held.send_if_modified(|before| {
        let news = *before != now;
        *before = now;
        news
    });
}
