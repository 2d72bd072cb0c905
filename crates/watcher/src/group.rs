//! Everything that watches one group: its tasks, and the loop that the program runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use sinks::Board;
use supervisor::Tasks;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use topology::{Addr, MasterName};

use crate::config::WatchedGroup;
use crate::hints::Hints;
use crate::lead::lead;
use crate::lines::Lines;
use crate::listen::{Listening, listen};
use crate::metrics::GroupMetrics;
use crate::observe::Observer;
use crate::pace::Part;
use crate::recorder::Recorder;
use crate::show::Show;
use crate::situation::{Glance, Situation};
use crate::watch::Watch;

/// What the groups of one watcher share.
pub(crate) struct Shared<'a> {
    pub(crate) tasks: &'a Tasks,
    pub(crate) lines: Lines,
    pub(crate) board: Board,
    /// How people who look into ZooKeeper recognise this watcher.
    pub(crate) who: String,
    pub(crate) max_lag: u64,
}

/// A group that is watched as soon as its loop runs.
pub(crate) struct Watched {
    pub(crate) situation: Situation,
    hints: Arc<Hints>,
    part: watch::Receiver<Part>,
    glance: watch::Sender<Arc<Glance>>,
    recorder: Recorder,
    show: Show,
}

impl Shared<'_> {
    /// Starts every task of a group but the loop. `ears` are the Sentinels that are heard, where those are shared by several groups; else
    /// the group gets ears of its own.
    pub(crate) fn start(&self, recorder: Recorder, group: &WatchedGroup, ears: Option<&Ears>) -> Watched {
        let (stop, name) = (self.tasks.stop().clone(), group.name.clone());
        let part_seen = match &recorder {
            Recorder::ZooKeeper(registry) => {
                let (part, part_seen) = watch::channel(Part::Standby);
                let leading = lead(registry.clone(), self.who.clone(), part, stop.clone());
                self.tasks.spawn("lead", leading);
                part_seen
            }
            Recorder::Memory(memory) => memory.part(),
        };
        let (glance, glance_seen) = watch::channel(Arc::new(Glance::none(Instant::now())));
        let own = Ears::default();
        let ears = ears.unwrap_or(&own);
        let hints = ears.hints.get(&name).cloned().unwrap_or_default();
        let situation = Situation::follow(
            &recorder,
            name.clone(),
            part_seen.clone(),
            ears.subscribed.subscribe(),
            glance_seen,
        );
        if ears.hints.is_empty() {
            let listening = Listening {
                dialer: self.lines.dialer().clone(),
                hints: Arc::new([(name.clone(), hints.clone())].into()),
                subscribed: own.subscribed,
            };
            self.tasks.spawn(
                "listen",
                listen(listening, situation.sentinels.clone(), stop.clone()),
            );
        }
        self.tasks
            .spawn("changes", changes(situation.clone(), hints.clone(), stop.clone()));
        let show = Show {
            name,
            external_port: group.external_port,
            max_lag: self.max_lag,
            board: self.board.clone(),
        };
        self.tasks
            .spawn("show", show.clone().keep(situation.clone(), stop));
        Watched {
            situation,
            hints,
            part: part_seen,
            glance,
            recorder,
            show,
        }
    }
}

impl Watched {
    /// The loop, which has not turned yet.
    pub(crate) fn watch(self, lines: Lines, metrics: GroupMetrics) -> Watch {
        let Self {
            situation,
            hints,
            part,
            glance,
            recorder,
            show,
        } = self;
        let observer = Observer::new(recorder.clone(), lines, situation.group, situation.sentinels);
        Watch::new(recorder, observer, hints, part, glance, metrics, show)
    }
}

/// The Sentinels that are heard for several groups at once.
#[derive(Debug)]
pub(crate) struct Ears {
    pub(crate) hints: BTreeMap<MasterName, Arc<Hints>>,
    pub(crate) subscribed: watch::Sender<BTreeSet<Addr>>,
}

impl Default for Ears {
    fn default() -> Self {
        Self {
            hints: BTreeMap::new(),
            subscribed: watch::Sender::new(BTreeSet::new()),
        }
    }
}

impl Ears {
    /// For these groups.
    pub(crate) fn of(groups: &[WatchedGroup]) -> Self {
        Self {
            hints: groups
                .iter()
                .map(|group| (group.name.clone(), Arc::default()))
                .collect(),
            ..Self::default()
        }
    }
}

/// Turns what changes in ZooKeeper into hints.
async fn changes(mut situation: Situation, hints: Arc<Hints>, stop: CancellationToken) {
    loop {
        let seen = tokio::select! {
            () = stop.cancelled() => return,
            seen = situation.state.changed() => seen,
            seen = situation.master.changed() => seen,
            seen = situation.sentinels.changed() => seen,
            seen = situation.session.changed() => seen,
        };
        if seen.is_err() {
            // The registry has been closed: the end.
            return;
        }
        hints.look();
    }
}
