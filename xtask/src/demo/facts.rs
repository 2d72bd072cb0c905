//! What `--json` prints. Times are in milliseconds.

use std::time::Duration;

use serde::{Serialize, Serializer};
use topology::Addr;

#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) zookeeper: String,
    pub(super) master_name: String,
    pub(super) redis: Vec<Addr>,
    pub(super) sentinels: Vec<Addr>,
    pub(super) watchers: Vec<Addr>,
    pub(super) start: StartTimes,
    pub(super) failover: ChangeFacts,
    pub(super) comeback: ComebackFacts,
    pub(super) handover: ChangeFacts,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct StartTimes {
    #[serde(rename = "zookeeper_ms", serialize_with = "millis")]
    pub(super) zookeeper: Duration,
    #[serde(rename = "group_ms", serialize_with = "millis")]
    pub(super) group: Duration,
}

/// One change of master. Each time counts from the kill, or from SIGTERM.
#[derive(Debug, Serialize)]
pub(super) struct ChangeFacts {
    pub(super) old_master: Addr,
    pub(super) new_master: Addr,
    #[serde(rename = "first_switch_master_ms", serialize_with = "maybe_millis")]
    pub(super) first_switch: Option<Duration>,
    #[serde(rename = "published_ms", serialize_with = "maybe_millis")]
    pub(super) published: Option<Duration>,
    #[serde(rename = "first_write_ms", serialize_with = "maybe_millis")]
    pub(super) first_write: Option<Duration>,
    #[serde(rename = "all_over_ms", serialize_with = "millis")]
    pub(super) all_over: Duration,
    pub(super) writes: WriteFacts,
}

#[derive(Debug, Serialize)]
pub(super) struct WriteFacts {
    /// From the kill to the first one that the new master accepted; the longest pause where the role was handed over.
    #[serde(rename = "away_ms", serialize_with = "millis")]
    pub(super) away: Duration,
    pub(super) acknowledged: usize,
    pub(super) lost: usize,
}

/// Each time counts from the old master's start.
#[derive(Debug, Serialize)]
pub(super) struct ComebackFacts {
    #[serde(rename = "replica_ms", serialize_with = "maybe_millis")]
    pub(super) replica: Option<Duration>,
    #[serde(rename = "settled_ms", serialize_with = "millis")]
    pub(super) settled: Duration,
    /// Writes that were sent to it directly.
    pub(super) writes_offered: usize,
    pub(super) writes_accepted: usize,
    /// The longest time without a write at the new master meanwhile.
    #[serde(rename = "longest_pause_ms", serialize_with = "millis")]
    pub(super) longest_pause: Duration,
}

fn millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn maybe_millis<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millis(time, to),
        None => to.serialize_none(),
    }
}
