//! `/v1/status`: everything this watcher knows, for a person who wonders.
//!
//! Always 200: that ZooKeeper was never read is a status too.

use std::time::Instant;

use axum::extract::State as Shared;
use axum::response::Response;
use registry::Session;
use serde::Serialize;
use topology::{Addr, Epoch, MasterName};

use super::api::{self, Listed, Master, Said};
use super::chosen::Chosen;
use super::sinks::{self, Sink};
use super::staleness::millis;
use crate::known::Known;
use crate::pace::Part;
use crate::situation::{Age, Glance, Record, Situation};
use crate::view::{Answer, Sighting};

#[derive(Serialize)]
struct Status {
    name: MasterName,
    master: Option<Box<Master>>,
    /// Whose tree it is, where it is not ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_group: Option<MasterName>,
    sentinels: Vec<HeardSentinel>,
    nodes: Vec<Node>,
    members: Vec<Listed>,
    watcher: Watcher,
    zookeeper: ZooKeeper,
    sinks: Vec<Sink>,
}

#[derive(Serialize)]
struct HeardSentinel {
    #[serde(flatten)]
    sentinel: api::Sentinel,
    subscribed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_report: Option<Report>,
}

/// What a Redis that somebody names as master answered at the last look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Node {
    addr: Addr,
    answer: &'static str,
    /// Why it does not let us in, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What it said when it was asked last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    master: Option<Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    /// Why it does not let us in, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Left out of events, which would be sent for it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    ms_ago: Option<u64>,
}

#[derive(Serialize)]
struct Watcher {
    part: &'static str,
    version: &'static str,
    looks: u64,
    /// Since the last look that could read what is recorded.
    last_look_ms_ago: u64,
    last_outcome: String,
}

#[derive(Serialize)]
struct ZooKeeper {
    session: &'static str,
    read: bool,
}

pub(super) async fn status(Shared(known): Shared<Known>, Chosen(situation): Chosen) -> Response {
    let glance = situation.glance.borrow().clone();
    let (said, master_age) = api::recorded_master(&situation);
    let (master, other_group) = match said {
        Said::Master(master) => (Some(master), None),
        Said::Nobody => (None, None),
        Said::OtherGroup(name) => (None, Some(name)),
    };
    let (sentinels, sentinels_age) = api::registered(&situation);
    let (members, members_age) = api::listed(&situation);
    let age = master_age.and(sentinels_age).and(members_age);
    let status = Status {
        name: situation.group.clone(),
        master,
        other_group,
        sentinels: sentinels
            .into_iter()
            .map(|sentinel| heard(&situation, &glance, sentinel))
            .collect(),
        nodes: glance.nodes.iter().map(node).collect(),
        members,
        watcher: Watcher {
            part: part(*situation.part.borrow()),
            version: env!("CARGO_PKG_VERSION"),
            looks: glance.looks,
            last_look_ms_ago: millis(glance.looked.elapsed()),
            last_outcome: glance.outcome.clone(),
        },
        zookeeper: ZooKeeper {
            session: session(&situation),
            read: age != Age::Never,
        },
        sinks: sinks::sinks(&known),
    };
    api::json(status, age)
}

pub(super) fn part(part: Part) -> &'static str {
    match part {
        Part::Leader => "leader",
        Part::Standby => "standby",
    }
}

pub(super) fn session(situation: &Situation) -> &'static str {
    match (situation.record, *situation.session.borrow()) {
        (Record::Memory, _) => "none",
        (Record::ZooKeeper, Session::Connecting) => "connecting",
        (Record::ZooKeeper, Session::Up { .. }) => "up",
        (Record::ZooKeeper, Session::Suspect) => "suspect",
        (Record::ZooKeeper, Session::Closed) => "closed",
    }
}

fn heard(situation: &Situation, glance: &Glance, sentinel: api::Sentinel) -> HeardSentinel {
    let addr = Addr::new(&sentinel.host, sentinel.port).ok();
    let subscribed = addr
        .as_ref()
        .is_some_and(|addr| situation.subscribed.borrow().contains(addr));
    let said = addr.and_then(|addr| glance.sentinels.get(&addr));
    HeardSentinel {
        sentinel,
        subscribed,
        last_report: said.map(|(at, sighting)| report(Some(*at), sighting)),
    }
}

pub(super) fn node((addr, answer): (&Addr, &Answer)) -> Node {
    Node {
        addr: addr.clone(),
        answer: answer.word(),
        reason: match answer {
            Answer::Denied(why) => Some(format!("{why}; check REDIS_PASSWORD")),
            Answer::Waiting
            | Answer::Master(_)
            | Answer::Replica
            | Answer::Loading
            | Answer::Busy
            | Answer::Gone => None,
        },
    }
}

pub(super) fn report(at: Option<Instant>, sighting: &Sighting) -> Report {
    let (answer, record) = match sighting {
        Sighting::Waiting => ("waiting", None),
        Sighting::Reports(record) => ("reports", Some(record)),
        Sighting::NotMonitoring => ("not-monitoring", None),
        Sighting::Silent => ("silent", None),
        Sighting::Denied(_) => ("denied", None),
    };
    let reason = match sighting {
        Sighting::Denied(why) => Some(format!("{why}; check SENTINEL_PASSWORD")),
        Sighting::Waiting | Sighting::Reports(_) | Sighting::NotMonitoring | Sighting::Silent => None,
    };
    Report {
        answer,
        master: record.map(|record| record.addr.clone()),
        epoch: record.map(|record| record.epoch),
        reason,
        ms_ago: at.map(|at| millis(at.elapsed())),
    }
}
