//! What is kept in Consul, and where that is. `CONSUL_HTTP_ADDR` and its like are Consul's own variables, which many hosts have anyway, so
//! they turn nothing on: `CONSUL` does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use settings::vars::{self, Variable};
use settings::{Outcome, Problem, Reader, Secret};
use sinks::{ConsulPart, ConsulService};
use topology::MasterName;

use super::one_for_each;
use crate::happy;

/// Where Consul is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsulAt {
    /// Its HTTP API.
    pub addr: String,
    /// Sent with each request.
    pub token: Option<Secret>,
    /// Trusted instead of the system's authorities.
    pub ca: Option<PathBuf>,
}

/// What is kept there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsulSettings {
    /// Where.
    pub at: ConsulAt,
    /// Which parts, each once.
    pub parts: Vec<ConsulPart>,
    /// The datacentre of what names none.
    pub datacenter: Option<String>,
    /// The services of these groups.
    pub services: BTreeMap<MasterName, ConsulService>,
    /// The service of every other group.
    pub others: Option<ConsulService>,
    /// The key.
    pub key: String,
}

impl ConsulAt {
    pub(super) fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        let addr = text(reader, &vars::CONSUL_HTTP_ADDR);
        let token = reader.secret(&vars::CONSUL_HTTP_TOKEN);
        let ca = reader.path(&vars::CONSUL_CACERT);
        Ok(Self {
            addr: addr?,
            token: token?,
            ca: ca?.map(|(_, path)| path),
        })
    }

    /// redishappy's services in the catalogue.
    pub(super) fn for_redishappy(mut self, told: &happy::Consul) -> ConsulSettings {
        if let Some(address) = &told.address {
            self.addr.clone_from(address);
        }
        let service = |service: &happy::Service| {
            let of = ConsulService {
                node: service.node.clone(),
                service: "{name}".to_owned(),
                tags: service.tags.clone(),
                datacenter: service.datacenter.clone(),
            };
            (service.cluster.clone(), of)
        };
        ConsulSettings {
            at: self,
            parts: vec![ConsulPart::Catalog],
            datacenter: None,
            services: told.services.iter().map(service).collect(),
            others: None,
            key: String::new(),
        }
    }
}

impl ConsulSettings {
    pub(super) fn read(reader: &mut Reader<'_>, at: &ConsulAt, groups: usize) -> Outcome<Option<Self>> {
        let parts = reader.optional(&vars::CONSUL, parts);
        let datacenter = reader.optional(&vars::CONSUL_DATACENTER, |text| Ok(text.trim().to_owned()));
        let mut of_each = |variable| {
            reader.required(variable, |text| {
                one_for_each(text, groups)?;
                Ok(text.trim().to_owned())
            })
        };
        let (node, service, key) = (
            of_each(&vars::CONSUL_NODE),
            of_each(&vars::CONSUL_SERVICE),
            of_each(&vars::CONSUL_KEY),
        );
        let tags = reader.optional(&vars::CONSUL_TAGS, |text| Ok(list(text)));
        let (parts, datacenter) = (parts?, datacenter?);
        let (node, service, key, tags) = (node?, service?, key?, tags?.unwrap_or_default());
        let Some(parts) = parts else {
            for variable in [
                &vars::CONSUL_HTTP_ADDR,
                &vars::CONSUL_NODE,
                &vars::CONSUL_SERVICE,
                &vars::CONSUL_KEY,
            ] {
                reader.holds(variable, None::<&str>);
            }
            return Ok(None);
        };
        let read = Self {
            at: at.clone(),
            parts,
            services: BTreeMap::new(),
            others: Some(ConsulService {
                node,
                service,
                tags,
                datacenter: datacenter.clone(),
            }),
            datacenter,
            key,
        };
        // Its problems name the variables.
        for sink in crate::tell::consul(&read, "", std::time::Duration::from_secs(1)) {
            if let Err(problem) = sink {
                return Err(reader.problem(Problem::new(vars::CONSUL.name, problem.to_string())));
            }
        }
        Ok(Some(read))
    }
}

fn parts(text: &str) -> Result<Vec<ConsulPart>, String> {
    let mut parts = Vec::new();
    for word in list(text) {
        let part = match word.as_str() {
            "catalog" => ConsulPart::Catalog,
            "agent" => ConsulPart::Agent,
            "kv" => ConsulPart::Key,
            _ => {
                return Err(format!(
                    "has `{word}`; write catalog, agent or kv, or several with commas"
                ));
            }
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    if parts.is_empty() {
        return Err("names nothing; write catalog, agent or kv".to_owned());
    }
    Ok(parts)
}

fn list(text: &str) -> Vec<String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn text(reader: &mut Reader<'_>, variable: &Variable) -> Outcome<String> {
    reader.required(variable, |text| Ok(text.trim().to_owned()))
}
