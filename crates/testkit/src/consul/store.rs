//! What a Consul holds, and how its routes change and show it.

use std::collections::BTreeMap;

use axum::http::{Method, Uri};
use serde_json::{Value, json};

use super::schema::{self, Field};

#[derive(Debug, Default)]
pub(super) struct Store {
    index: u64,
    keys: BTreeMap<String, Key>,
    /// Address by datacentre and node.
    nodes: BTreeMap<(String, String), String>,
    /// By datacentre, node and id.
    services: BTreeMap<(String, String, String), Value>,
    /// By id.
    agent: BTreeMap<String, Value>,
}

#[derive(Debug)]
struct Key {
    value: Vec<u8>,
    created: u64,
    modified: u64,
}

pub(super) enum Said {
    Json(Value),
    Nothing,
    NotFound,
    Wrong(String),
}

const READ: &[&str] = &["dc", "consistent", "stale", "ns", "filter"];

impl Store {
    pub(super) fn ask(&mut self, method: &Method, uri: &Uri, body: &[u8]) -> Said {
        let segments: Vec<String> = uri.path().split('/').skip(1).map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let query = query(uri);
        let parameters = |known: &[&str]| {
            let unknown = query.keys().find(|name| !known.contains(&name.as_str()));
            unknown.map(|name| Said::Wrong(format!("the parameter {name} is not documented")))
        };
        let dc = query.get("dc").cloned().unwrap_or_else(|| "dc1".to_owned());
        match (method.as_str(), segments.as_slice()) {
            ("PUT", ["v1", "catalog", "register"]) => {
                parameters(&["ns"]).unwrap_or_else(|| self.register(body))
            }
            ("GET", ["v1", "catalog", "service", name]) => {
                let known = [READ, &["tag", "near", "node-meta"]].concat();
                parameters(&known).unwrap_or_else(|| self.catalog(&dc, name))
            }
            ("PUT", ["v1", "agent", "service", "register"]) => {
                parameters(&["replace-existing-checks", "ns"]).unwrap_or_else(|| self.register_at_agent(body))
            }
            ("PUT", ["v1", "agent", "service", "deregister", id]) => {
                parameters(&["ns"]).unwrap_or_else(|| {
                    self.agent.remove(*id);
                    Said::Nothing
                })
            }
            ("GET", ["v1", "agent", "service", id]) => parameters(&["ns"]).unwrap_or_else(|| {
                self.agent
                    .get(*id)
                    .map_or(Said::NotFound, |found| Said::Json(found.clone()))
            }),
            ("GET", ["v1", "agent", "services"]) => {
                parameters(&["filter", "ns"]).unwrap_or_else(|| Said::Json(json!(self.agent)))
            }
            ("GET", ["v1", "kv", key @ ..]) => {
                let known = [READ, &["recurse", "raw", "keys", "separator"]].concat();
                parameters(&known).unwrap_or_else(|| self.key(&key.join("/")))
            }
            ("PUT", ["v1", "kv", key @ ..]) => {
                parameters(&["dc", "flags", "cas", "acquire", "release", "ns"])
                    .unwrap_or_else(|| self.set(&key.join("/"), query.get("cas"), body))
            }
            _ => Said::Wrong("no such route is documented, or it is not known here".to_owned()),
        }
    }

    fn register(&mut self, body: &[u8]) -> Said {
        let wanted = match checked(body, schema::CATALOG_REGISTER) {
            Ok(wanted) => wanted,
            Err(why) => return Said::Wrong(why),
        };
        let text = |at: &Value| at.as_str().unwrap_or_default().to_owned();
        let dc = wanted["Datacenter"].as_str().unwrap_or("dc1").to_owned();
        let node = text(&wanted["Node"]);
        let known = self.nodes.contains_key(&(dc.clone(), node.clone()));
        if !(known && wanted["SkipNodeUpdate"] == true) {
            self.nodes
                .insert((dc.clone(), node.clone()), text(&wanted["Address"]));
        }
        let service = &wanted["Service"];
        if service.is_object() {
            let name = text(&service["Service"]);
            let id = service["ID"].as_str().map_or_else(|| name.clone(), str::to_owned);
            self.services.insert((dc, node, id), service.clone());
        }
        self.index += 1;
        Said::Json(json!(true))
    }

    fn catalog(&self, dc: &str, name: &str) -> Said {
        let found = self
            .services
            .iter()
            .filter(|((its_dc, _, _), service)| its_dc == dc && service["Service"] == name);
        let found = found.map(|((dc, node, id), service)| {
            json!({
                "ID": "40e4a748-2192-161a-0510-9bf59fe950b5",
                "Node": node,
                "Address": self.nodes.get(&(dc.clone(), node.clone())),
                "Datacenter": dc,
                "TaggedAddresses": null,
                "NodeMeta": {},
                "ServiceID": id,
                "ServiceName": service["Service"],
                "ServiceAddress": service["Address"].as_str().unwrap_or_default(),
                "ServicePort": service["Port"].as_u64().unwrap_or_default(),
                "ServiceTags": service["Tags"].as_array().cloned().unwrap_or_default(),
                "ServiceMeta": service["Meta"].as_object().cloned().unwrap_or_default(),
                "CreateIndex": 1,
                "ModifyIndex": self.index,
            })
        });
        Said::Json(found.collect())
    }

    fn register_at_agent(&mut self, body: &[u8]) -> Said {
        let wanted = match checked(body, schema::AGENT_REGISTER) {
            Ok(wanted) => wanted,
            Err(why) => return Said::Wrong(why),
        };
        let name = wanted["Name"].as_str().unwrap_or_default();
        let id = wanted["ID"].as_str().unwrap_or(name);
        let shown = json!({
            "ID": id,
            "Service": name,
            "Tags": wanted["Tags"].as_array().cloned().unwrap_or_default(),
            "Meta": wanted["Meta"].as_object().cloned().unwrap_or_default(),
            "Port": wanted["Port"].as_u64().unwrap_or_default(),
            "Address": wanted["Address"].as_str().unwrap_or_default(),
            "EnableTagOverride": false,
            "Datacenter": "dc1",
        });
        self.agent.insert(id.to_owned(), shown);
        Said::Nothing
    }

    fn key(&self, key: &str) -> Said {
        self.keys.get(key).map_or(Said::NotFound, |found| {
            Said::Json(json!([{
                "CreateIndex": found.created,
                "ModifyIndex": found.modified,
                "LockIndex": 0,
                "Key": key,
                "Flags": 0,
                "Value": (!found.value.is_empty()).then(|| base64(&found.value)),
            }]))
        })
    }

    fn set(&mut self, key: &str, cas: Option<&String>, body: &[u8]) -> Said {
        if key.is_empty() {
            return Said::Wrong("missing key name".to_owned());
        }
        let at = self.keys.get(key).map_or(0, |found| found.modified);
        match cas.map(|cas| cas.parse::<u64>()) {
            Some(Err(_)) => return Said::Wrong("cas is no number".to_owned()),
            // 0: only if it is not there; otherwise: only if it is still at this index.
            Some(Ok(cas)) if cas != at => return Said::Json(json!(false)),
            Some(Ok(_)) | None => {}
        }
        self.index += 1;
        let created = self.keys.get(key).map_or(self.index, |found| found.created);
        let modified = self.index;
        self.keys.insert(
            key.to_owned(),
            Key {
                value: body.to_vec(),
                created,
                modified,
            },
        );
        Said::Json(json!(true))
    }
}

fn checked(body: &[u8], fields: &[Field]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    match schema::wrong("", &value, fields) {
        Some(why) => Err(why),
        None => Ok(value),
    }
}

fn query(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}
