//! What is to be written, given what HAProxy has and what the picture says.
//!
//! A slot that has another address is first held: put into maintenance, so that no client is sent to the old master or to half an
//! address, given its address, and its sessions ended. It is opened by the next decision, which has seen the new address there: a slot
//! that would not take it stays shut. Leaving maintenance, a check counts from full health and asks the new address only.
//!
//! Which replica has which slot is read from HAProxy too: who has one keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use topology::MasterName;

use super::slots::ServerName;
use super::state::{Health, Server, State};

/// The slot of a group's master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) group: MasterName,
    pub(super) server: ServerName,
    /// The master's addresses; any will do, and the first is written.
    pub(super) at: Vec<SocketAddr>,
}

/// The slots of a group's replicas: all servers of the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) group: MasterName,
    pub(super) backend: String,
    /// The addresses of each replica that may be read.
    pub(super) readable: Vec<Vec<SocketAddr>>,
    /// Who is read when no replica may be: the master, since fresh answers are right ones, and none are an outage.
    pub(super) master: Vec<SocketAddr>,
}

/// What to do, and what is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Decision {
    /// The masters' first.
    pub(super) steps: Vec<Step>,
    pub(super) complaints: Vec<Complaint>,
    pub(super) remarks: Vec<String>,
    /// The groups whose master's slot is as it should be.
    pub(super) settled: BTreeSet<MasterName>,
}

/// One slot, one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) group: MasterName,
    pub(super) server: ServerName,
    pub(super) to: To,
    /// What it had, for an error.
    pub(super) found: String,
}

/// What is done to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// Shut, given this address, and emptied of sessions.
    Hold(SocketAddr),
    /// Opened; it has this address.
    Open(SocketAddr),
    /// Shut and emptied: nobody is to be there.
    Leave,
}

/// Why a group cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Complaint {
    NoBackend {
        backend: String,
        server: Option<String>,
    },
    NoServer(ServerName),
    NoAddress(ServerName),
    Shared {
        backend: String,
        one: MasterName,
        other: MasterName,
    },
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBackend { backend, server } => {
                let server = server.as_deref().unwrap_or("replica1");
                write!(
                    f,
                    "it has no backend `{backend}` with servers; put into haproxy.cfg the lines `backend {backend}`, `  option abortonclose`, `  retries 0` \
                     and `  server {server} 127.0.0.1:1 disabled`"
                )
            }
            Self::NoServer(ServerName { backend, server }) => write!(
                f,
                "its backend `{backend}` has no server `{server}`; put into haproxy.cfg below `backend {backend}` the line \
                 `  server {server} 127.0.0.1:1 disabled`"
            ),
            Self::NoAddress(server) => write!(
                f,
                "its server `{server}` has no IP address to be changed; give it one in haproxy.cfg in place of a name: 127.0.0.1:1"
            ),
            Self::Shared { backend, one, other } => write!(
                f,
                "{one} and {other} would share servers of backend `{backend}`; put {{name}} into HAPROXY_MASTER and HAPROXY_REPLICAS, \
                 and name two backends"
            ),
        }
    }
}

impl Step {
    /// In one line, so that HAProxy does nothing else between them.
    pub(super) fn commands(&self) -> String {
        let server = &self.server;
        match self.to {
            To::Hold(at) => format!(
                "set server {server} state maint;set server {server} addr {} port {};shutdown sessions server {server}",
                at.ip(),
                at.port()
            ),
            // Without the second one failed check would shut it again, whatever `fall` says.
            To::Open(_) => format!("set server {server} state ready;set server {server} health up"),
            To::Leave => format!("set server {server} state maint;shutdown sessions server {server}"),
        }
    }
}

/// What is to be done next. Nothing, once HAProxy has what is wanted.
pub(super) fn decide(state: &State, slots: &[Slot], pools: &[Pool]) -> Decision {
    let mut decision = Decision::default();
    let shared = shared(slots, pools);
    for slot in slots
        .iter()
        .filter(|slot| !shared.contains_key(&slot.server.backend))
    {
        match find(state, &slot.server) {
            Ok(server) => {
                let has = server.addr.is_some_and(|addr| slot.at.contains(&addr));
                if has && server.admin.is_ready() {
                    decision.settled.insert(slot.group.clone());
                }
                decision.aim(&slot.group, server, &slot.at);
            }
            Err(complaint) => decision.complaints.push(complaint),
        }
    }
    for pool in pools.iter().filter(|pool| !shared.contains_key(&pool.backend)) {
        decision.fill(state, pool);
    }
    let complaints = shared
        .into_iter()
        .map(|(backend, (one, other))| Complaint::Shared { backend, one, other });
    decision.complaints.extend(complaints);
    decision
}

/// Backends that two would fight for.
fn shared(slots: &[Slot], pools: &[Pool]) -> BTreeMap<String, (MasterName, MasterName)> {
    let mut shared = BTreeMap::new();
    for (at, slot) in slots.iter().enumerate() {
        if let Some(other) = slots[at + 1..].iter().find(|other| other.server == slot.server) {
            shared.insert(
                slot.server.backend.clone(),
                (slot.group.clone(), other.group.clone()),
            );
        }
    }
    for (at, pool) in pools.iter().enumerate() {
        let others = pools[at + 1..]
            .iter()
            .filter(|other| other.backend == pool.backend)
            .map(|other| &other.group);
        let masters = slots
            .iter()
            .filter(|slot| slot.server.backend == pool.backend)
            .map(|slot| &slot.group);
        if let Some(other) = others.chain(masters).next() {
            shared.insert(pool.backend.clone(), (pool.group.clone(), other.clone()));
        }
    }
    shared
}

fn find<'a>(state: &'a State, name: &ServerName) -> Result<&'a Server, Complaint> {
    let mut backend = state
        .servers
        .iter()
        .filter(|server| server.backend == name.backend)
        .peekable();
    if backend.peek().is_none() {
        return Err(Complaint::NoBackend {
            backend: name.backend.clone(),
            server: Some(name.server.clone()),
        });
    }
    let server = backend.find(|server| server.name == name.server);
    let server = server.ok_or_else(|| Complaint::NoServer(name.clone()))?;
    if server.addr.is_some() {
        Ok(server)
    } else {
        Err(Complaint::NoAddress(name.clone()))
    }
}

impl Decision {
    /// The slot is to send to one of these addresses.
    fn aim(&mut self, group: &MasterName, server: &Server, at: &[SocketAddr]) {
        let has = server.addr.filter(|addr| at.contains(addr));
        match (has, at.first()) {
            (Some(addr), _) if !server.admin.is_ready() => self.step(group, server, To::Open(addr)),
            (Some(_), _) => self.remark_on_check(server),
            (None, Some(first)) => self.step(group, server, To::Hold(*first)),
            (None, None) => {}
        }
    }

    fn step(&mut self, group: &MasterName, server: &Server, to: To) {
        self.steps.push(Step {
            group: group.clone(),
            server: name(server),
            to,
            found: server.shown(),
        });
    }

    /// HAProxy's check is the operator's; we do not argue with it at each look.
    fn remark_on_check(&mut self, server: &Server) {
        if server.health == Health::Up {
            return;
        }
        let name = name(server);
        self.remarks.push(match server.check_port {
            0 => format!("HAProxy's own check holds {name} down"),
            port => format!(
                "HAProxy's own check holds {name} down; it asks port {port}, which does not move with the address: \
                 leave `check port` out, the address is that of the master"
            ),
        });
    }

    /// The servers of the backend are given to the replicas, and what is left is shut.
    fn fill(&mut self, state: &State, pool: &Pool) {
        let servers: Vec<&Server> = state
            .servers
            .iter()
            .filter(|server| server.backend == pool.backend)
            .collect();
        if servers.is_empty() {
            self.complaints.push(Complaint::NoBackend {
                backend: pool.backend.clone(),
                server: None,
            });
            return;
        }
        if let Some(server) = servers.iter().find(|server| server.addr.is_none()) {
            self.complaints.push(Complaint::NoAddress(name(server)));
            return;
        }
        let master = std::slice::from_ref(&pool.master);
        let wanted = if pool.readable.is_empty() {
            master
        } else {
            &pool.readable
        };
        if pool.readable.is_empty() {
            self.remarks
                .push(format!("no replica of {} may be read; its master is", pool.group));
        }
        if wanted.len() > servers.len() {
            self.remarks.push(format!(
                "backend {} has {} servers for {} replicas; add `server` lines to haproxy.cfg",
                pool.backend,
                servers.len(),
                wanted.len()
            ));
        }
        for (server, holder) in assign(&servers, wanted) {
            match holder {
                Some(at) => self.aim(&pool.group, server, at),
                None if !server.admin.is_maintenance() => self.step(&pool.group, server, To::Leave),
                None => {}
            }
        }
    }
}

/// Who has which slot: whoever has one keeps it, an open one rather than a shut one; the others get what is left, in order.
fn assign<'a>(
    servers: &[&'a Server],
    wanted: &'a [Vec<SocketAddr>],
) -> Vec<(&'a Server, Option<&'a [SocketAddr]>)> {
    let mut holders: Vec<Option<usize>> = vec![None; servers.len()];
    let mut without: BTreeSet<usize> = (0..wanted.len()).collect();
    let open = |server: &Server| server.admin.is_ready();
    for ready in [true, false] {
        for (server, holder) in servers
            .iter()
            .zip(&mut holders)
            .filter(|(server, _)| open(server) == ready)
        {
            let has = |at: &usize| server.addr.is_some_and(|addr| wanted[*at].contains(&addr));
            let found = without.iter().copied().find(has);
            if let Some(found) = found {
                without.remove(&found);
                *holder = Some(found);
            }
        }
    }
    for holder in holders.iter_mut().filter(|holder| holder.is_none()) {
        *holder = without.pop_first();
    }
    let held = holders
        .into_iter()
        .map(|holder| holder.map(|at| wanted[at].as_slice()));
    servers.iter().copied().zip(held).collect()
}

pub(super) fn name(server: &Server) -> ServerName {
    ServerName {
        backend: server.backend.clone(),
        server: server.name.clone(),
    }
}

#[cfg(test)]
mod tests;
