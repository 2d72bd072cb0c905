//! The numbers. What happened is counted where it happens; what is the case is read when somebody asks.

mod levels;

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets_range};
use prometheus_client::registry::Registry;
use topology::MasterName;
use zkpaths::Cause;

use self::levels::Levels;
use crate::known::Known;
use crate::pages::PHASES;

/// The label of everything that is a group's.
type OfGroup = [(&'static str, String); 1];
/// And one more.
type OfGroupAnd = [(&'static str, String); 2];

/// What is counted, of every group. Clones count into the same.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    looks: Family<OfGroup, Counter>,
    failed_looks: Family<OfGroup, Counter>,
    publishes: Family<OfGroupAnd, Counter>,
    repairs: Family<OfGroup, Counter>,
    conflicts: Family<OfGroup, Counter>,
    latency: Family<OfGroup, Histogram, Seconds>,
    failovers: Family<OfGroupAnd, Histogram, Seconds>,
}

/// What is counted of one group.
#[derive(Debug, Clone)]
pub(crate) struct GroupMetrics {
    group: MasterName,
    looks: Counter,
    failed_looks: Counter,
    publishes: Family<OfGroupAnd, Counter>,
    repairs: Counter,
    conflicts: Counter,
    latency: Histogram,
    failovers: Family<OfGroupAnd, Histogram, Seconds>,
}

/// A millisecond to ten seconds.
#[derive(Debug, Clone)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets_range(0.001, 10.0, 13))
    }
}

impl Metrics {
    /// The counters, and the registry that also shows what is `known`.
    pub(crate) fn new(known: Known) -> (Self, Registry) {
        let metrics = Self {
            looks: Family::default(),
            failed_looks: Family::default(),
            publishes: Family::default(),
            repairs: Family::default(),
            conflicts: Family::default(),
            latency: Family::new_with_constructor(Seconds),
            failovers: Family::new_with_constructor(Seconds),
        };
        let mut registry = Registry::with_prefix("redis_zk_watcher");
        registry.register("looks", "Looks at the group", metrics.looks.clone());
        let help = "Looks that ZooKeeper did not answer";
        registry.register("failed_looks", help, metrics.failed_looks.clone());
        let help = "Masters recorded, by cause";
        registry.register("publishes", help, metrics.publishes.clone());
        let help = "Master znodes put right from the state";
        registry.register("repairs", help, metrics.repairs.clone());
        let help = "Looks that found two masters in one epoch";
        registry.register("conflicts", help, metrics.conflicts.clone());
        let help = "From the first announcement by a Sentinel to the record in ZooKeeper";
        registry.register("publish_latency_seconds", help, metrics.latency.clone());
        let help = "How long each phase of a failover took, of those that ended while this watcher ran";
        registry.register("failover_seconds", help, metrics.failovers.clone());
        // What never happened is 0, not absent.
        for situation in known.groups() {
            drop(metrics.of(&situation.group));
        }
        registry.register_collector(Box::new(Levels(known)));
        (metrics, registry)
    }

    /// Those of one group.
    pub(crate) fn of(&self, group: &MasterName) -> GroupMetrics {
        let label = [("group", group.to_string())];
        let one = GroupMetrics {
            group: group.clone(),
            looks: self.looks.get_or_create_owned(&label),
            failed_looks: self.failed_looks.get_or_create_owned(&label),
            publishes: self.publishes.clone(),
            repairs: self.repairs.get_or_create_owned(&label),
            conflicts: self.conflicts.get_or_create_owned(&label),
            latency: self.latency.get_or_create_owned(&label),
            failovers: self.failovers.clone(),
        };
        for cause in [Cause::Failover, Cause::Repair] {
            drop(one.publishes_of(&cause));
        }
        for phase in PHASES {
            drop(one.failovers_in(phase));
        }
        one
    }
}

impl GroupMetrics {
    /// A look that ended.
    pub(crate) fn looked(&self) {
        self.looks.inc();
    }

    /// A look without ZooKeeper.
    pub(crate) fn look_failed(&self) {
        self.looks.inc();
        self.failed_looks.inc();
    }

    /// A master was recorded; `latency` since a Sentinel announced it, where one did.
    pub(crate) fn published(&self, cause: &Cause, latency: Option<Duration>) {
        self.publishes_of(cause).inc();
        if let Some(latency) = latency {
            self.latency.observe(latency.as_secs_f64());
        }
    }

    /// `/redis/master` or `/redis/masters/<name>` was put right.
    pub(crate) fn repaired(&self) {
        self.repairs.inc();
    }

    /// Two masters in one epoch.
    pub(crate) fn conflict(&self) {
        self.conflicts.inc();
    }

    /// The role was moved; so many milliseconds went into each phase that was gone through.
    pub(crate) fn failed_over(&self, phases: &[(&'static str, u64)]) {
        for &(phase, took_ms) in phases {
            self.failovers_in(phase)
                .observe(Duration::from_millis(took_ms).as_secs_f64());
        }
    }

    fn failovers_in(&self, phase: &'static str) -> Histogram {
        let labels = [("group", self.group.to_string()), ("phase", phase.to_owned())];
        self.failovers.get_or_create_owned(&labels)
    }

    fn publishes_of(&self, cause: &Cause) -> Counter {
        let labels = [
            ("group", self.group.to_string()),
            ("cause", cause.word().to_owned()),
        ];
        self.publishes.get_or_create_owned(&labels)
    }
}
