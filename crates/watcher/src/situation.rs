//! What the pages, the metrics and the health answers are made of: copies that others keep up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use registry::{Followed, Freshness, Registry, Session, Znode};
use tokio::sync::watch;
use topology::{Addr, MasterName};
use zkpaths::State;

use crate::pace::Part;
use crate::view::{Answer, Sighting, View};

/// A followed znode.
pub(crate) type FollowedNode = watch::Receiver<Followed<Option<Znode>>>;
/// The followed children of a znode.
pub(crate) type FollowedChildren = watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>>;

/// Everything this watcher knows. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    /// The group.
    pub(crate) group: MasterName,
    /// `/redis/state`.
    pub(crate) state: FollowedNode,
    /// `/redis/master`.
    pub(crate) master: FollowedNode,
    /// `/redis/sentinels`.
    pub(crate) sentinels: FollowedChildren,
    /// `/redis/members`.
    pub(crate) members: FollowedChildren,
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
    /// Begins to follow what the registry has.
    pub(crate) fn follow(
        registry: &Registry,
        group: MasterName,
        part: watch::Receiver<Part>,
        subscribed: watch::Receiver<BTreeSet<Addr>>,
        glance: watch::Receiver<Arc<Glance>>,
    ) -> Self {
        let tree = registry.tree();
        Self {
            group,
            state: registry.follow(tree.state()),
            master: registry.follow(tree.master()),
            sentinels: registry.follow_children(tree.sentinels()),
            members: registry.follow_children(tree.members()),
            session: registry.session(),
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
