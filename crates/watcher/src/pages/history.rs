//! `/v1/history`: what happened to the master role, and where the time went.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Serialize;
use zkpaths::{Failover, Timings};

use super::api;
use super::chosen::Chosen;
use crate::situation::Age;

/// The phases of a failover, in their order.
pub(crate) const PHASES: [&str; 6] = [
    "locked",
    "elected",
    "recorded",
    "promoted",
    "announced",
    "published",
];

/// One failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// Its znode, which orders them.
    pub(crate) sequence: String,
    #[serde(flatten)]
    pub(super) failover: Failover,
    /// How long each phase took by itself.
    phases: [Phase; 6],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Phase {
    phase: &'static str,
    took_ms: u64,
}

#[derive(Serialize)]
struct History {
    history: Vec<Entry>,
}

pub(super) async fn history(Chosen(situation): Chosen) -> Response {
    let followed = situation.history.borrow();
    let age = Age::of(&followed);
    let Some(znodes) = followed.value.as_ref().filter(|_| age != Age::Never) else {
        return api::never_read(&situation);
    };
    let history = entries(znodes).into_values().rev().collect();
    api::json(History { history }, age)
}

/// Those that can be read, the oldest first.
pub(crate) fn entries(znodes: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Entry> {
    let entry = |(name, bytes): (&String, &Vec<u8>)| {
        let failover = Failover::decode(bytes).ok()?;
        Some((name.clone(), Entry::new(name.clone(), failover)))
    };
    znodes.iter().filter_map(entry).collect()
}

impl Entry {
    fn new(sequence: String, failover: Failover) -> Self {
        let took = durations(&failover.timings);
        let phase = |(phase, took_ms)| Phase { phase, took_ms };
        Self {
            phases: std::array::from_fn(|n| phase((PHASES[n], took[n]))),
            sequence,
            failover,
        }
    }

    /// Each phase that was gone through, and how long it took.
    pub(crate) fn phases(&self) -> Vec<(&'static str, u64)> {
        let timings = &self.failover.timings;
        let ends = [
            timings.locked_ms,
            timings.elected_ms,
            timings.recorded_ms,
            timings.promoted_ms,
            timings.announced_ms,
            timings.published_ms,
        ];
        let phases = self.phases.iter().zip(ends).filter(|(_, end)| *end > 0);
        phases.map(|(phase, _)| (phase.phase, phase.took_ms)).collect()
    }
}

/// How long each phase took by itself. A phase that was not gone through ends at 0, and took no time. Sentinels and clients are told at
/// the same time, so both of these begin where the promotion ended.
fn durations(timings: &Timings) -> [u64; 6] {
    let mut before = 0;
    let [locked, elected, recorded, promoted] = [
        timings.locked_ms,
        timings.elected_ms,
        timings.recorded_ms,
        timings.promoted_ms,
    ]
    .map(|end| {
        let took = end.saturating_sub(before);
        before = before.max(end);
        took
    });
    let announced = timings.announced_ms.saturating_sub(before);
    let published = timings.published_ms.saturating_sub(before);
    [locked, elected, recorded, promoted, announced, published]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_takes_what_lies_between_two_ends_and_the_last_two_go_on_together() {
        let timings = Timings {
            locked_ms: 3,
            elected_ms: 10,
            recorded_ms: 12,
            promoted_ms: 40,
            announced_ms: 41,
            published_ms: 45,
        };
        assert_eq!(durations(&timings), [3, 7, 2, 28, 1, 5]);
        let skipped = Timings {
            elected_ms: 0,
            ..timings
        };
        assert_eq!(durations(&skipped), [3, 0, 9, 28, 1, 5]);
    }

    #[test]
    fn a_phase_that_was_not_gone_through_took_no_time_that_could_be_counted() {
        let text = br#"{"epoch":3,"cause":"handover","warrant":"asked","to":"10.0.0.1:6379","by":"x","candidates":[],"votes":[0,0],"timings":{"locked_ms":1,"elected_ms":0,"recorded_ms":4,"promoted_ms":8,"announced_ms":0,"published_ms":8},"at_ms":5}"#;
        let entry = Entry::new("0000000001".to_owned(), Failover::decode(text).unwrap());
        let gone_through = [("locked", 1), ("recorded", 3), ("promoted", 4), ("published", 0)];
        assert_eq!(entry.phases(), gone_through);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let znodes = [("0000000001".to_owned(), b"{".to_vec())].into();
        assert!(entries(&znodes).is_empty());
    }
}
