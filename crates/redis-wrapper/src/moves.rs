//! The failovers that this wrapper makes: run, counted and told in one line each.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use failover::{Deadlines, Mover, Outcome, Warrant};
use program::chain;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as MetricRegistry;
use tracing::{info, warn};

type Labelled = Family<[(&'static str, String); 1], Counter>;

const WAITED: &str = "waited";
const NOT_READY: &str = "not-ready";
const FAILED: &str = "failed";

/// Counters of what was done and of what was rightly left alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moves {
    moved: Labelled,
    held_back: Labelled,
    last_seconds: Gauge<f64, AtomicU64>,
}

impl Moves {
    /// Registers the metrics.
    pub(crate) fn register(&self, registry: &mut MetricRegistry) {
        // A counter that appears with its first event has not risen, to whoever watches for that.
        let failover = zkpaths::Cause::Failover.word().to_owned();
        drop(self.moved.get_or_create(&[("cause", failover)]));
        for reason in [WAITED, NOT_READY, FAILED] {
            drop(self.held_back.get_or_create(&[("reason", reason.to_owned())]));
        }
        registry.register(
            "failovers",
            "Moves of the master role made by this wrapper",
            self.moved.clone(),
        );
        registry.register(
            "failovers_held_back",
            "Moves of the master role that were considered and not made",
            self.held_back.clone(),
        );
        registry.register(
            "last_failover_seconds",
            "From the proof to the announcement, of the last move made",
            self.last_seconds.clone(),
        );
    }

    /// One that was not made.
    pub(crate) fn held_back(&self, reason: &str) {
        self.held_back
            .get_or_create(&[("reason", reason.to_owned())])
            .inc();
    }

    /// Makes one, if its warrant holds.
    pub(crate) async fn run(
        &self,
        mover: &Mover,
        warrant: Warrant,
        since: Instant,
        deadlines: Deadlines,
    ) -> Outcome {
        let what = warrant.to_string();
        let cause = warrant.cause(&zkpaths::Cause::Repair).word().to_owned();
        let outcome = mover.run(warrant, since, deadlines).await;
        match &outcome {
            Outcome::Moved(moved) => {
                self.moved.get_or_create(&[("cause", cause.clone())]).inc();
                let millis = moved.timings.announced_ms.max(moved.timings.published_ms);
                self.last_seconds
                    .set(std::time::Duration::from_millis(millis).as_secs_f64());
            }
            Outcome::Finished(record) => {
                self.moved.get_or_create(&[("cause", cause)]).inc();
                info!(master = %record.addr, epoch = %record.epoch, reason = what, "master settled");
            }
            Outcome::Stopped(why) => {
                self.held_back(why.word());
                info!(reason = %why, warrant = what, "the master is not replaced");
            }
            Outcome::Waited(why) => {
                self.held_back(WAITED);
                warn!(reason = %why, warrant = what, "the master is not replaced yet");
            }
            Outcome::NotReady(why) => {
                self.held_back(NOT_READY);
                warn!(reason = why, warrant = what, "the role was not handed over");
            }
            Outcome::Failed(why) => {
                self.held_back(FAILED);
                warn!(reason = %chain(why), warrant = what, "the master is not replaced; trying again");
            }
        }
        outcome
    }
}
