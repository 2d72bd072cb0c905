//! What there is to say of a group when something has happened: the parts of which events are made.
//!
//! Nothing is in them that changes all the time (how long ago a look was, how far a data set has come), or a group that is well would
//! send events for ever. Two equal values mean: nothing happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use registry::{Followed, Freshness};
use serde::Serialize;
use tokio::time::Instant;
use topology::{Addr, LinkStatus, MasterName, Role};
use zkpaths::Member;

use super::api::{self, Master, Said, rfc3339};
use super::history::Entry;
use super::status::{self, Node, Report};
use super::words;
use crate::known::Clock;
use crate::situation::{Age, Record, Situation};

/// The failovers that are recorded, the oldest first; none before they were read.
pub(crate) type History = Option<Arc<BTreeMap<String, Entry>>>;

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Facts {
    pub(crate) group: MasterName,
    #[serde(flatten)]
    pub(crate) mastery: Mastery,
    pub(crate) members: Vec<Redis>,
    pub(crate) sentinels: Vec<Sentinel>,
    pub(crate) zookeeper: ZooKeeper,
    pub(crate) watcher: Watcher,
    /// Told on its own page, for its length.
    #[serde(skip)]
    pub(crate) history: History,
}

/// Who is master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mastery {
    pub(crate) master: Option<Box<Master>>,
    /// Whose tree it is, where it is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_group: Option<MasterName>,
}

/// A registered Redis; where none can register, a replica that a Sentinel sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Redis {
    addr: Addr,
    role: &'static str,
    /// Whom a replica follows, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkStatus>,
    /// How far a replica is behind, roughly: see [`roughly`]. None where its master does not say how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_bytes: Option<u64>,
    priority: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fenced: Option<String>,
    /// Known of registered ones alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<String>,
}

/// A registered Sentinel, and its opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sentinel {
    #[serde(flatten)]
    registered: api::Sentinel,
    subscribed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_report: Option<Report>,
}

/// How far what is told can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ZooKeeper {
    session: &'static str,
    read: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_since: Option<String>,
}

/// What this watcher makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Watcher {
    part: &'static str,
    last_outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'static str>,
    /// What those answered who are named as master.
    nodes: Vec<Node>,
}

impl Facts {
    /// What is known of this group now. Its history is read only when it changes, by [`history`].
    pub(crate) fn of(situation: &Situation, clock: Clock, history: History) -> Self {
        let (said, master_age) = api::recorded_master(situation);
        let (master, other_group) = match said {
            Said::Master(master) => (Some(master), None),
            Said::Nobody => (None, None),
            Said::OtherGroup(name) => (None, Some(name)),
        };
        let (members, members_age) = nodes(situation);
        let (sentinels, sentinels_age) = api::registered(situation);
        let age = master_age.and(members_age).and(sentinels_age);
        let glance = situation.glance.borrow().clone();
        let sentinel = |registered: api::Sentinel| {
            let addr = Addr::new(&registered.host, registered.port).ok();
            let subscribed = situation.subscribed.borrow();
            let said = addr.as_ref().and_then(|addr| glance.sentinels.get(addr));
            Sentinel {
                registered,
                subscribed: addr.as_ref().is_some_and(|addr| subscribed.contains(addr)),
                last_report: said.map(|(_, sighting)| status::report(None, sighting)),
            }
        };
        Self {
            group: situation.group.clone(),
            mastery: Mastery { master, other_group },
            members,
            sentinels: sentinels.into_iter().map(sentinel).collect(),
            zookeeper: ZooKeeper {
                session: status::session(situation),
                read: age != Age::Never,
                stale_since: stale_since(situation).map(|since| rfc3339(clock.time_of(since.into_std()))),
            },
            watcher: Watcher {
                part: status::part(*situation.part.borrow()),
                last_outcome: glance.outcome.clone(),
                explanation: words::explain(&glance.outcome),
                nodes: glance.nodes.iter().map(status::node).collect(),
            },
            history,
        }
    }
}

/// The failovers that are recorded.
pub(crate) fn history(situation: &Situation) -> History {
    let followed = situation.history.borrow();
    let znodes = followed.value.as_ref()?;
    Some(Arc::new(super::history::entries(znodes)))
}

fn nodes(situation: &Situation) -> (Vec<Redis>, Age) {
    match situation.record {
        Record::ZooKeeper => {
            let (members, age) = api::members(situation);
            (redis(&members), age)
        }
        Record::Memory => {
            let (replicas, age) = api::reported(situation);
            let redis = |replica: api::Reported| Redis {
                addr: replica.addr,
                role: "replica",
                of: replica.of,
                link: Some(replica.link),
                // How far the master is, no Sentinel says.
                lag_bytes: None,
                priority: replica.priority,
                fenced: None,
                server_version: None,
            };
            (replicas.into_iter().map(redis).collect(), age)
        }
    }
}

/// In the order of their addresses, the master first.
fn redis(members: &[Member]) -> Vec<Redis> {
    let offset_of = |addr: &Addr| {
        let mut found = members.iter().filter(|member| member.addr == *addr);
        found
            .find(|member| member.role == Role::Master)
            .map(|member| member.offset)
    };
    let lag = |member: &Member| match &member.role {
        Role::Master => None,
        Role::Replica { of } => Some(roughly(offset_of(of)?.saturating_sub(member.offset))),
    };
    let mut redis: Vec<Redis> = members
        .iter()
        .map(|member| Redis {
            addr: member.addr.clone(),
            role: match member.role {
                Role::Master => "master",
                Role::Replica { .. } => "replica",
            },
            of: match &member.role {
                Role::Master => None,
                Role::Replica { of } => Some(of.clone()),
            },
            link: member.link,
            lag_bytes: lag(member),
            priority: member.priority,
            fenced: member.fenced.clone(),
            server_version: Some(member.server_version.clone()),
        })
        .collect();
    redis.sort_by_key(|redis| (redis.role != "master", redis.addr.to_string()));
    redis
}

/// To the power of two below; less than 64 KiB is none, since the two were not read at the same moment.
fn roughly(lag: i64) -> u64 {
    let lag = u64::try_from(lag).unwrap_or_default();
    match lag.checked_ilog2() {
        Some(power) if power >= 16 => 1 << power,
        Some(_) | None => 0,
    }
}

/// Since when the oldest copy is.
fn stale_since(situation: &Situation) -> Option<Instant> {
    fn since<T>(followed: &Followed<T>) -> Option<Instant> {
        match followed.freshness {
            Freshness::StaleSince(since) => Some(since),
            Freshness::NeverRead | Freshness::Current => None,
        }
    }
    [
        since(&situation.state.borrow()),
        since(&situation.master.borrow()),
        since(&situation.sentinels.borrow()),
        since(&situation.members.borrow()),
    ]
    .into_iter()
    .flatten()
    .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_news_when_it_doubles() {
        let lags = [-5, 0, 65535, 65536, 100_000, 131_071, 131_072, i64::MAX];
        let told = [0, 0, 0, 65536, 65536, 65536, 131_072, 1 << 62];
        assert_eq!(lags.map(roughly), told);
    }
}
