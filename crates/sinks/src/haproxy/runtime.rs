//! HAProxy over its Runtime API: the servers of its backends are slots, which get the addresses of the master and of the replicas.
//!
//! What is to be done is not taken from what HAProxy was told. Each time it is asked what it has, [`decide()`] says what is to be written, and it
//! is asked again, until nothing is left to write. So a HAProxy that was restarted or reloaded, or a slot that somebody changed, is
//! put right at the next look, and a slot is opened to clients only after its new address was read back. What we had put right is
//! remembered for one thing alone: to tell when somebody else has moved it, which is not undone at once ([`others`]).
//!
//! One thing no command can do: a client whose connection HAProxy is still trying to make, and that has sent something, is not cut when its
//! sessions are shut, and is tried on the old address up to `retries` times, even when that is back. `option abortonclose` lets it be cut, and
//! `retries 0` lets it try again by itself at once; both belong into a slot's backend.

mod conversation;
mod decide;
mod names;
mod others;
mod slots;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use topology::{Addr, Epoch, MasterName};

use self::decide::{Decision, Pool, Slot, Step, To, decide};
use self::names::Names;
use self::others::Ours;
pub use self::slots::{BackendTemplate, ServerTemplate, Socket, TemplateError};
use self::state::State;
use crate::picture::{Group, Picture};
use crate::sink::{Brought, Sink, SinkError};

/// A change takes two: one holds the slot and changes it, the next opens it. One more, in case somebody interferes.
const WRITES: usize = 3;

/// Which HAProxy, and which of its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// Its stats socket, of level admin.
    pub socket: Socket,
    /// The server that stands for a group's master.
    pub master: ServerTemplate,
    /// The backend whose servers stand for the replicas that may be read.
    pub replicas: Option<BackendTemplate>,
    /// How long one exchange over the socket, or the resolving of the names, may take.
    pub deadline: Duration,
}

/// Keeps one running HAProxy in step.
#[derive(Debug)]
pub struct RuntimeSink {
    runtime: Runtime,
    names: Names,
    ours: Ours,
    confirmed: BTreeMap<MasterName, Epoch>,
}

impl RuntimeSink {
    /// A sink that speaks to nobody yet.
    pub fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            names: Names::default(),
            ours: Ours::default(),
            confirmed: BTreeMap::new(),
        }
    }

    /// Its name for the standing: `haproxy:` and the socket.
    pub fn name(&self) -> String {
        format!("haproxy:{}", self.runtime.socket)
    }
}

impl Sink for RuntimeSink {
    async fn bring(&mut self, picture: &Picture) -> Result<Brought, SinkError> {
        let what = self.name();
        self.confirmed.clear();
        let mut problems = Vec::new();
        let wanted = self.wanted(picture, &mut problems).await;
        let backends = backends(&wanted.0, &wanted.1);
        let look: Vec<String> = backends.iter().map(|name| state::question(name)).collect();
        let mut told = BTreeSet::new();
        let mut asked = look.clone();
        let mut said = String::new();
        let mut left = Decision::default();
        for write in 0..=WRITES {
            let answer = conversation::hold(&self.runtime.socket, &asked, self.runtime.deadline).await;
            let answer = answer.map_err(|error| error.explained(&what))?;
            let state = State::read(&answer).map_err(|problem| SinkError::Refused {
                what: what.clone(),
                answer: problem,
            })?;
            if !state.messages.is_empty() {
                said = state.messages.join("; ");
            }
            left = decide(&state, &wanted.0, &wanted.1);
            let mut not = self.ours.restrain(&mut left, &state, picture, Instant::now());
            if left.steps.is_empty() || write == WRITES {
                not.extend(left.steps.iter().map(|step| step.server.clone()));
                self.ours.remember(&state, &wanted.0, &wanted.1, picture, &not);
                break;
            }
            told.extend(left.steps.iter().map(|step| step.group.clone()));
            // The state is asked for in the line of the last command, so nothing of ours comes between them.
            asked = left.steps.iter().map(Step::commands).collect();
            asked.extend(look.iter().cloned());
        }
        let settled = picture
            .groups
            .values()
            .filter(|group| left.settled.contains(&group.name));
        self.confirmed = settled
            .map(|group| (group.name.clone(), group.master.epoch))
            .collect();
        problems.extend(left.complaints.iter().map(|complaint| SinkError::Local {
            what: what.clone(),
            problem: complaint.to_string(),
        }));
        problems.extend(left.steps.first().map(|step| unconfirmed(&what, step, &said)));
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(Brought {
                told: told.into_iter().collect(),
                remark: (!left.remarks.is_empty()).then(|| left.remarks.join("; ")),
            }),
        }
    }

    fn confirmed(&self) -> BTreeMap<MasterName, Epoch> {
        self.confirmed.clone()
    }
}

impl RuntimeSink {
    /// What the picture asks for. A group whose master's name is not known to the resolver is left as it is, for the others' sake.
    async fn wanted(&mut self, picture: &Picture, problems: &mut Vec<SinkError>) -> (Vec<Slot>, Vec<Pool>) {
        self.names
            .resolve(self.addrs(picture), self.runtime.deadline, Instant::now())
            .await;
        let (mut slots, mut pools) = (Vec::new(), Vec::new());
        for group in picture.groups.values() {
            let master = self.names.of(&group.master.addr);
            if master.is_empty() {
                problems.push(SinkError::Local {
                    what: self.name(),
                    problem: format!(
                        "the master of {} is announced as {}, a name that does not resolve here; HAProxy's slot is left as it is",
                        group.name, group.master.addr
                    ),
                });
                continue;
            }
            slots.push(self.slot(group, master));
            pools.extend(self.pool(group));
        }
        (slots, pools)
    }

    /// All addresses that HAProxy may have to be given.
    fn addrs(&self, picture: &Picture) -> Vec<Addr> {
        let mut addrs = Vec::new();
        for group in picture.groups.values() {
            addrs.push(group.master.addr.clone());
            if self.runtime.replicas.is_some() {
                addrs.extend(group.fit().cloned());
            }
        }
        addrs
    }

    fn slot(&self, group: &Group, at: Vec<std::net::SocketAddr>) -> Slot {
        Slot {
            group: group.name.clone(),
            server: self.runtime.master.of(&group.name),
            at,
        }
    }

    fn pool(&self, group: &Group) -> Option<Pool> {
        let backend = self.runtime.replicas.as_ref()?.of(&group.name);
        let fit = group.fit().filter(|addr| **addr != group.master.addr);
        let readable = fit.map(|addr| self.names.of(addr)).filter(|at| !at.is_empty());
        Some(Pool {
            group: group.name.clone(),
            backend,
            readable: readable.collect(),
            master: self.names.of(&group.master.addr),
        })
    }
}

/// The backends to ask for, each once.
fn backends(slots: &[Slot], pools: &[Pool]) -> BTreeSet<String> {
    let masters = slots.iter().map(|slot| slot.server.backend.clone());
    masters
        .chain(pools.iter().map(|pool| pool.backend.clone()))
        .collect()
}

fn unconfirmed(what: &str, step: &Step, said: &str) -> SinkError {
    if said.contains("Permission denied") {
        return SinkError::Refused {
            what: what.to_owned(),
            answer: format!("{said}; give the socket `level admin` in haproxy.cfg"),
        };
    }
    SinkError::NotConfirmed {
        what: format!("{what} {}", step.server),
        wanted: match step.to {
            To::Hold(at) | To::Open(at) => format!("{at}, ready"),
            To::Leave => "maintenance".to_owned(),
        },
        found: if said.is_empty() {
            step.found.clone()
        } else {
            format!("{} (it said: {said})", step.found)
        },
    }
}
