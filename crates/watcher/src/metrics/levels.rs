//! What is the case now, read when somebody asks for it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use sinks::{Standing, Step};
use topology::MasterName;

use crate::known::Known;
use crate::roster::Roster;
use crate::situation::{Record, Situation};

/// Of all groups.
#[derive(Debug)]
pub(super) struct Levels(pub(super) Known);

impl Collector for Levels {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.of_groups(&mut encoder)?;
        self.of_sinks(&mut encoder)
    }
}

impl Levels {
    fn of_groups(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 while this watcher leads";
        self.each(encoder, "leader", help, |now| {
            recorded_elsewhere(now).then(|| u32::from(now.leads()))
        })?;
        let help = "Sentinels registered in ZooKeeper";
        self.each(encoder, "sentinels_registered", help, |now| {
            let sentinels = now.sentinels.borrow();
            let known = sentinels.value.as_ref();
            Some(known.map_or(0, |known| Roster::read(known).addresses().len()))
        })?;
        let help = "Sentinels and Redis nodes that did not let this watcher in at the last look";
        self.each(encoder, "denied", help, |now| Some(now.glance.borrow().denied()))?;
        let help = "Sentinels this watcher hears";
        self.each(encoder, "sentinels_subscribed", help, |now| Some(now.heard()))?;
        let help = "Config epoch of the record";
        self.each(encoder, "epoch", help, |now| {
            now.state().map(|state| state.epoch.0)
        })?;
        let help = "Age of the last look that could read what is recorded";
        self.each(encoder, "seconds_since_last_look", help, |now| {
            Some(now.since_last_look().as_secs_f64())
        })?;
        let help = "1 while the ZooKeeper session is up";
        self.each(encoder, "zookeeper_session_up", help, |now| {
            recorded_elsewhere(now).then(|| u32::from(now.session_up()))
        })
    }

    fn of_sinks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        // A sink that this watcher need not tell (another one does, or there is nothing to tell yet) is not out of step.
        let help = "0 while a sink does not have the master as this watcher knows it";
        self.each_sink(encoder, "sink_in_step", help, |standing| {
            let step = &standing.step;
            Some(ConstGauge::new(u32::from(!matches!(step, Step::Behind { .. }))))
        })?;
        let help = "Times that a sink did not take what it should";
        self.each_sink(encoder, "sink_failures", help, |standing| {
            Some(ConstCounter::new(standing.failures))
        })?;
        let help = "Moves of a master that a sink confirmed";
        self.each_sink(encoder, "sink_moves", help, |standing| {
            Some(ConstCounter::new(standing.moves))
        })?;
        let help = "From the moment this watcher learned of the last move to the sink's confirmation";
        self.each_sink(encoder, "sink_last_move_seconds", help, |standing| {
            Some(ConstGauge::new(standing.last_took?.as_secs_f64()))
        })
    }

    /// One metric, with a sample for each sink that has one. Without sinks it is not there at all.
    fn each_sink<M: EncodeMetric + TypedMetric>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        metric: impl Fn(&Standing) -> Option<M>,
    ) -> fmt::Result {
        if self.0.standings().is_empty() {
            return Ok(());
        }
        let mut samples = encoder.encode_descriptor(name, help, None, M::TYPE)?;
        for standing in self.0.standings() {
            let standing = standing.borrow();
            if let Some(metric) = metric(&standing) {
                metric.encode(samples.encode_family(&[("sink", standing.name.as_str())])?)?;
            }
        }
        Ok(())
    }

    /// One gauge, with a sample for each group that has one.
    fn each<N: EncodeGaugeValue>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&Situation) -> Option<N>,
    ) -> fmt::Result {
        let mut samples = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for situation in self.0.groups() {
            let label = [("group", MasterName::as_str(&situation.group))];
            if let Some(value) = value(situation) {
                ConstGauge::new(value).encode(samples.encode_family(&label)?)?;
            }
        }
        Ok(())
    }
}

/// Whether there is a session that could be down, and a lead that another watcher could have.
fn recorded_elsewhere(situation: &Situation) -> bool {
    situation.record == Record::ZooKeeper
}
