//! How the sinks stand, as the pages tell it.

use std::collections::BTreeMap;

use serde::Serialize;
use sinks::{Standing, Step};
use topology::{Epoch, MasterName};

use super::api::rfc3339;
use super::staleness::millis;
use crate::known::{Clock, Known};

/// One sink. Only what changes when something happens is in it, so that two equal ones mean: nothing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sink {
    pub(crate) name: String,
    step: &'static str,
    /// Since when it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Why it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What is not as it could be, although it is in step.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_took_ms: Option<u64>,
    moves: u64,
    /// The epoch of each group that it has confirmed.
    confirmed: BTreeMap<MasterName, Epoch>,
}

/// All of them, in their order.
pub(crate) fn sinks(known: &Known) -> Vec<Sink> {
    let standings = known.standings().iter();
    standings
        .map(|standing| sink(&standing.borrow(), known.clock()))
        .collect()
}

/// One of them.
pub(crate) fn sink(standing: &Standing, clock: Clock) -> Sink {
    let (step, since, reason) = match &standing.step {
        Step::Idle => ("idle", None, None),
        Step::Standby => ("standby", None, None),
        Step::InStep { at: _ } => ("in-step", None, None),
        Step::Behind { since, reason, .. } => {
            let since = rfc3339(clock.time_of(*since));
            ("behind", Some(since), Some(reason.clone()))
        }
    };
    Sink {
        name: standing.name.clone(),
        step,
        since,
        reason,
        remark: standing.remark.clone(),
        last_took_ms: standing.last_took.map(millis),
        moves: standing.moves,
        confirmed: standing.confirmed.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, UNIX_EPOCH};

    use super::*;

    #[test]
    fn looking_after_a_sink_is_no_news_and_being_behind_has_a_beginning() {
        let began = Instant::now();
        let clock = Clock::starting(began, UNIX_EPOCH);
        let mut standing = Standing::idle("consul");
        standing.step = Step::InStep { at: began };
        let before = sink(&standing, clock);
        standing.step = Step::InStep {
            at: began + Duration::from_secs(5),
        };
        assert_eq!(sink(&standing, clock), before);

        let since = began + Duration::from_secs(7);
        standing.step = Step::Behind {
            since,
            tries: 1,
            reason: "refused".to_owned(),
        };
        let behind = sink(&standing, clock);
        assert_eq!(behind.since.as_deref(), Some("1970-01-01T00:00:07.000Z"));
        standing.step = Step::Behind {
            since,
            tries: 2,
            reason: "refused".to_owned(),
        };
        assert_eq!(sink(&standing, clock), behind);
    }
}
