//! A node and a service in the catalogue, in redishappy's shape: the node's address is the master's host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::api::{Api, in_datacenter, word};
use super::entry::{EPOCH, Found, Verdict, newer, other, weigh};
use super::{ConsulConfig, ConsulService, Done};
use crate::picture::Group;
use crate::sink::SinkError;

/// Whether the node's address can be the master's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// It is.
    Own,
    /// Several masters are at it. The service's own address, which comes first in DNS, says where it is.
    Shared,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Register<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    datacenter: Option<&'a str>,
    node: &'a str,
    address: &'a str,
    service: Entity<'a>,
}

#[derive(Serialize)]
struct Entity<'a> {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Service")]
    service: &'a str,
    #[serde(rename = "Tags")]
    tags: &'a [String],
    #[serde(rename = "Address")]
    address: &'a str,
    #[serde(rename = "Port")]
    port: u16,
    #[serde(rename = "Meta")]
    meta: &'a BTreeMap<String, String>,
}

/// An entry of `GET /v1/catalog/service/…`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: String,
    address: String,
    #[serde(rename = "ServiceID")]
    service_id: String,
    service_name: String,
    #[serde(default)]
    service_address: String,
    service_port: u16,
    service_tags: Option<Vec<String>>,
    service_meta: Option<BTreeMap<String, String>>,
}

pub(super) async fn bring(
    api: &Api,
    config: &ConsulConfig,
    service: &ConsulService,
    group: &Group,
    node: Node,
) -> Result<Done, SinkError> {
    let datacenter = service.datacenter.as_deref().or(config.datacenter.as_deref());
    let host = group.master.addr.host();
    let wanted = Found {
        service: service.service.clone(),
        host: host.to_owned(),
        port: group.master.addr.port(),
        tags: service.tags.iter().cloned().collect(),
        meta: BTreeMap::from([(EPOCH.to_owned(), group.master.epoch.to_string())]),
        node: (node == Node::Own).then(|| host.to_owned()),
    };
    let id = format!("redishappy-consul-{}", group.name);
    let what = format!(
        "the service {} of node {} in Consul",
        service.service, service.node
    );
    let look = async || found(api, service, &id, datacenter, node).await;
    let seen = look().await?;
    match weigh(seen.as_ref(), &wanted) {
        Verdict::Leave => return Ok(Done::Nothing),
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
        datacenter,
        node: &service.node,
        address: host,
        service: Entity {
            id: id.clone(),
            service: &service.service,
            tags: &service.tags,
            address: host,
            port: wanted.port,
            meta: &wanted.meta,
        },
    };
    api.put("/v1/catalog/register", &register).await?;
    let seen = look().await?;
    match weigh(seen.as_ref(), &wanted) {
        Verdict::Leave => Ok(Done::Told),
        Verdict::Newer { epoch } => Err(newer(
            what,
            group,
            epoch,
            seen.as_ref().map_or("", |seen| &seen.host),
        )),
        Verdict::Write => Err(other(what, group, seen.as_ref())),
    }
}

async fn found(
    api: &Api,
    service: &ConsulService,
    id: &str,
    datacenter: Option<&str>,
    node: Node,
) -> Result<Option<Found>, SinkError> {
    let dc = in_datacenter(datacenter);
    let path = format!("/v1/catalog/service/{}?consistent{dc}", word(&service.service));
    let entries: Vec<Entry> = api.get(&path).await?.unwrap_or_default();
    let ours = entries
        .into_iter()
        .find(|entry| entry.node == service.node && entry.service_id == id);
    Ok(ours.map(|entry| Found {
        service: entry.service_name,
        host: entry.service_address,
        port: entry.service_port,
        tags: entry
            .service_tags
            .unwrap_or_default()
            .into_iter()
            .collect::<BTreeSet<_>>(),
        meta: entry.service_meta.unwrap_or_default(),
        node: (node == Node::Own).then_some(entry.address),
    }))
}
