//! The JSON pages.

use std::time::{Duration, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use instance::ReplicaReport;
use serde::Serialize;
use topology::{Addr, Epoch, LinkStatus, MasterName, Role, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Member, Phase, State, decode_master};

use super::chosen::Chosen;
use super::staleness::{mark, stale_for_ms};
use crate::roster::Roster;
use crate::situation::{Age, Record, Situation};

/// Who is master. What only the state knows is left out for a group that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Master {
    name: MasterName,
    host: String,
    port: u16,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    recorded: Option<Recorded>,
    /// Who is about to be. Not a master yet, so not to be written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
}

/// What is recorded before it is true: a claim, or the intent of a failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Next {
    host: String,
    port: u16,
    #[serde(flatten)]
    recorded: Recorded,
}

/// What there is to say of the master.
#[derive(Debug)]
pub(super) enum Said {
    /// This one.
    Master(Box<Master>),
    /// There is none.
    Nobody,
    /// The tree belongs to another group, whose master is none of ours.
    OtherGroup(MasterName),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Recorded {
    group: Uuid,
    epoch: Epoch,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    phase: Phase,
    cause: Cause,
    since: String,
}

/// A registered Sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Sentinel {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Serialize)]
struct Aged<T> {
    #[serde(flatten)]
    body: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_for_ms: Option<u64>,
}

#[derive(Serialize)]
struct Sentinels {
    sentinels: Vec<Sentinel>,
}

/// A Redis of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Listed {
    /// As it registered itself.
    Registered(Box<Member>),
    /// As a Sentinel sees it, where there is no ZooKeeper to register in.
    Reported(Reported),
}

/// What a Sentinel says of a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Reported {
    pub(super) addr: Addr,
    role: &'static str,
    /// Whom it follows, where the Sentinel knows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    offset: i64,
    pub(super) link: LinkStatus,
    pub(super) priority: u32,
}

#[derive(Serialize)]
struct Replicas {
    replicas: Vec<Listed>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    error: &'a str,
}

pub(super) fn master(situation: &Situation) -> Response {
    let (master, age) = recorded_master(situation);
    match (master, age) {
        (_, Age::Never) => never_read(situation),
        (Said::Master(master), _) => json(master, age),
        (Said::Nobody, _) => mark(wrong(StatusCode::NOT_FOUND, "no master is recorded"), age),
        (Said::OtherGroup(name), _) => {
            let why = format!("the tree belongs to the group `{name}`");
            mark(wrong(StatusCode::NOT_FOUND, &why), age)
        }
    }
}

pub(super) async fn sentinels(Chosen(situation): Chosen) -> Response {
    match registered(&situation) {
        (_, Age::Never) => never_read(&situation),
        (sentinels, age) => json(Sentinels { sentinels }, age),
    }
}

pub(super) async fn replicas(Chosen(situation): Chosen) -> Response {
    let (mut members, age) = listed(&situation);
    if age == Age::Never {
        return never_read(&situation);
    }
    members.retain(Listed::is_replica);
    json(Replicas { replicas: members }, age)
}

pub(super) async fn unknown() -> Response {
    wrong(
        StatusCode::NOT_FOUND,
        "no such page; /v1/openapi.json describes those there are",
    )
}

/// The settled master of the state, or that of `/redis/master` where there is no state that can be read. A record that is not settled
/// names somebody who is not a master yet: until then `/redis/master` is right, which follows the answer of the node itself.
pub(super) fn recorded_master(situation: &Situation) -> (Said, Age) {
    let state_age = Age::of(&situation.state.borrow());
    let state = situation.state();
    if let Some(other) = state.as_ref().filter(|state| state.name != situation.group) {
        return (Said::OtherGroup(other.name.clone()), state_age);
    }
    let said = |host, port, recorded, next| {
        let name = situation.group.clone();
        Said::Master(Box::new(Master {
            name,
            host,
            port,
            recorded,
            next,
        }))
    };
    let next = match state {
        Some(state) => {
            let (host, port) = (state.master.addr.host().to_owned(), state.master.addr.port());
            let recorded = Recorded::of(state);
            match recorded.phase {
                Phase::Settled => return (said(host, port, Some(recorded), None), state_age),
                Phase::Claimed | Phase::Promoting | Phase::Other(_) => Some(Next { host, port, recorded }),
            }
        }
        None => None,
    };
    let followed = situation.master.borrow();
    let znode = followed.value.as_ref().and_then(Option::as_ref);
    let addr = znode.and_then(|znode| decode_master(&znode.data).ok().flatten());
    let master = addr.map_or(Said::Nobody, |addr| {
        said(addr.host().to_owned(), addr.port(), None, next)
    });
    (master, state_age.and(Age::of(&followed)))
}

impl Master {
    /// As of which epoch, where it is recorded.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.recorded.as_ref().map(|recorded| recorded.epoch)
    }

    /// Whether another one is about to be.
    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }
}

impl Recorded {
    fn of(state: State) -> Self {
        let since = UNIX_EPOCH
            .checked_add(Duration::from_millis(state.since_ms))
            .unwrap_or(UNIX_EPOCH);
        Self {
            group: state.group,
            epoch: state.epoch,
            run_id: state.master.run_id,
            phase: state.phase,
            cause: state.cause,
            since: rfc3339(since),
        }
    }
}

/// RFC 3339. A time no calendar has (somebody wrote it there) is the beginning of all times.
pub(super) fn rfc3339(time: std::time::SystemTime) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    if write!(text, "{}", humantime::format_rfc3339_millis(time)).is_err() {
        "1970-01-01T00:00:00.000Z".clone_into(&mut text);
    }
    text
}

pub(super) fn registered(situation: &Situation) -> (Vec<Sentinel>, Age) {
    let followed = situation.sentinels.borrow();
    let roster = followed.value.as_ref().map(Roster::read).unwrap_or_default();
    let sentinel = |(id, addr): (String, Addr)| Sentinel {
        id,
        host: addr.host().to_owned(),
        port: addr.port(),
    };
    (
        roster.named.into_iter().map(sentinel).collect(),
        Age::of(&followed),
    )
}

impl Listed {
    fn is_replica(&self) -> bool {
        match self {
            Listed::Registered(member) => matches!(member.role, Role::Replica { .. }),
            Listed::Reported(_) => true,
        }
    }
}

/// The Redis nodes: the registered ones, or where none can register, the replicas that a Sentinel sees.
pub(super) fn listed(situation: &Situation) -> (Vec<Listed>, Age) {
    match situation.record {
        Record::ZooKeeper => {
            let (members, age) = members(situation);
            let listed = members
                .into_iter()
                .map(|member| Listed::Registered(Box::new(member)));
            (listed.collect(), age)
        }
        Record::Memory => {
            let (replicas, age) = reported(situation);
            (replicas.into_iter().map(Listed::Reported).collect(), age)
        }
    }
}

/// The replicas as a Sentinel sees them, in the order of their addresses; as old as what is known of the Sentinels. For a while a Sentinel
/// still lists as a replica who is master by now.
pub(super) fn reported(situation: &Situation) -> (Vec<Reported>, Age) {
    let master = situation.state().filter(|state| state.phase == Phase::Settled);
    let master = master.map(|state| state.master.addr);
    let reports = situation.reported.borrow();
    let reported = |report: &ReplicaReport| Reported {
        addr: report.addr.clone(),
        role: "replica",
        of: report.of.clone(),
        run_id: report.run_id.clone(),
        offset: report.offset,
        // What the link was when the replica last said so is of no use once it does not answer.
        link: if report.flags.subjectively_down || report.flags.disconnected {
            LinkStatus::Down
        } else {
            report.link
        },
        priority: report.priority,
    };
    let others = reports
        .iter()
        .filter(|report| Some(&report.addr) != master.as_ref());
    let mut replicas: Vec<Reported> = others.map(reported).collect();
    replicas.sort_by_key(|replica| replica.addr.to_string());
    (replicas, Age::of(&situation.sentinels.borrow()))
}

/// The registered Redis nodes that can be read.
pub(super) fn members(situation: &Situation) -> (Vec<Member>, Age) {
    let followed = situation.members.borrow();
    let znodes = followed.value.iter().flat_map(|znodes| znodes.values());
    let members = znodes.filter_map(|bytes| Member::decode(bytes).ok()).collect();
    (members, Age::of(&followed))
}

pub(super) fn json(body: impl Serialize, age: Age) -> Response {
    let stale_for_ms = stale_for_ms(age);
    mark(written(StatusCode::OK, &Aged { body, stale_for_ms }), age)
}

pub(super) fn never_read(situation: &Situation) -> Response {
    wrong(StatusCode::SERVICE_UNAVAILABLE, unread(situation))
}

/// Why there is nothing to tell yet.
pub(super) fn unread(situation: &Situation) -> &'static str {
    match situation.record {
        Record::ZooKeeper => "ZooKeeper has not been read yet",
        Record::Memory => "no Sentinel has answered yet",
    }
}

pub(super) fn wrong(code: StatusCode, error: &str) -> Response {
    written(code, &Wrong { error })
}

/// One line, with its end: people read it in a terminal.
fn written(code: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, "application/json")];
    match serde_json::to_string(body) {
        Ok(text) => (code, headers, text + "\n").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
