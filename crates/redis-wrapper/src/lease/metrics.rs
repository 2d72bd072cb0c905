//! The numbers of the lease.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::words::{Standing, Way, WhyFence};

type Label = [(&'static str, &'static str); 1];

/// Counters and gauges. Clones count into the same.
#[derive(Debug, Clone)]
pub struct LeaseMetrics {
    standing: Family<Label, Gauge>,
    renewals: Family<Label, Counter>,
    fences: Family<Label, Counter>,
    longest_gap: Gauge<f64, AtomicU64>,
}

impl Default for LeaseMetrics {
    fn default() -> Self {
        let metrics = Self {
            standing: Family::default(),
            renewals: Family::default(),
            fences: Family::default(),
            longest_gap: Gauge::default(),
        };
        for way in [Way::ZooKeeper, Way::Sentinels] {
            drop(metrics.renewals.get_or_create(&[("by", way.word())]));
        }
        for word in WhyFence::WORDS {
            drop(metrics.fences.get_or_create(&[("reason", word)]));
        }
        metrics.stands(Standing::Idle);
        metrics
    }
}

impl LeaseMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "lease",
            "1 for where the lease stands: none (a replica), free (none needed), held, fenced, killed",
            self.standing.clone(),
        );
        registry.register(
            "lease_renewals",
            "Renewals that let Redis take writes for longer, by who gave them",
            self.renewals.clone(),
        );
        registry.register(
            "fences",
            "Times Redis was fenced, by the reason",
            self.fences.clone(),
        );
        registry.register(
            "lease_longest_gap_seconds",
            "Longest time between two renewals of one mastership",
            self.longest_gap.clone(),
        );
    }

    pub(crate) fn show(&self, before: Standing, now: Standing, longest_gap: Duration) {
        self.longest_gap.set(longest_gap.as_secs_f64());
        if before.word() != now.word() {
            self.stands(now);
        }
        match (before, now) {
            (_, Standing::Fencing { why, .. }) => {
                let _ = self.fences.get_or_create(&[("reason", why.word())]).inc();
            }
            (_, Standing::Held { by, .. } | Standing::Unfencing { by, .. }) if by != Way::Beginning => {
                let _ = self.renewals.get_or_create(&[("by", by.word())]).inc();
            }
            (
                _,
                Standing::Idle
                | Standing::Free
                | Standing::Held { .. }
                | Standing::Unfencing { .. }
                | Standing::Fenced { .. }
                | Standing::Killed { .. },
            ) => {}
        }
    }

    fn stands(&self, now: Standing) {
        for word in Standing::WORDS {
            let value = i64::from(word == now.word());
            self.standing.get_or_create(&[("state", word)]).set(value);
        }
    }
}
