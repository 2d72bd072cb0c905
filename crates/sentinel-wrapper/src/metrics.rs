//! The wrapper's numbers, for `/metrics`.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::admin::Status;

/// Counters and gauges.
#[derive(Debug, Default, Clone)]
pub struct Metrics {
    in_step: Gauge,
    answers: Gauge,
    registered: Gauge,
    session_up: Gauge,
    peers: Gauge,
    replicas: Gauge,
    epoch: Gauge,
    denied: Gauge,
    /// Times the own Sentinel was told of a newer master.
    pub announces: Counter<u64, AtomicU64>,
    /// Times it was started again with a new file.
    pub restarts: Counter<u64, AtomicU64>,
    /// Times it was made to forget ghosts.
    pub resets: Counter<u64, AtomicU64>,
    /// Times it stopped answering.
    pub silences: Counter<u64, AtomicU64>,
    /// Times it disagreed with ZooKeeper at the same epoch.
    pub conflicts: Counter<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn register(&self, to: &mut Registry) {
        to.register(
            "in_step",
            "1 if Sentinel names ZooKeeper's master or a newer one",
            self.in_step.clone(),
        );
        to.register(
            "answers",
            "1 if Sentinel answered when last asked",
            self.answers.clone(),
        );
        to.register(
            "registered",
            "1 if Sentinel is registered in ZooKeeper",
            self.registered.clone(),
        );
        to.register(
            "zookeeper_session_up",
            "1 if the ZooKeeper session is up",
            self.session_up.clone(),
        );
        to.register("peers", "Other Sentinels that Sentinel knows", self.peers.clone());
        to.register("replicas", "Replicas that Sentinel knows", self.replicas.clone());
        to.register(
            "config_epoch",
            "Config epoch of the master that Sentinel names",
            self.epoch.clone(),
        );
        to.register(
            "master_denies",
            "1 if the master does not let Sentinel in: a wrong or missing password, or its ACL",
            self.denied.clone(),
        );
        to.register(
            "announces",
            "Times Sentinel was told of a newer master",
            self.announces.clone(),
        );
        to.register(
            "restarts",
            "Times Sentinel was started again with a new file",
            self.restarts.clone(),
        );
        to.register(
            "resets",
            "Times Sentinel was made to forget ghosts",
            self.resets.clone(),
        );
        to.register(
            "silences",
            "Times Sentinel stopped answering",
            self.silences.clone(),
        );
        to.register(
            "conflicts",
            "Times two masters shared one epoch",
            self.conflicts.clone(),
        );
    }

    pub(crate) fn show(&self, status: &Status) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.in_step.set(status.in_step.into());
        self.answers.set(status.answers.into());
        self.registered.set(status.registered.into());
        self.session_up.set(status.session_up.into());
        self.peers.set(count(status.peers));
        self.replicas.set(count(status.replicas));
        self.denied.set(status.denied.is_some().into());
        let epoch = status.master.as_ref().map_or(0, |record| record.epoch.0);
        self.epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
    }
}
