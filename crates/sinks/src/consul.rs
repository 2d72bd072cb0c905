//! Consul, in up to three parts, each a sink of its own: a node and a service in the catalogue (as redishappy registers them), a service
//! of one agent with a health check, and a key.
//!
//! Each is read first and written only where it differs, so a tick without news writes nothing. All three hold the epoch, and what
//! holds a higher one is left alone, whoever wrote it: a watcher that was cut off may come back with an old picture.
//!
//! The catalogue has no owner: an agent whose node is named there removes what it does not know and restores its address. So the node
//! must be no agent's; what is undone again and again is remarked on.

mod agent;
mod api;
mod aside;
mod catalog;
mod entry;
mod key;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use tokio::time::Instant;
use topology::{Epoch, MasterName};

use crate::http::HttpSetupError;
use crate::picture::{Group, Picture};
use crate::secret::Secret;
use crate::sink::{Brought, Sink, SinkError};

use api::Api;
use aside::{Aside, Claim, Turn};

/// So many groups are looked at at once.
const AT_ONCE: usize = 8;
/// When a group had to be told so often of one epoch, somebody else undoes it.
const UNDONE: u32 = 3;

/// What to keep in Consul.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsulPart {
    /// A node whose address is the master's host, with a service: `PUT /v1/catalog/register`.
    Catalog,
    /// A service of the agent that is spoken to, with a TCP check: `PUT /v1/agent/service/register`.
    Agent,
    /// A key whose value is the master as JSON, by compare-and-set.
    Key,
}

/// Which Consul, and what of it.
#[derive(Debug, Clone)]
pub struct ConsulConfig {
    /// `host:port` or a URL. With `ca` and no scheme, TLS.
    pub addr: String,
    /// Sent as `X-Consul-Token`.
    pub token: Option<Secret>,
    /// Trusted instead of the system's authorities, PEM.
    pub ca: Option<PathBuf>,
    /// Datacentre of the keys, and of services that name none. The agent's own otherwise.
    pub datacenter: Option<String>,
    /// The services of these groups.
    pub services: BTreeMap<MasterName, ConsulService>,
    /// The service of every other group. Without it they have none, and nothing is registered for them.
    pub others: Option<ConsulService>,
    /// The key; `{name}` stands for the group's name.
    pub key: String,
    /// This watcher, in words that no other watcher has, such as its address: what it has registered at an agent is known by it.
    pub watcher: String,
    /// How long one request may take. There are up to three for a change (a key: four), so the deadline of [`crate::Terms`] must
    /// be longer.
    pub deadline: Duration,
}

/// What is registered for a group. In every text `{name}` stands for the group's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsulService {
    /// The node, in the catalogue. It must not be an agent's.
    pub node: String,
    /// The name of the service.
    pub service: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The datacentre, in the catalogue.
    pub datacenter: Option<String>,
}

/// One part of Consul.
#[derive(Debug)]
pub struct ConsulSink {
    part: ConsulPart,
    config: ConsulConfig,
    api: Api,
    has: BTreeMap<MasterName, Epoch>,
    /// How often each group had to be told of one epoch.
    retold: BTreeMap<MasterName, (Epoch, u32)>,
    /// When our name was put on each group's entry at the agent.
    claimed: BTreeMap<MasterName, Instant>,
    aside: Aside,
}

/// What had to be done for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Nothing,
    Told,
    /// It was right; our name was put on it.
    Claimed,
    /// It has no service.
    NotWanted,
}

impl ConsulSink {
    /// One part of the Consul that `config` names.
    pub fn new(config: ConsulConfig, part: ConsulPart) -> Result<Self, HttpSetupError> {
        let api = Api::new(&config)?;
        Ok(Self {
            part,
            config,
            api,
            has: BTreeMap::new(),
            retold: BTreeMap::new(),
            claimed: BTreeMap::new(),
            aside: Aside::default(),
        })
    }

    /// For pages and logs.
    pub fn name(&self) -> String {
        let part = match self.part {
            ConsulPart::Catalog => "catalog",
            ConsulPart::Agent => "agent",
            ConsulPart::Key => "kv",
        };
        format!("consul-{part}:{}", self.api.place())
    }

    async fn bring_group(&self, picture: &Picture, group: &Group) -> Result<Done, SinkError> {
        let service = self
            .config
            .services
            .get(&group.name)
            .or(self.config.others.as_ref());
        match (self.part, service) {
            (ConsulPart::Key, _) => {
                let key = self.config.key.replace("{name}", group.name.as_str());
                let clash = |other: &&Group| self.config.key.replace("{name}", other.name.as_str()) == key;
                one_owner(picture, &format!("the key {key}"), clash)?;
                key::bring(&self.api, &self.config, &key, group).await
            }
            (_, None) => Ok(Done::NotWanted),
            (ConsulPart::Catalog, Some(service)) => {
                let service = service.of(&group.name);
                let shared = self.shares_node(picture, group, &service);
                catalog::bring(&self.api, &self.config, &service, group, shared).await
            }
            (ConsulPart::Agent, Some(service)) => {
                let last = self.claimed.get(&group.name).copied();
                let claim = Claim::after(last, Instant::now());
                agent::bring(&self.api, &self.config, &service.of(&group.name), group, claim).await
            }
        }
    }

    /// Whether another group's master on another host is at this node too: the node's one address cannot be both.
    fn shares_node(&self, picture: &Picture, group: &Group, service: &ConsulService) -> catalog::Node {
        let shares = picture.groups.values().any(|other| {
            let theirs = self
                .config
                .services
                .get(&other.name)
                .or(self.config.others.as_ref());
            theirs.is_some_and(|theirs| theirs.of(&other.name).node == service.node)
                && other.master.addr.host() != group.master.addr.host()
        });
        if shares {
            catalog::Node::Shared
        } else {
            catalog::Node::Own
        }
    }

    /// The groups to look at: those of which something is new come before those that are looked after.
    fn changed_first<'a>(&self, picture: &'a Picture) -> Vec<&'a Group> {
        let is_known = |group: &&Group| self.has.get(&group.name) == Some(&group.master.epoch);
        let (known, changed): (Vec<&Group>, Vec<&Group>) = picture.groups.values().partition(is_known);
        changed.into_iter().chain(known).collect()
    }

    fn note(&mut self, group: &Group, done: Done) {
        let epoch = group.master.epoch;
        if done != Done::NotWanted {
            self.has.insert(group.name.clone(), epoch);
        }
        let (known, count) = self.retold.entry(group.name.clone()).or_insert((epoch, 0));
        if *known != epoch {
            (*known, *count) = (epoch, 0);
        }
        if done == Done::Told {
            *count += 1;
        }
        if matches!(done, Done::Told | Done::Claimed) {
            self.claimed.insert(group.name.clone(), Instant::now());
        }
    }

    fn remark(&self, unwanted: &[&MasterName]) -> Option<String> {
        if let Some((name, _)) = self.retold.iter().find(|(_, (_, count))| *count >= UNDONE) {
            return Some(format!(
                "what is registered for {name} was undone again and again; give it a node and a service that no Consul agent has"
            ));
        }
        let first = unwanted.first()?;
        Some(format!(
            "nothing is registered for {first}, for which no Consul service is given ({} such)",
            unwanted.len()
        ))
    }
}

impl Sink for ConsulSink {
    async fn bring(&mut self, picture: &Picture) -> Result<Brought, SinkError> {
        self.aside.over();
        self.has.retain(|name, _| picture.groups.contains_key(name));
        let mut outcomes = Vec::new();
        {
            let this = &*self;
            let groups: Vec<_> = this
                .changed_first(picture)
                .into_iter()
                .map(|group| async move { (group, this.bring_group(picture, group).await) })
                .collect();
            let mut groups = iter(groups).buffer_unordered(AT_ONCE);
            while let Some((group, outcome)) = groups.next().await {
                let away = matches!(outcome, Err(SinkError::Unreachable { .. }));
                outcomes.push((group, outcome));
                if away {
                    // Nor would the others get an answer.
                    break;
                }
            }
        }
        let (mut brought, mut unwanted, mut trouble) = (Brought::default(), Vec::new(), None);
        for (group, outcome) in outcomes {
            match outcome {
                Ok(done) => {
                    self.note(group, done);
                    match done {
                        Done::Told => brought.told.push(group.name.clone()),
                        Done::NotWanted => unwanted.push(&group.name),
                        Done::Nothing | Done::Claimed => {}
                    }
                }
                Err(error) => {
                    self.has.remove(&group.name);
                    trouble = trouble.or(Some(error));
                }
            }
        }
        brought.remark = self.remark(&unwanted);
        trouble.map_or(Ok(brought), Err)
    }

    async fn stand_aside(&mut self, picture: &Picture) -> Result<(), SinkError> {
        if self.part != ConsulPart::Agent {
            return Ok(());
        }
        self.has.clear();
        // Also what we registered a moment ago may be another's by the time that we lead again.
        self.claimed.clear();
        if self.aside.told(Instant::now()) == Turn::Keep {
            return Ok(());
        }
        for id in agent::registered_by(&self.api, &self.config.watcher, picture).await? {
            agent::remove(&self.api, &id).await?;
        }
        Ok(())
    }

    fn confirmed(&self) -> BTreeMap<MasterName, Epoch> {
        self.has.clone()
    }
}

impl ConsulService {
    fn of(&self, name: &MasterName) -> Self {
        let filled = |text: &String| text.replace("{name}", name.as_str());
        Self {
            node: filled(&self.node),
            service: filled(&self.service),
            tags: self.tags.iter().map(filled).collect(),
            datacenter: self.datacenter.clone(),
        }
    }
}

/// Two groups that write one thing would take it from each other for ever.
fn one_owner(picture: &Picture, what: &str, has_it: impl Fn(&&Group) -> bool) -> Result<(), SinkError> {
    let owners: Vec<&str> = picture
        .groups
        .values()
        .filter(has_it)
        .map(|group| group.name.as_str())
        .collect();
    if owners.len() < 2 {
        return Ok(());
    }
    Err(SinkError::Local {
        what: what.to_owned(),
        problem: format!(
            "{} all have it; write {{name}} into CONSUL_KEY",
            owners.join(", ")
        ),
    })
}
