//! A service of the agent that is spoken to. The agent looks after it: it registers it with the servers, and checks whether the master
//! takes connections.
//!
//! Each watcher may have an agent of its own, and the master must be registered with the leader's alone, or the old one's entry would name the
//! old master after the next move. So who does not lead takes away what it had registered itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use topology::MasterName;

use super::api::{Api, word};
use super::aside::Claim;
use super::entry::{EPOCH, Found, Verdict, newer, other, weigh};
use super::{ConsulConfig, ConsulService, Done};
use crate::picture::{Group, Picture};
use crate::sink::SinkError;

/// Holds the watcher that registered it.
const WATCHER: &str = "redis-zk-watcher";

#[derive(Serialize)]
struct Register<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "Tags")]
    tags: &'a [String],
    #[serde(rename = "Address")]
    address: &'a str,
    #[serde(rename = "Port")]
    port: u16,
    #[serde(rename = "Meta")]
    meta: &'a BTreeMap<String, String>,
    #[serde(rename = "Check")]
    check: Check,
}

/// The agent asks the master itself, whether a watcher is alive or not.
#[derive(Serialize)]
struct Check {
    #[serde(rename = "CheckID")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "TCP")]
    tcp: String,
    #[serde(rename = "Interval")]
    interval: &'static str,
    #[serde(rename = "Timeout")]
    timeout: &'static str,
    /// A check begins as critical otherwise, and the service would be out of DNS after each move until the agent has asked.
    #[serde(rename = "Status")]
    status: &'static str,
    /// An agent that no watcher speaks to any more does not keep it for ever.
    #[serde(rename = "DeregisterCriticalServiceAfter")]
    deregister_after: &'static str,
}

/// `GET /v1/agent/service/…`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    service: String,
    tags: Option<Vec<String>>,
    meta: Option<BTreeMap<String, String>>,
    #[serde(default)]
    address: String,
    #[serde(default)]
    port: u16,
}

pub(super) async fn bring(
    api: &Api,
    config: &ConsulConfig,
    service: &ConsulService,
    group: &Group,
    claim: Claim,
) -> Result<Done, SinkError> {
    let (id, addr) = (id(&group.name), &group.master.addr);
    let wanted = Found {
        service: service.service.clone(),
        host: addr.host().to_owned(),
        port: addr.port(),
        tags: service.tags.iter().cloned().collect(),
        meta: BTreeMap::from([
            (EPOCH.to_owned(), group.master.epoch.to_string()),
            (WATCHER.to_owned(), config.watcher.clone()),
        ]),
        node: None,
    };
    let what = format!("the service {id} of the Consul agent");
    let seen = found(api, &id).await?;
    let right = is_right_but_for_the_name(seen.as_ref(), &wanted);
    match weigh(seen.as_ref(), &wanted) {
        Verdict::Leave => return Ok(Done::Nothing),
        Verdict::Write if right && claim == Claim::Rests => return Ok(Done::Nothing),
        Verdict::Newer { epoch } => {
            return Err(newer(
                what,
                group,
                epoch,
                seen.as_ref().map_or("", |seen| &seen.host),
            ));
        }
        Verdict::Write => {}
    }
    let register = Register {
        id: &id,
        name: &service.service,
        tags: &service.tags,
        address: addr.host(),
        port: addr.port(),
        meta: &wanted.meta,
        check: Check {
            id: format!("{id}-tcp"),
            name: format!("the Redis master of {} takes connections", group.name),
            tcp: addr.to_string(),
            interval: "10s",
            timeout: "2s",
            status: "passing",
            deregister_after: "24h",
        },
    };
    api.put(
        "/v1/agent/service/register?replace-existing-checks=true",
        &register,
    )
    .await?;
    let seen = found(api, &id).await?;
    match weigh(seen.as_ref(), &wanted) {
        Verdict::Leave if right => Ok(Done::Claimed),
        Verdict::Leave => Ok(Done::Told),
        // Another one put its name on it at once.
        Verdict::Write if is_right_but_for_the_name(seen.as_ref(), &wanted) => Ok(Done::Told),
        Verdict::Newer { epoch } => Err(newer(
            what,
            group,
            epoch,
            seen.as_ref().map_or("", |seen| &seen.host),
        )),
        Verdict::Write => Err(other(what, group, seen.as_ref())),
    }
}

/// Who registered it is no reason to write it again: two that both lead for a while would do so at each look.
fn is_right_but_for_the_name(seen: Option<&Found>, wanted: &Found) -> bool {
    seen.is_some_and(|seen| {
        let mut seen = seen.clone();
        let name = wanted.meta.get(WATCHER).cloned().unwrap_or_default();
        seen.meta
            .insert(WATCHER.to_owned(), name)
            .is_some_and(|before| !before.is_empty())
            && seen == *wanted
    })
}

/// The ids of what this watcher has registered for these groups.
pub(super) async fn registered_by(
    api: &Api,
    watcher: &str,
    picture: &Picture,
) -> Result<Vec<String>, SinkError> {
    let services: BTreeMap<String, Entry> = api.get("/v1/agent/services").await?.unwrap_or_default();
    let ours = |entry: &Entry| {
        let meta = entry.meta.as_ref();
        meta.and_then(|meta| meta.get(WATCHER))
            .is_some_and(|name| name == watcher)
    };
    let ids = picture.groups.keys().map(id);
    Ok(ids.filter(|id| services.get(id).is_some_and(ours)).collect())
}

/// Takes a service away, with its check.
pub(super) async fn remove(api: &Api, id: &str) -> Result<(), SinkError> {
    let path = format!("/v1/agent/service/deregister/{}", word(id));
    api.put_bytes(&path, Vec::new()).await.map(drop)
}

fn id(name: &MasterName) -> String {
    format!("redis-master-{name}")
}

async fn found(api: &Api, id: &str) -> Result<Option<Found>, SinkError> {
    let entry: Option<Entry> = api.get(&format!("/v1/agent/service/{}", word(id))).await?;
    Ok(entry.map(|entry| Found {
        service: entry.service,
        host: entry.address,
        port: entry.port,
        tags: entry
            .tags
            .unwrap_or_default()
            .into_iter()
            .collect::<BTreeSet<_>>(),
        meta: entry.meta.unwrap_or_default(),
        node: None,
    }))
}
