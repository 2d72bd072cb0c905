//! The configuration as `/api/configuration` shows it: the shape, the order and the spelling of redishappy's page.
//!
//! One value is not shown: the reload command, which often has a password in it, and which nobody needs to read over HTTP. Its key
//! stays, for who reads the page by its keys.

use serde::Serialize;

use super::json::File;

/// The configuration in the shape, the order and the spelling of redishappy's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shape {
    #[serde(rename = "SentinelTCPKeepAlive")]
    keep_alive: i64,
    clusters: Vec<ShapedCluster>,
    sentinels: Vec<ShapedSentinel>,
    consul: ShapedConsul,
    #[serde(rename = "HAProxy")]
    haproxy: ShapedHaProxy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShapedCluster {
    name: String,
    external_port: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShapedSentinel {
    host: String,
    port: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShapedConsul {
    address: String,
    services: Option<Vec<ShapedService>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ShapedService {
    cluster: String,
    node: String,
    datacenter: String,
    tags: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShapedHaProxy {
    #[serde(skip_serializing_if = "String::is_empty")]
    template_path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    output_path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reload_command: String,
}

/// In the place of a command, which often has a password in it and which nobody needs to read over HTTP.
const HIDDEN: &str = "(set)";

impl Shape {
    pub(super) fn of(file: File) -> Self {
        Self {
            keep_alive: file.keep_alive,
            clusters: file
                .clusters
                .into_iter()
                .map(|raw| ShapedCluster {
                    name: raw.name,
                    external_port: raw.external_port,
                })
                .collect(),
            sentinels: file
                .sentinels
                .into_iter()
                .map(|raw| ShapedSentinel {
                    host: raw.host,
                    port: raw.port,
                })
                .collect(),
            consul: ShapedConsul {
                address: file.consul.address,
                services: file.consul.services.map(|services| {
                    let shaped = services.into_iter().map(|raw| ShapedService {
                        cluster: raw.cluster,
                        node: raw.node,
                        datacenter: raw.datacenter,
                        tags: raw.tags,
                    });
                    shaped.collect()
                }),
            },
            haproxy: ShapedHaProxy {
                template_path: file.haproxy.template,
                output_path: file.haproxy.output,
                reload_command: if file.haproxy.reload.is_empty() {
                    String::new()
                } else {
                    HIDDEN.to_owned()
                },
            },
        }
    }
}
