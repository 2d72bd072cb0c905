//! The only reads before a role is decided: ZooKeeper, the Sentinels, and every node that either of them names.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use instance::{Dialer, Probe};
use registry::{Registry, RegistryError, Version, Znode};
use topology::{Addr, Epoch, MasterName, Role};
use tracing::warn;
use zkpaths::{Member, State, decode_address, decode_master};

use crate::view::{Recorded, SentinelReport, View};

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
    /// The address this node announces.
    pub me: Addr,
    /// The group's name.
    pub name: MasterName,
}

impl Observer {
    /// One look. Nodes are asked in parallel; one that does not answer is part of the answer.
    pub async fn look(&self) -> Result<Seen, RegistryError> {
        let tree = self.registry.tree();
        let (state_path, master_path) = (tree.state(), tree.master());
        let (members_path, sentinels_path) = (tree.members(), tree.sentinels());
        let (state, master, members, sentinels) = tokio::try_join!(
            self.registry.read(&state_path),
            self.registry.read(&master_path),
            self.registry.children(&members_path),
            self.registry.children(&sentinels_path),
        )?;
        if state.is_none() || master.is_none() {
            self.registry.ensure(&state_path).await?;
            self.registry.ensure(&master_path).await?;
        }
        let recorded = recorded(state.as_ref(), master.as_ref());
        let members = decode_members(&members, &self.me);
        let registered = addresses(&sentinels);
        let sentinels = self.ask_sentinels(&sentinels).await;
        let known_replicas = self.known_replicas(&sentinels).await;
        let mut view = View {
            me: self.me.clone(),
            name: self.name.clone(),
            recorded,
            silent_sentinels: registered.len() - sentinels.len(),
            known_replicas,
            sentinels,
            members,
            probes: BTreeMap::new(),
        };
        view.probes = self.probe_all(named_by(&view)).await;
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
        replicas.filter(|addr| *addr != self.me).collect()
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

/// Every address the view names, except our own, where nobody listens yet.
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
            Role::Replica { of } if *of != view.me => Some(of.clone()),
            Role::Replica { .. } | Role::Master => None,
        })
}

/// Reads the record. What cannot be read is reported once per look and counts as absent: it names nobody who could be
/// followed, and the members and Sentinels are asked in any case.
fn recorded(state: Option<&Znode>, master: Option<&Znode>) -> Recorded {
    let bytes = |node: Option<&Znode>| node.map(|node| node.data.clone()).unwrap_or_default();
    match State::decode(&bytes(state)) {
        Ok(Some(state)) => return Recorded::State(Box::new(state)),
        Ok(None) => {}
        Err(error) => warn!(path = "state", reason = %error, "unreadable record; treated as absent"),
    }
    match decode_master(&bytes(master)) {
        Ok(Some(addr)) => Recorded::Legacy(addr),
        Ok(None) => Recorded::Nobody,
        Err(error) => {
            warn!(path = "master", reason = %error, "unreadable record; treated as absent");
            Recorded::Nobody
        }
    }
}

fn decode_members(children: &BTreeMap<String, Vec<u8>>, me: &Addr) -> Vec<Member> {
    let decode = |(name, data): (&String, &Vec<u8>)| match Member::decode(data) {
        Ok(member) => Some(member),
        Err(error) => {
            warn!(path = %name, reason = %error, "unreadable member; left out");
            None
        }
    };
    children
        .iter()
        .filter_map(decode)
        .filter(|member| member.addr != *me)
        .collect()
}
