//! The only reads: ZooKeeper, then the Sentinels and the data nodes together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use instance::{InstanceError, Probe};
use registry::{Registry, RegistryError, Version, Znode};
use topology::{Addr, Epoch, MasterName};
use tracing::debug;
use uuid::Uuid;
use zkpaths::{
    Cause, Further, Lease, Member, Pause, Phase, RecordedMaster, State, decode_address, decode_master,
};

use crate::announce::self_test;
use crate::ask::gather;
use crate::view::{LeaseSeen, SentinelView, View};
use crate::{Links, Takes, Warrant};

/// A Sentinel or a node that has not answered by then is part of the answer.
const ASK_DEADLINE: Duration = Duration::from_millis(300);
/// For a master that counts as lost already.
const LOST_DEADLINE: Duration = Duration::from_millis(100);

/// What one look remembers for the next: since when the lease has had its version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaseSince {
    pub(crate) version: Version,
    pub(crate) at: Instant,
}

/// Everything in ZooKeeper that matters here.
struct Recorded {
    state: Option<(State, Version)>,
    lease: Option<(Lease, Version)>,
    pause: Option<Pause>,
    members: BTreeSet<Addr>,
    sentinels: BTreeSet<Addr>,
}

/// One look. A record that cannot be read counts as none, and then nothing is done.
pub(crate) async fn look(
    registry: &Registry,
    links: &Links,
    name: &MasterName,
    warrant: &Warrant,
    since: &mut Option<LeaseSince>,
) -> Result<View, RegistryError> {
    let mut recorded = read(registry, name).await?;
    if recorded.sentinels.is_empty() {
        // Their wrappers may have lost ZooKeeper, all of them, and the Sentinels go on.
        recorded.sentinels = links.still_there().await;
    }
    links.keep(&recorded.sentinels);
    let enough = recorded.sentinels.len() / 2 + 1;
    let asked = recorded
        .sentinels
        .iter()
        .map(|addr| async move { ask(links, name, addr).await.ok() });
    let nodes = nodes_of(&recorded, warrant);
    let (sentinels, mut nodes) = tokio::join!(
        gather(asked, enough, ASK_DEADLINE),
        probe_all(links, nodes, lost(warrant))
    );
    // Sentinels may know a replica whose wrapper is not registered now.
    let replicas: BTreeSet<Addr> = sentinels
        .iter()
        .flat_map(|(_, replicas)| replicas.iter().cloned())
        .collect();
    let more: BTreeSet<Addr> = replicas
        .iter()
        .filter(|addr| !nodes.contains_key(*addr))
        .cloned()
        .collect();
    nodes.extend(probe_all(links, more, lost(warrant)).await);
    let remembered = recorded.members.union(&replicas).count();
    let recorded_master = recorded.state.as_ref().map(|(state, _)| &state.master.addr);
    let group_size = match recorded_master {
        Some(master) if recorded.members.contains(master) || replicas.contains(master) => remembered,
        Some(_) => remembered + 1,
        None => remembered,
    };
    let sentinels: Vec<SentinelView> = sentinels.into_iter().map(|(sentinel, _)| sentinel).collect();
    let unheard = match warrant {
        Warrant::Returned { .. } => unheard(links, &recorded.sentinels, &sentinels).await,
        Warrant::Died { .. }
        | Warrant::Refused { .. }
        | Warrant::LeaseOver { .. }
        | Warrant::Handover { .. }
        | Warrant::Unfinished => 0,
    };
    let lease = recorded.lease.map(|(lease, version)| seen(lease, version, since));
    let now = now_ms();
    Ok(View {
        name: name.clone(),
        recorded: recorded.state,
        registered_sentinels: recorded.sentinels.len(),
        sentinels,
        nodes,
        lease,
        paused: recorded.pause.filter(|pause| pause.holds(now)),
        group_size,
        unheard,
    })
}

/// The Sentinels that are registered or counted by others, have not answered, and are not known to be dead.
async fn unheard(links: &Links, registered: &BTreeSet<Addr>, answered: &[SentinelView]) -> usize {
    let counted = answered
        .iter()
        .flat_map(|sentinel| sentinel.peers.iter().map(|peer| &peer.addr));
    let silent: BTreeSet<Addr> = counted
        .chain(registered)
        .filter(|addr| !answered.iter().any(|sentinel| sentinel.addr == **addr))
        .cloned()
        .collect();
    let probes = probe_all(links, silent, None).await;
    probes.values().filter(|probe| **probe != Probe::Refused).count()
}

fn seen(lease: Lease, version: Version, since: &mut Option<LeaseSince>) -> LeaseSeen {
    let now = Instant::now();
    let at = match since {
        Some(before) if before.version == version => before.at,
        Some(_) | None => now,
    };
    *since = Some(LeaseSince { version, at });
    LeaseSeen {
        lease,
        version,
        unchanged_for: now - at,
    }
}

async fn read(registry: &Registry, name: &MasterName) -> Result<Recorded, RegistryError> {
    let tree = registry.tree();
    let (state, lease, pause) = (tree.state(), tree.lease(), tree.pause());
    let master = tree.master();
    let (members, sentinels) = (tree.members(), tree.sentinels());
    let (state, master, lease, pause, members, sentinels) = tokio::try_join!(
        registry.read(&state),
        registry.read(&master),
        registry.read(&lease),
        registry.read(&pause),
        registry.children(&members),
        registry.children(&sentinels),
    )?;
    let members = members.values().filter_map(|data| Member::decode(data).ok());
    let sentinels = sentinels.values().filter_map(|data| decode_address(data).ok());
    Ok(Recorded {
        state: decoded(state.as_ref(), State::decode).or_else(|| legacy(name, state.as_ref()?, &master?)),
        lease: decoded(lease.as_ref(), Lease::decode),
        pause: decoded(pause.as_ref(), Pause::decode).map(|(pause, _)| pause),
        members: members.map(|member| member.addr).collect(),
        sentinels: sentinels.collect(),
    })
}

/// A group of the original redis-zk has only `/redis/master`, and no epoch.
fn legacy(name: &MasterName, state: &Znode, master: &Znode) -> Option<(State, Version)> {
    if !state.data.is_empty() {
        return None;
    }
    let addr = decode_master(&master.data).ok()??;
    let state_of = State {
        group: Uuid::new_v4(),
        name: name.clone(),
        epoch: Epoch(0),
        master: RecordedMaster { addr, run_id: None },
        phase: Phase::Settled,
        cause: Cause::FirstStart,
        since_ms: now_ms(),
        replaces: None,
        known: None,
        further: Further::default(),
    };
    Some((state_of, state.version))
}

fn decoded<T, E: std::fmt::Display>(
    node: Option<&Znode>,
    decode: impl Fn(&[u8]) -> Result<Option<T>, E>,
) -> Option<(T, Version)> {
    let node = node?;
    match decode(&node.data) {
        Ok(value) => Some((value?, node.version)),
        Err(error) => {
            debug!(reason = %error, "unreadable znode; treated as absent, and not written over");
            None
        }
    }
}

/// Every data node that ZooKeeper names. A master that died is asked too: another process may answer in its place.
fn nodes_of(recorded: &Recorded, warrant: &Warrant) -> BTreeSet<Addr> {
    let state = recorded.state.iter().map(|(state, _)| state);
    let masters = state.flat_map(|state| [Some(&state.master), state.replaces.as_ref()]);
    let masters = masters.flatten().map(|master| master.addr.clone());
    let warranted = warrant.master().cloned();
    masters
        .chain(warranted)
        .chain(recorded.members.iter().cloned())
        .collect()
}

/// The master that nobody reaches, as far as is known: it is asked too, and not waited for like the others.
pub(crate) fn lost(warrant: &Warrant) -> Option<&Addr> {
    match warrant {
        Warrant::LeaseOver { master } => Some(master),
        Warrant::Died { .. }
        | Warrant::Refused { .. }
        | Warrant::Handover { .. }
        | Warrant::Returned { .. }
        | Warrant::Unfinished => None,
    }
}

/// What answers at each address.
pub(crate) async fn probe_all(
    links: &Links,
    addrs: BTreeSet<Addr>,
    lost: Option<&Addr>,
) -> BTreeMap<Addr, Probe> {
    let probe = |addr: Addr| {
        let deadline = if lost == Some(&addr) {
            LOST_DEADLINE
        } else {
            ASK_DEADLINE
        };
        let dialer = links.dialer().within(deadline);
        async move {
            let late = tokio::time::timeout(deadline, dialer.probe(&addr)).await;
            (addr, late.unwrap_or(Probe::Unreachable))
        }
    };
    join_all(addrs.into_iter().map(probe)).await.into_iter().collect()
}

/// One Sentinel, and the replicas it knows.
async fn ask(
    links: &Links,
    name: &MasterName,
    addr: &Addr,
) -> Result<(SentinelView, Vec<Addr>), InstanceError> {
    let sentinel = links.sentinel(addr).get().await?.within(ASK_DEADLINE);
    let mut view = SentinelView {
        addr: addr.clone(),
        report: sentinel.report(name).await?,
        last_vote: Epoch(0),
        peers: Vec::new(),
        promoted: None,
        takes: Takes::NoPeer,
    };
    let Some(report) = &view.report else {
        return Ok((view, Vec::new()));
    };
    let master = &report.record.addr;
    let (last_vote, peers, replicas) = tokio::try_join!(
        sentinel.last_vote(master),
        sentinel.peers(name),
        sentinel.replicas(name)
    )?;
    view.last_vote = last_vote;
    view.takes = match links.tested(addr) {
        Some(takes) => takes,
        None => self_test(&sentinel, name, &peers, report).await?,
    };
    links.remember(addr, view.takes);
    view.peers = peers;
    let chosen = replicas.iter().find(|replica| replica.flags.promoted);
    view.promoted = chosen.map(|replica| replica.addr.clone());
    Ok((view, replicas.into_iter().map(|replica| replica.addr).collect()))
}

/// Milliseconds since 1970, for people and for pauses.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
