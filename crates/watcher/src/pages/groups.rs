//! `/v1/groups`: every group, each in a line.

use axum::extract::State as Shared;
use axum::response::Response;
use serde::Serialize;
use topology::MasterName;

use super::api::{self, Master, Said};
use super::staleness::stale_for_ms;
use super::status;
use crate::known::Known;
use crate::situation::{Age, Situation};

#[derive(Serialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    name: MasterName,
    master: Option<Box<Master>>,
    part: &'static str,
    zookeeper: &'static str,
    last_outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_for_ms: Option<u64>,
}

pub(super) async fn groups(Shared(known): Shared<Known>) -> Response {
    let groups = known.groups().map(group).collect();
    api::json(Groups { groups }, Age::Current)
}

fn group(situation: &Situation) -> Group {
    let (said, age) = api::recorded_master(situation);
    Group {
        name: situation.group.clone(),
        master: match said {
            Said::Master(master) => Some(master),
            Said::Nobody | Said::OtherGroup(_) => None,
        },
        part: status::part(*situation.part.borrow()),
        zookeeper: status::session(situation),
        last_outcome: situation.glance.borrow().outcome.clone(),
        stale_for_ms: stale_for_ms(age),
    }
}
