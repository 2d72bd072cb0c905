//! Views for tests, written in one line each. Address `n` is 10.0.0.n:6379, Sentinel `n` is 10.0.1.n:26379.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use registry::{Followed, Freshness, Session};
use tokio::sync::watch;
use topology::{Addr, Epoch, MasterRecord, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Further, Phase, RecordedMaster, State};

use crate::pace::Part;
use crate::situation::{Glance, Record, Situation};
use crate::view::{self, AddressNode, Answer, Recorded, Sighting, StateNode};

pub(crate) fn addr(n: u8) -> Addr {
    format!("10.0.0.{n}:6379").parse().unwrap()
}

pub(crate) fn sentinel(n: u8) -> Addr {
    format!("10.0.1.{n}:26379").parse().unwrap()
}

pub(crate) fn run_id(n: u8) -> RunId {
    RunId::from_bytes([n; 20])
}

pub(crate) fn state(epoch: u64, master: u8, phase: Phase) -> State {
    State {
        group: Uuid::nil(),
        name: "master1".parse().unwrap(),
        epoch: Epoch(epoch),
        master: RecordedMaster {
            addr: addr(master),
            run_id: None,
        },
        phase,
        cause: Cause::FirstStart,
        since_ms: 1,
        replaces: None,
        known: None,
        further: Further::default(),
    }
}

pub(crate) struct View(view::View);

impl View {
    /// Nothing recorded, no Sentinel, no node.
    pub(crate) fn empty() -> Self {
        Self(view::View {
            group: "master1".parse().unwrap(),
            sentinels: BTreeMap::new(),
            nodes: BTreeMap::new(),
            recorded: Recorded {
                state: StateNode::Missing,
                master: AddressNode::Absent,
                named: AddressNode::Absent,
            },
            silent_for: Duration::ZERO,
        })
    }

    /// A settled state, and the znodes beside it.
    pub(crate) fn recorded(epoch: u64, master: u8) -> Self {
        Self::empty()
            .state(StateNode::Known(Box::new(state(epoch, master, Phase::Settled))))
            .master(AddressNode::Names(addr(master)))
            .named(AddressNode::Names(addr(master)))
    }

    pub(crate) fn state(mut self, state: StateNode) -> Self {
        self.0.recorded.state = state;
        self
    }

    pub(crate) fn claimed(self, epoch: u64, master: u8) -> Self {
        self.state(StateNode::Known(Box::new(state(epoch, master, Phase::Claimed))))
    }

    pub(crate) fn master(mut self, node: AddressNode) -> Self {
        self.0.recorded.master = node;
        self
    }

    pub(crate) fn named(mut self, node: AddressNode) -> Self {
        self.0.recorded.named = node;
        self
    }

    /// The next Sentinels, each with what it says.
    pub(crate) fn sightings(mut self, sightings: impl IntoIterator<Item = Sighting>) -> Self {
        for sighting in sightings {
            let next = u8::try_from(self.0.sentinels.len() + 1).unwrap();
            self.0.sentinels.insert(sentinel(next), sighting);
        }
        self
    }

    /// The next Sentinel, which reports this.
    pub(crate) fn report(self, epoch: u64, master: u8) -> Self {
        self.sightings([reports(epoch, master)])
    }

    pub(crate) fn node(mut self, n: u8, answer: Answer) -> Self {
        self.0.nodes.insert(addr(n), answer);
        self
    }

    pub(crate) fn with_master(self, n: u8) -> Self {
        self.node(n, Answer::Master(run_id(n)))
    }

    pub(crate) fn silent_for(mut self, time: Duration) -> Self {
        self.0.silent_for = time;
        self
    }

    pub(crate) fn build(self) -> view::View {
        self.0
    }
}

pub(crate) fn reports(epoch: u64, master: u8) -> Sighting {
    Sighting::Reports(MasterRecord {
        addr: addr(master),
        epoch: Epoch(epoch),
    })
}

/// A group of which nothing has been read, and of which nobody will tell more.
pub(crate) fn situation(name: &str) -> Situation {
    fn unread<T>() -> watch::Receiver<Followed<T>> {
        let never = Followed {
            value: None,
            freshness: Freshness::NeverRead,
        };
        watch::channel(never).1
    }
    Situation {
        group: name.parse().unwrap(),
        record: Record::ZooKeeper,
        state: unread(),
        master: unread(),
        sentinels: unread(),
        members: unread(),
        history: unread(),
        reported: watch::channel(Vec::new()).1,
        session: watch::channel(Session::Connecting).1,
        part: watch::channel(Part::Standby).1,
        subscribed: watch::channel(BTreeSet::new()).1,
        glance: watch::channel(Arc::new(Glance::none(Instant::now()))).1,
    }
}
