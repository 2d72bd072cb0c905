//! What the pages, the metrics and the health answers are made of: copies that others keep up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use instance::ReplicaReport;
use registry::{Followed, Freshness, Session, Znode};
use tokio::sync::watch;
use topology::{Addr, MasterName};
use zkpaths::State;

use crate::pace::Part;
use crate::recorder::Recorder;
use crate::roster::Roster;
use crate::view::{Answer, Sighting, View};

/// A followed znode.
pub(crate) type FollowedNode = watch::Receiver<Followed<Option<Znode>>>;
/// The followed children of a znode.
pub(crate) type FollowedChildren = watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>>;

/// Where it is recorded who is master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// In ZooKeeper.
    ZooKeeper,
    /// In this process's memory, which has no session, no members, and nobody who leads.
    Memory,
}

/// Everything this watcher knows. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    /// The group.
    pub(crate) group: MasterName,
    /// Where it is recorded who is master.
    pub(crate) record: Record,
    /// `/redis/state`.
    pub(crate) state: FollowedNode,
    /// `/redis/master`.
    pub(crate) master: FollowedNode,
    /// `/redis/sentinels`.
    pub(crate) sentinels: FollowedChildren,
    /// `/redis/members`.
    pub(crate) members: FollowedChildren,
    /// `/redis/history`.
    pub(crate) history: FollowedChildren,
    /// The replicas as a Sentinel sees them, where there is no ZooKeeper to register in.
    pub(crate) reported: watch::Receiver<Vec<ReplicaReport>>,
    /// The session with ZooKeeper.
    pub(crate) session: watch::Receiver<Session>,
    /// Leader or standby.
    pub(crate) part: watch::Receiver<Part>,
    /// The Sentinels that are heard.
    pub(crate) subscribed: watch::Receiver<BTreeSet<Addr>>,
    /// The last look.
    pub(crate) glance: watch::Receiver<Arc<Glance>>,
}

/// What the looks have shown so far.
#[derive(Debug, Clone)]
pub(crate) struct Glance {
    /// When the last look ended, whatever came of it; at first, when the program started.
    pub(crate) turned: Instant,
    /// When the last one ended that could read what is recorded; at first, when the program started.
    pub(crate) looked: Instant,
    /// How many looks there were.
    pub(crate) looks: u64,
    /// What the last one came to: a verdict, or what was in the way.
    pub(crate) outcome: String,
    /// When and what each registered Sentinel said last.
    pub(crate) sentinels: BTreeMap<Addr, (Instant, Sighting)>,
    /// What the nodes answered at the last look.
    pub(crate) nodes: BTreeMap<Addr, Answer>,
}

/// What came of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This verdict.
    Verdict(&'static str),
    /// None: ZooKeeper could not be read, and why.
    InVain(String),
}

impl Glance {
    /// Before the first look.
    pub(crate) fn none(now: Instant) -> Self {
        Self {
            turned: now,
            looked: now,
            looks: 0,
            outcome: "no look yet".to_owned(),
            sentinels: BTreeMap::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// How many servers answered, but not to us.
    pub(crate) fn denied(&self) -> usize {
        let sentinels = self.sentinels.values();
        let sentinels = sentinels.filter(|(_, said)| matches!(said, Sighting::Denied(_)));
        let nodes = self.nodes.values();
        sentinels.count() + nodes.filter(|answer| matches!(answer, Answer::Denied(_))).count()
    }

    /// After one more. A Sentinel whose answer was not waited for keeps what it said before.
    #[must_use]
    pub(crate) fn after(&self, view: &View, outcome: Outcome, now: Instant) -> Self {
        let said = |(addr, sighting): (&Addr, &Sighting)| match sighting {
            Sighting::Waiting => self
                .sentinels
                .get(addr)
                .map(|before| (addr.clone(), before.clone())),
            Sighting::Reports(_) | Sighting::NotMonitoring | Sighting::Silent | Sighting::Denied(_) => {
                Some((addr.clone(), (now, sighting.clone())))
            }
        };
        let (looked, outcome) = match outcome {
            Outcome::Verdict(word) => (now, word.to_owned()),
            Outcome::InVain(why) => (self.looked, why),
        };
        Self {
            turned: now,
            looked,
            looks: self.looks.saturating_add(1),
            outcome,
            sentinels: view.sentinels.iter().filter_map(said).collect(),
            nodes: view.nodes.clone(),
        }
    }
}

impl Situation {
    /// Begins to follow what is recorded.
    pub(crate) fn follow(
        recorder: &Recorder,
        group: MasterName,
        part: watch::Receiver<Part>,
        subscribed: watch::Receiver<BTreeSet<Addr>>,
        glance: watch::Receiver<Arc<Glance>>,
    ) -> Self {
        let (record, state, master, sentinels, members, history, reported, session) = match recorder {
            Recorder::ZooKeeper(registry) => {
                let tree = registry.tree();
                (
                    Record::ZooKeeper,
                    registry.follow(tree.state()),
                    registry.follow(tree.master()),
                    registry.follow_children(tree.sentinels()),
                    registry.follow_children(tree.members()),
                    registry.follow_children(tree.history()),
                    watch::Sender::new(Vec::new()).subscribe(),
                    registry.session(),
                )
            }
            Recorder::Memory(memory) => (
                Record::Memory,
                memory.state(),
                memory.master(),
                memory.sentinels(),
                memory.members(),
                memory.history(),
                memory.replicas(),
                memory.session(),
            ),
        };
        Self {
            group,
            record,
            state,
            master,
            sentinels,
            members,
            history,
            reported,
            session,
            part,
            subscribed,
            glance,
        }
    }

    /// The recorded state, where it can be read.
    pub(crate) fn state(&self) -> Option<State> {
        let followed = self.state.borrow();
        let znode = followed.value.as_ref()?.as_ref()?;
        State::decode(&znode.data).ok().flatten()
    }

    /// Whether this watcher leads.
    pub(crate) fn leads(&self) -> bool {
        *self.part.borrow() == Part::Leader
    }

    /// How many of the group's Sentinels are heard.
    pub(crate) fn heard(&self) -> usize {
        let sentinels = self.sentinels.borrow();
        let Some(known) = sentinels.value.as_ref() else {
            return 0;
        };
        let subscribed = self.subscribed.borrow();
        let addresses = Roster::read(known).addresses();
        addresses.iter().filter(|addr| subscribed.contains(*addr)).count()
    }

    /// Whether the session with ZooKeeper is up.
    pub(crate) fn session_up(&self) -> bool {
        matches!(*self.session.borrow(), Session::Up { .. })
    }

    /// How long ago the loop turned last, whether its look was of use or not.
    pub(crate) fn since_last_turn(&self) -> Duration {
        self.glance.borrow().turned.elapsed()
    }

    /// How old the last look is that could read what is recorded.
    pub(crate) fn since_last_look(&self) -> Duration {
        self.glance.borrow().looked.elapsed()
    }
}

/// How old a followed copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// There is no copy.
    Never,
    /// It is up to date.
    Current,
    /// It was, so long ago.
    Stale(Duration),
}

impl Age {
    /// Of one copy.
    pub(crate) fn of<T>(followed: &Followed<T>) -> Self {
        match (followed.freshness, &followed.value) {
            (Freshness::NeverRead, _) | (_, None) => Age::Never,
            (Freshness::Current, Some(_)) => Age::Current,
            (Freshness::StaleSince(since), Some(_)) => Age::Stale(since.elapsed()),
        }
    }

    /// Of an answer made of two copies: the older one's.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Age::Never, _) | (_, Age::Never) => Age::Never,
            (Age::Stale(one), Age::Stale(other)) => Age::Stale(one.max(other)),
            (Age::Stale(age), Age::Current) | (Age::Current, Age::Stale(age)) => Age::Stale(age),
            (Age::Current, Age::Current) => Age::Current,
        }
    }
}
