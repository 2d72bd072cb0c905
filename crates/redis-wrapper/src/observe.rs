//! The only reads before a role is decided: ZooKeeper, the Sentinels, and every node that either of them names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use instance::{Dialer, Probe};
use program::chain;
use registry::{Registry, RegistryError, Version, Znode};
use topology::{Addr, Epoch, MasterName, Role};
use uuid::Uuid;
use zkpaths::{Candidacy, Member, Node, PayloadError, Phase, State, decode_address, decode_master};

use crate::act::now_ms;
use crate::complaints::{Complaints, Unreadable};
use crate::decide::cold::Field;
use crate::member::Identity;
use crate::view::{OwnAddress, Recorded, SentinelReport, View};

/// What was read, with the versions that a write must find unchanged.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The view to decide on.
    pub view: View,
    /// Version of `/redis/state`; `None` if somebody deleted it between two looks.
    pub state_version: Option<Version>,
}

/// Reads the world for one node.
#[derive(Clone)]
pub struct Observer {
    /// ZooKeeper.
    pub registry: Registry,
    /// Connections to Redis and Sentinel.
    pub dialer: Dialer,
    /// Who this node is.
    pub identity: Identity,
    /// The group's name.
    pub name: MasterName,
    /// What could not be read, and was told.
    pub complaints: Complaints,
    /// How long a dead node stays registered.
    pub session: Duration,
}

impl Observer {
    /// One look. Nodes are asked in parallel; one that does not answer is part of the answer.
    pub async fn look(&self) -> Result<Seen, RegistryError> {
        let tree = self.registry.tree();
        let (state_path, master_path) = (tree.state(), tree.master());
        let (members_path, sentinels_path) = (tree.members(), tree.sentinels());
        let (candidates_path, nodes_path) = (tree.candidates(), tree.nodes());
        let (state, master, members, sentinels, candidates, nodes) = tokio::try_join!(
            self.registry.read(&state_path),
            self.registry.read(&master_path),
            self.registry.children(&members_path),
            self.registry.children(&sentinels_path),
            self.registry.children(&candidates_path),
            self.registry.children(&nodes_path),
        )?;
        if state.is_none() || master.is_none() {
            self.registry.ensure(&state_path).await?;
            self.registry.ensure(&master_path).await?;
        }
        let me = &self.identity.addr;
        let mut unreadable = Unreadable::new();
        let recorded = recorded(state.as_ref(), master.as_ref(), &mut unreadable);
        let members = readable(&members, "members", Member::decode, &mut unreadable);
        let (members, namesakes) = self.split(members);
        let others = readable(&candidates, "candidates", Candidacy::decode, &mut unreadable);
        let (starting_here, others) = others
            .into_iter()
            .partition(|other: &Candidacy| other.addr == *me);
        let own = OwnAddress {
            probe: None,
            members: namesakes,
            claimed_by: self.claimant(&recorded, starting_here),
            held_for: Duration::ZERO,
            session: self.session,
        };
        let field = Field {
            others,
            nodes: readable(&nodes, "nodes", Node::decode, &mut unreadable),
            at_ms: now_ms(),
            ..Field::default()
        };
        self.complaints.tell(unreadable);
        let registered = addresses(&sentinels);
        let sentinels = self.ask_sentinels(&sentinels).await;
        let known_replicas = self.known_replicas(&sentinels).await;
        let mut view = View {
            me: me.clone(),
            own,
            name: self.name.clone(),
            recorded,
            silent_sentinels: registered.len() - sentinels.len(),
            known_replicas,
            sentinels,
            members,
            probes: BTreeMap::new(),
            field,
        };
        let (probes, answer) = tokio::join!(self.probe_all(named_by(&view)), self.dialer.probe(me));
        (view.probes, view.own.probe) = (probes, Some(answer));
        // Replicas know their master even where nothing records it any more.
        let more: BTreeSet<Addr> = followed(&view)
            .filter(|addr| !view.probes.contains_key(addr))
            .collect();
        view.probes.extend(self.probe_all(more).await);
        Ok(Seen {
            view,
            state_version: state.map(|node| node.version),
        })
    }

    /// The registered nodes that announce our address, too: of these, earlier starts on our own data directory are left out.
    pub async fn namesakes(&self) -> Result<Vec<Member>, RegistryError> {
        let members = self.registry.children(&self.registry.tree().members()).await?;
        // What cannot be read is told at the start.
        let members = members.values().filter_map(|data| Member::decode(data).ok());
        Ok(self.split(members.collect()).1)
    }

    /// The other members, and those of them that have our address.
    fn split(&self, members: Vec<Member>) -> (Vec<Member>, Vec<Member>) {
        let (mut here, elsewhere): (Vec<Member>, _) = members
            .into_iter()
            .partition(|member| member.addr == self.identity.addr);
        here.retain(|member| member.id != self.identity.id && member.node != Some(self.identity.node));
        (elsewhere, here)
    }

    /// Of other nodes that start at our address the one that the record means.
    fn claimant(&self, recorded: &Recorded, starting_here: Vec<Candidacy>) -> Option<Uuid> {
        let claimed = match recorded {
            Recorded::State(state) => {
                state.phase == Phase::Claimed && state.master.addr == self.identity.addr
            }
            Recorded::Nobody | Recorded::Legacy(_) | Recorded::Newer => false,
        };
        let mut others = starting_here.into_iter().map(|candidacy| candidacy.node);
        others.find(|node| claimed && *node != self.identity.node)
    }

    /// What the registered Sentinels say; those that do not answer are left out.
    pub async fn ask_sentinels(&self, registered: &BTreeMap<String, Vec<u8>>) -> Vec<SentinelReport> {
        let addrs = addresses(registered);
        let ask = |addr: Addr| async move {
            let sentinel = self.dialer.sentinel(&addr).await.ok()?;
            let master = sentinel
                .report(&self.name)
                .await
                .ok()?
                .map(|report| (report.record, report.flags));
            let last_vote = match &master {
                Some((record, _)) => sentinel.last_vote(&record.addr).await.unwrap_or_default(),
                None => Epoch::default(),
            };
            Some(SentinelReport {
                sentinel: addr,
                master,
                last_vote,
            })
        };
        join_all(addrs.into_iter().map(ask))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    /// The replicas that the Sentinels know: one may hold data although its wrapper is not registered now.
    async fn known_replicas(&self, reports: &[SentinelReport]) -> BTreeSet<Addr> {
        let ask = |report: SentinelReport| async move {
            let sentinel = self.dialer.sentinel(&report.sentinel).await.ok()?;
            sentinel.replicas(&self.name).await.ok()
        };
        let knowing = reports.iter().filter(|report| report.master.is_some()).cloned();
        let answers = join_all(knowing.map(ask)).await;
        let replicas = answers
            .into_iter()
            .flatten()
            .flatten()
            .map(|replica| replica.addr);
        replicas.filter(|addr| *addr != self.identity.addr).collect()
    }

    async fn probe_all(&self, addrs: BTreeSet<Addr>) -> BTreeMap<Addr, Probe> {
        let probe = |addr: Addr| async move {
            let answer = self.dialer.probe(&addr).await;
            (addr, answer)
        };
        join_all(addrs.into_iter().map(probe)).await.into_iter().collect()
    }
}

/// The addresses of the registered Sentinels; unreadable ones are left out.
pub(crate) fn addresses(registered: &BTreeMap<String, Vec<u8>>) -> BTreeSet<Addr> {
    registered
        .values()
        .filter_map(|data| decode_address(data).ok())
        .collect()
}

/// Every address the view names, except our own, which is asked apart.
fn named_by(view: &View) -> BTreeSet<Addr> {
    let recorded = view.recorded.record().map(|record| record.addr);
    let by_sentinels = view.sentinel_masters().map(|(record, _)| record.addr.clone());
    let members = view.members.iter().map(|member| member.addr.clone());
    let replicas = view.known_replicas.iter().cloned();
    let named = recorded
        .into_iter()
        .chain(by_sentinels)
        .chain(members)
        .chain(replicas);
    named.filter(|addr| *addr != view.me).collect()
}

fn followed(view: &View) -> impl Iterator<Item = Addr> {
    view.probes
        .keys()
        .filter_map(|addr| match &view.snapshot(addr)?.replication.role {
            role @ Role::Replica { of } if *of != view.me && !role.is_fenced() => Some(of.clone()),
            Role::Replica { .. } | Role::Master => None,
        })
}

/// Reads the record. Damage counts as absent: it names nobody who could be followed, and the members and Sentinels are asked in
/// any case. A newer version's record does not.
fn recorded(state: Option<&Znode>, master: Option<&Znode>, unreadable: &mut Unreadable) -> Recorded {
    let bytes = |node: Option<&Znode>| node.map(|node| node.data.clone()).unwrap_or_default();
    match State::decode(&bytes(state)) {
        Ok(Some(state)) => return Recorded::State(Box::new(state)),
        Ok(None) => {}
        Err(error) => {
            unreadable.insert("state".to_owned(), chain(&error));
            match error {
                PayloadError::Newer { .. } => return Recorded::Newer,
                PayloadError::Json { .. } | PayloadError::Address { .. } => {}
            }
        }
    }
    match decode_master(&bytes(master)) {
        Ok(Some(addr)) => Recorded::Legacy(addr),
        Ok(None) => Recorded::Nobody,
        Err(error) => {
            unreadable.insert("master".to_owned(), chain(&error));
            Recorded::Nobody
        }
    }
}

/// The children that can be read.
fn readable<T>(
    children: &BTreeMap<String, Vec<u8>>,
    parent: &str,
    decode: impl Fn(&[u8]) -> Result<T, PayloadError>,
    unreadable: &mut Unreadable,
) -> Vec<T> {
    let decoded = children.iter().map(|(name, data)| (name, decode(data)));
    decoded
        .filter_map(|(name, decoded)| {
            decoded
                .inspect_err(|error| drop(unreadable.insert(format!("{parent}/{name}"), chain(error))))
                .ok()
        })
        .collect()
}
