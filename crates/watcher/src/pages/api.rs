//! The JSON pages.

use std::time::{Duration, UNIX_EPOCH};

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use topology::{Addr, Epoch, MasterName, Role, RunId};
use uuid::Uuid;
use zkpaths::{Cause, Member, Phase, State, decode_master};

use super::staleness::{mark, stale_for_ms};
use crate::roster::Roster;
use crate::situation::{Age, Situation};

/// Who is master. What only the state knows is left out for a group that has none.
#[derive(Debug, Serialize)]
pub(super) struct Master {
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
#[derive(Debug, Serialize)]
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

#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
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

#[derive(Serialize)]
struct Replicas {
    replicas: Vec<Member>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    error: &'a str,
}

pub(super) async fn master(Shared(situation): Shared<Situation>) -> Response {
    let (master, age) = recorded_master(&situation);
    match (master, age) {
        (_, Age::Never) => never_read(),
        (Said::Master(master), _) => json(master, age),
        (Said::Nobody, _) => mark(wrong(StatusCode::NOT_FOUND, "no master is recorded"), age),
        (Said::OtherGroup(name), _) => {
            let why = format!("the tree belongs to the group `{name}`");
            mark(wrong(StatusCode::NOT_FOUND, &why), age)
        }
    }
}

pub(super) async fn sentinels(Shared(situation): Shared<Situation>) -> Response {
    match registered(&situation) {
        (_, Age::Never) => never_read(),
        (sentinels, age) => json(Sentinels { sentinels }, age),
    }
}

pub(super) async fn replicas(Shared(situation): Shared<Situation>) -> Response {
    let (mut members, age) = members(&situation);
    if age == Age::Never {
        return never_read();
    }
    members.retain(|member| matches!(member.role, Role::Replica { .. }));
    json(Replicas { replicas: members }, age)
}

pub(super) async fn unknown() -> Response {
    wrong(
        StatusCode::NOT_FOUND,
        "no such page; there are /v1/master, /v1/sentinels, /v1/replicas and /v1/status",
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
fn rfc3339(time: std::time::SystemTime) -> String {
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

fn never_read() -> Response {
    wrong(StatusCode::SERVICE_UNAVAILABLE, "ZooKeeper has not been read yet")
}

fn wrong(code: StatusCode, error: &str) -> Response {
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
