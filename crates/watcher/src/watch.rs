//! The loop of one group: look, decide, act, and wait for the next reason to look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use topology::MasterName;
use tracing::trace;

use crate::act::{Acted, act, now_ms};
use crate::decide::decide;
use crate::hints::Hints;
use crate::journal::Journal;
use crate::metrics::GroupMetrics;
use crate::observe::{Look, LookError, Observer};
use crate::pace::{Pace, Part, Turn, Written, jittered};
use crate::recorder::Recorder;
use crate::show::Show;
use crate::silence::Silence;
use crate::situation::{Glance, Outcome};
use crate::verdict::{Reason, Verdict, Why};
use crate::view::{Recorded, StateNode, View};

/// Everything the loop needs and remembers.
pub(crate) struct Watch {
    recorder: Recorder,
    observer: Observer,
    hints: Arc<Hints>,
    part: watch::Receiver<Part>,
    glance: watch::Sender<Arc<Glance>>,
    metrics: GroupMetrics,
    journal: Journal,
    pace: Pace,
    silence: Silence,
    show: Show,
    /// What was recorded at the last look that could read it: it still holds while ZooKeeper is away.
    known: Option<Recorded>,
    /// Whether the tree has shown itself as ours. Before that, another group's name is a mistake in our settings.
    ours: bool,
}

/// Why the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was asked to.
    Stopped,
    /// The tree is another group's.
    OtherGroup {
        /// The name recorded in the state.
        recorded: MasterName,
    },
}

enum Next {
    LookIn(Duration),
    End(Ended),
}

impl Watch {
    /// A loop that has not turned yet.
    pub(crate) fn new(
        recorder: Recorder,
        observer: Observer,
        hints: Arc<Hints>,
        part: watch::Receiver<Part>,
        glance: watch::Sender<Arc<Glance>>,
        metrics: GroupMetrics,
        show: Show,
    ) -> Self {
        Self {
            recorder,
            observer,
            hints,
            part,
            glance,
            metrics,
            journal: Journal::default(),
            pace: Pace::default(),
            silence: Silence::default(),
            show,
            known: None,
            ours: false,
        }
    }

    /// Turns until `stop`, or until the tree turns out to be another group's.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Ended {
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                next = self.turn() => next,
            };
            let wait = match next {
                Next::LookIn(wait) => jittered(wait, rand::random()),
                Next::End(ended) => return ended,
            };
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                () = tokio::time::sleep(self.pace.breath()) => {}
                () = self.hints.hurry() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                () = self.hints.next() => self.pace.woken(),
                changed = self.part.changed() => if changed.is_err() { return Ended::Stopped },
                () = tokio::time::sleep(wait) => self.pace.rested(),
            }
        }
    }

    async fn turn(&mut self) -> Next {
        let began = Instant::now();
        let (view, looked) = self.observer.look(&self.silence).await;
        let (next, outcome) = match looked {
            Ok(look) => {
                self.metrics.looked();
                self.silence = std::mem::take(&mut self.silence).after(&look.view, Instant::now());
                self.known = Some(look.view.recorded.clone());
                let verdict = decide(&look.view);
                trace!(reason = verdict.word(), elapsed_us = began.elapsed().as_micros(), view = ?look.view, "looked");
                (
                    self.answer(&look, &verdict, began).await,
                    Outcome::Verdict(verdict.word()),
                )
            }
            Err(why) => {
                self.metrics.look_failed();
                self.journal.failed(&why);
                if let LookError::ZooKeeper(_) = why {
                    self.while_away(&view);
                }
                (
                    Next::LookIn(self.pace.after_failed_look()),
                    Outcome::InVain(program::chain(&why)),
                )
            }
        };
        self.note(&view, outcome);
        next
    }

    async fn answer(&mut self, look: &Look, verdict: &Verdict, began: Instant) -> Next {
        self.journal.verdict(&look.view, verdict, Instant::now());
        match verdict {
            Verdict::OtherGroup { recorded } if !self.ours => {
                let recorded = recorded.clone();
                return Next::End(Ended::OtherGroup { recorded });
            }
            Verdict::Conflict { .. } => self.metrics.conflict(),
            // Whatever was announced before this look is recorded, by whoever was faster.
            Verdict::Nothing(Reason::UpToDate) => self.hints.settled(began),
            Verdict::OtherGroup { .. }
            | Verdict::Nothing(_)
            | Verdict::Publish(_)
            | Verdict::Settle { .. }
            | Verdict::RepairMaster(_) => {}
        }
        self.ours |=
            matches!(&look.view.recorded.state, StateNode::Known(state) if state.name == look.view.group);
        let part = *self.part.borrow_and_update();
        match self.pace.turn(verdict, part, began, Instant::now()) {
            Turn::Wait(wait) => Next::LookIn(wait),
            Turn::Act => Next::LookIn(self.act(look, verdict).await),
        }
    }

    /// Nothing can be recorded; whoever the Sentinels made master meanwhile is still told to the sinks.
    fn while_away(&self, view: &View) {
        let Some(recorded) = self.known.clone() else {
            return;
        };
        let view = View {
            recorded,
            ..view.clone()
        };
        if let Verdict::Publish(publication) = decide(&view)
            && publication.why == Why::HigherEpoch
        {
            self.show.announced(&publication, now_ms());
        }
    }

    async fn act(&mut self, look: &Look, verdict: &Verdict) -> Duration {
        let acted = act(&self.recorder, look, verdict).await;
        let latency = self.hints.switched_at().map(|at| at.elapsed());
        let written = match (&acted, verdict) {
            (Acted::Recorded(desired), Verdict::Publish(_)) => {
                self.metrics.published(&desired.state.cause, latency);
                self.hints.settled(Instant::now());
                Written::Done
            }
            (Acted::Recorded(_), Verdict::RepairMaster(_)) => {
                self.metrics.repaired();
                Written::Done
            }
            (Acted::Recorded(_) | Acted::Idle, _) => Written::Done,
            (Acted::Prepared | Acted::Outrun | Acted::NotKnown(_) | Acted::Failed(_), _) => Written::Not,
        };
        self.journal.acted(verdict, &acted, latency);
        self.pace.after_act(written)
    }

    fn note(&self, view: &View, outcome: Outcome) {
        self.glance
            .send_modify(|glance| *glance = Arc::new(glance.after(view, outcome, Instant::now())));
    }
}
