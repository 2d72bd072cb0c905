//! A board, and sinks that are kept in step with it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sinks::{
    Assurance, Board, Fitness, Gate, Group, Master, Offer, Replica, Sink, Standing, Step, Terms, keep,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use topology::{Addr, Epoch};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// As quick as a test can bear.
pub(crate) const TERMS: Terms = Terms {
    deadline: Duration::from_secs(3),
    every: Duration::from_millis(200),
    ceiling: Duration::from_millis(500),
};

pub(crate) struct Bench {
    pub(crate) board: Board,
    pub(crate) gate: watch::Sender<Gate>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            board: Board::new(Vec::new()),
            gate: watch::Sender::new(Gate::Open),
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Keeps a sink, until the bench is dropped.
    pub(crate) fn keep<S: Sink>(&mut self, name: &str, sink: S, terms: Terms) -> Kept {
        let (standing, seen) = watch::channel(Standing::idle(name));
        let (pictures, gate) = (self.board.pictures(), self.gate.subscribe());
        self.tasks
            .spawn(keep(sink, terms, pictures, gate, standing, self.stop.clone()));
        Kept(seen)
    }

    /// A new master.
    pub(crate) fn move_to(&self, name: &str, epoch: u64, master: &str) {
        assert_eq!(self.board.offer(group(name, epoch, master)), Offer::Moved);
    }

    /// The same master, other replicas.
    pub(crate) fn replicas(&self, name: &str, epoch: u64, master: &str, replicas: &[&str]) {
        let mut group = group(name, epoch, master);
        for addr in replicas {
            let addr: Addr = addr.parse().unwrap();
            let fitness = Fitness::Fit;
            group.replicas.insert(addr.clone(), Replica { addr, fitness });
        }
        assert_eq!(self.board.offer(group), Offer::Refreshed);
    }

    /// What a stale Sentinel says.
    pub(crate) fn refused(&self, name: &str, epoch: u64, master: &str) {
        let offer = self.board.offer(group(name, epoch, master));
        assert!(matches!(offer, Offer::Older { .. }), "{offer:?}");
    }
}

/// How a kept sink stands.
pub(crate) struct Kept(watch::Receiver<Standing>);

impl Kept {
    pub(crate) fn now(&self) -> Standing {
        self.0.borrow().clone()
    }

    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Standing) -> bool) -> Standing {
        let there = async {
            self.0
                .wait_for(|standing| wanted(standing))
                .await
                .map(|seen| seen.clone())
        };
        let Ok(seen) = tokio::time::timeout(PATIENCE, there).await else {
            panic!("not {what}: {:#?}", self.now());
        };
        seen.expect("the sink is kept")
    }

    /// In step, with this epoch of this group.
    pub(crate) async fn in_step(&mut self, name: &str, epoch: u64) -> Standing {
        let name = name.parse().unwrap();
        self.until(&format!("in step with epoch {epoch}"), |standing| {
            standing.confirmed.get(&name) == Some(&Epoch(epoch))
                && matches!(standing.step, Step::InStep { .. })
        })
        .await
    }

    /// Behind, for a reason that holds this.
    pub(crate) async fn behind(&mut self, part: &str) -> String {
        let what = format!("behind because of `{part}`");
        let standing = self
            .until(
                &what,
                |standing| matches!(&standing.step, Step::Behind { reason, .. } if reason.contains(part)),
            )
            .await;
        let Step::Behind { reason, .. } = standing.step else {
            unreachable!("it was waited for");
        };
        reason
    }
}

pub(crate) fn group(name: &str, epoch: u64, master: &str) -> Group {
    Group {
        name: name.parse().unwrap(),
        external_port: None,
        assurance: Assurance::Current,
        master: Master {
            addr: master.parse::<Addr>().unwrap(),
            epoch: Epoch(epoch),
            run_id: None,
            cause: "failover".to_owned(),
            since_ms: 1_700_000_000_000,
            origin: sinks::Origin::Recorded,
            seen: Instant::now(),
        },
        replicas: BTreeMap::new(),
    }
}
