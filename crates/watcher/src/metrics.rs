//! The numbers. What happened is counted where it happens; what is the case is read when somebody asks.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets_range};
use prometheus_client::registry::Registry;
use zkpaths::Cause;

use crate::roster::Roster;
use crate::situation::Situation;

/// One label.
type Label = [(&'static str, String); 1];

/// What is counted. Clones count into the same.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    looks: Counter,
    failed_looks: Counter,
    publishes: Family<Label, Counter>,
    repairs: Counter,
    conflicts: Counter,
    latency: Histogram,
}

impl Metrics {
    /// The counters, and the registry that also shows `situation`.
    pub(crate) fn new(situation: Situation) -> (Self, Registry) {
        let metrics = Self {
            looks: Counter::default(),
            failed_looks: Counter::default(),
            publishes: Family::default(),
            repairs: Counter::default(),
            conflicts: Counter::default(),
            latency: Histogram::new(exponential_buckets_range(0.001, 10.0, 13)),
        };
        for cause in [Cause::Failover, Cause::Repair] {
            drop(
                metrics
                    .publishes
                    .get_or_create(&[("cause", cause.word().to_owned())]),
            );
        }
        let mut registry = Registry::with_prefix("redis_zk_watcher");
        registry.register("looks", "Looks at the group", metrics.looks.clone());
        registry.register(
            "failed_looks",
            "Looks that ZooKeeper did not answer",
            metrics.failed_looks.clone(),
        );
        registry.register(
            "publishes",
            "Masters recorded, by cause",
            metrics.publishes.clone(),
        );
        registry.register(
            "repairs",
            "Master znodes put right from the state",
            metrics.repairs.clone(),
        );
        registry.register(
            "conflicts",
            "Looks that found two masters in one epoch",
            metrics.conflicts.clone(),
        );
        let help = "From the first announcement by a Sentinel to the record in ZooKeeper";
        registry.register("publish_latency_seconds", help, metrics.latency.clone());
        registry.register_collector(Box::new(Levels(situation)));
        (metrics, registry)
    }

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
        self.publishes
            .get_or_create(&[("cause", cause.word().to_owned())])
            .inc();
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
}

/// What is the case now.
#[derive(Debug)]
struct Levels(Situation);

impl Collector for Levels {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = &self.0;
        let registered = now
            .sentinels
            .borrow()
            .value
            .as_ref()
            .map(|known| Roster::read(known).addresses().len());
        let registered = registered.unwrap_or_default();
        let epoch = now.state().map_or(0, |state| state.epoch.0);
        let since = now.since_last_look().as_secs_f64();
        gauge(
            &mut encoder,
            "leader",
            "1 while this watcher leads",
            u32::from(now.leads()),
        )?;
        gauge(
            &mut encoder,
            "sentinels_registered",
            "Sentinels registered in ZooKeeper",
            registered,
        )?;
        let denied = now.glance.borrow().denied();
        gauge(
            &mut encoder,
            "denied",
            "Sentinels and Redis nodes that did not let this watcher in at the last look",
            denied,
        )?;
        let subscribed = now.subscribed.borrow().len();
        gauge(
            &mut encoder,
            "sentinels_subscribed",
            "Sentinels this watcher hears",
            subscribed,
        )?;
        gauge(&mut encoder, "epoch", "Config epoch of the record", epoch)?;
        gauge(
            &mut encoder,
            "seconds_since_last_look",
            "Age of the last look that could read what is recorded",
            since,
        )?;
        gauge(
            &mut encoder,
            "zookeeper_session_up",
            "1 while the ZooKeeper session is up",
            u32::from(now.session_up()),
        )
    }
}

fn gauge<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: N,
) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}
