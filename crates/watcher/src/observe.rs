//! Looks at everything at once: what the Sentinels say, what the Redis nodes they name say of themselves, and what
//! ZooKeeper has.
//!
//! Everything is asked in parallel, each under one deadline, and the look ends as soon as the verdict is final. The
//! Sentinel that died with the master must not hold up the news of the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use instance::{InstanceError, LastingSentinel, Probe};
use registry::{RegistryError, Version, Znode};
use tokio::time::timeout;
use topology::{Addr, MasterName, Role};
use zkpaths::{PayloadError, State, decode_master, encode_master};

use crate::decide::decide;
use crate::lines::Lines;
use crate::listen::Registrations;
use crate::recorder::Recorder;
use crate::roster::Roster;
use crate::silence::Silence;
use crate::view::{AddressNode, Answer, Recorded, Sighting, StateNode, View};

/// How long one answer is waited for.
pub(crate) const DEADLINE: Duration = Duration::from_millis(500);

/// How much of a malformed state is kept for the log.
const KEPT: usize = 4096;

/// Looks at one group, again and again; keeps a connection to each Sentinel in between.
pub(crate) struct Observer {
    recorder: Recorder,
    pool: Lines,
    group: MasterName,
    registrations: Registrations,
    lines: BTreeMap<Addr, Arc<LastingSentinel>>,
}

/// One look, and what a write that rests on it must find unchanged.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// What was seen.
    pub(crate) view: View,
    /// Version of `/redis/state`; `None` when it does not exist.
    pub(crate) state: Option<Version>,
    /// Version of `/redis/master`.
    pub(crate) master: Option<Version>,
    /// Version of `/redis/masters/<name>`.
    pub(crate) named: Option<Version>,
}

/// Why a look is worth nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// ZooKeeper has not been read yet.
    #[error("the registered Sentinels have not been read yet")]
    NothingRead,
    /// ZooKeeper does not answer, so what is recorded is not known.
    #[error("what is recorded cannot be read")]
    ZooKeeper(#[source] RegistryError),
}

enum Fact {
    Recorded(Box<Result<[Option<Znode>; 3], RegistryError>>),
    Sighting(Addr, Sighting),
    Answer(Addr, Answer),
}

impl Observer {
    /// An observer that has not looked yet.
    pub(crate) fn new(
        recorder: Recorder,
        pool: Lines,
        group: MasterName,
        registrations: Registrations,
    ) -> Self {
        Self {
            recorder,
            pool,
            group,
            registrations,
            lines: BTreeMap::new(),
        }
    }

    /// Looks once. What was seen of the Sentinels and nodes is in the view even when ZooKeeper is away.
    pub(crate) async fn look(&mut self, silence: &Silence) -> (View, Result<Look, LookError>) {
        let Some(addresses) = self.registered() else {
            return (self.unseen(BTreeSet::new()), Err(LookError::NothingRead));
        };
        self.lines.retain(|addr, _| addresses.contains(addr));
        for addr in &addresses {
            self.lines
                .entry(addr.clone())
                .or_insert_with(|| self.pool.to(addr));
        }
        let mut facts = FuturesUnordered::from_iter([self.recorded()]);
        facts.extend(self.lines.values().map(|line| self.ask_sentinel(line.clone())));
        let mut look = Look {
            view: self.unseen(addresses),
            state: None,
            master: None,
            named: None,
        };
        let mut recorded = Err(LookError::NothingRead);
        while let Some(fact) = facts.next().await {
            match fact {
                Fact::Sighting(addr, sighting) => drop(look.view.sentinels.insert(addr, sighting)),
                Fact::Answer(addr, answer) => drop(look.view.nodes.insert(addr, answer)),
                Fact::Recorded(read) => {
                    recorded = read.map(|nodes| look.note(nodes)).map_err(LookError::ZooKeeper);
                    let of = look.view.recorded.addr();
                    look.view.silent_for = silence.length(of, Instant::now());
                }
            }
            for addr in look.view.named() {
                if !look.view.nodes.contains_key(&addr) {
                    look.view.nodes.insert(addr.clone(), Answer::Waiting);
                    facts.push(self.ask_redis(addr));
                }
            }
            if recorded.is_ok() && decide(&look.view).is_final() {
                break;
            }
        }
        drop(facts);
        let (view, pool) = (&look.view, &self.pool);
        self.lines.retain(|addr, line| {
            let silent = view.sentinels.get(addr) == Some(&Sighting::Silent);
            if silent {
                pool.give_up(line);
            }
            !silent
        });
        (look.view.clone(), recorded.map(|()| look))
    }

    fn registered(&mut self) -> Option<BTreeSet<Addr>> {
        let followed = self.registrations.borrow_and_update();
        followed
            .value
            .as_ref()
            .map(|registrations| Roster::read(registrations).addresses())
    }

    fn unseen(&self, addresses: BTreeSet<Addr>) -> View {
        View {
            group: self.group.clone(),
            sentinels: addresses
                .into_iter()
                .map(|addr| (addr, Sighting::Waiting))
                .collect(),
            nodes: BTreeMap::new(),
            recorded: Recorded {
                state: StateNode::Missing,
                master: AddressNode::Absent,
                named: AddressNode::Absent,
            },
            silent_for: Duration::ZERO,
        }
    }

    fn recorded(&self) -> BoxFuture<'static, Fact> {
        let (recorder, group) = (self.recorder.clone(), self.group.clone());
        async move { Fact::Recorded(Box::new(recorder.read(&group).await)) }.boxed()
    }

    fn ask_sentinel(&self, line: Arc<LastingSentinel>) -> BoxFuture<'static, Fact> {
        let group = self.group.clone();
        async move {
            let report = timeout(DEADLINE, async { line.get().await?.report(&group).await });
            let sighting = match report.await {
                Ok(Ok(Some(report))) => Sighting::Reports(report.record),
                Ok(Ok(None)) => Sighting::NotMonitoring,
                Ok(Err(why @ InstanceError::Denied { .. })) => Sighting::Denied(why.to_string()),
                Ok(Err(_)) | Err(_) => Sighting::Silent,
            };
            Fact::Sighting(line.addr().clone(), sighting)
        }
        .boxed()
    }

    fn ask_redis(&self, addr: Addr) -> BoxFuture<'static, Fact> {
        let dialer = self.pool.dialer().clone();
        async move {
            let answer = match timeout(DEADLINE, dialer.probe(&addr)).await {
                Ok(Probe::Answered(snapshot)) => match snapshot.replication.role {
                    Role::Master => Answer::Master(snapshot.run_id),
                    Role::Replica { .. } => Answer::Replica,
                },
                Ok(Probe::Loading) => Answer::Loading,
                Ok(Probe::Busy) => Answer::Busy,
                Ok(Probe::Denied(why)) => Answer::Denied(why),
                Ok(Probe::Refused | Probe::Unreachable) | Err(_) => Answer::Gone,
            };
            Fact::Answer(addr, answer)
        }
        .boxed()
    }
}

impl Look {
    fn note(&mut self, [state, master, named]: [Option<Znode>; 3]) {
        self.view.recorded = Recorded {
            state: state_node(state.as_ref()),
            master: address_node(master.as_ref()),
            named: address_node(named.as_ref()),
        };
        let version = |znode: Option<Znode>| znode.map(|znode| znode.version);
        (self.state, self.master, self.named) = (version(state), version(master), version(named));
    }
}

fn state_node(znode: Option<&Znode>) -> StateNode {
    match znode.map(|znode| State::decode(&znode.data)) {
        None | Some(Ok(None)) => StateNode::Missing,
        Some(Ok(Some(state))) => StateNode::Known(Box::new(state)),
        Some(Err(why @ PayloadError::Newer { .. })) => StateNode::Newer(program::chain(&why)),
        Some(Err(why @ (PayloadError::Json { .. } | PayloadError::Address { .. }))) => {
            StateNode::Malformed(damage(&why, znode))
        }
    }
}

/// Why it cannot be read, with all that was there: it is about to be written over.
fn damage(why: &PayloadError, znode: Option<&Znode>) -> String {
    let bytes = znode.map(|znode| znode.data.as_slice()).unwrap_or_default();
    let whole = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]);
    format!("{}; whole: {whole:?}", program::chain(why))
}

fn address_node(znode: Option<&Znode>) -> AddressNode {
    let Some(znode) = znode else {
        return AddressNode::Absent;
    };
    match decode_master(&znode.data) {
        Ok(None) if znode.data.is_empty() => AddressNode::Absent,
        // Clients split at one space; bytes that we could read may still be too much for them.
        Ok(Some(addr)) if encode_master(Some(&addr)) == znode.data => AddressNode::Names(addr),
        Ok(_) => AddressNode::Malformed(format!("`{}`", String::from_utf8_lossy(&znode.data))),
        Err(why) => AddressNode::Malformed(program::chain(&why)),
    }
}
