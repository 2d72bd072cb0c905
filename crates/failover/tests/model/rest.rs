//! Faults stop, everybody goes on in turn: then there must be one master, and all must follow it.

use failover::Durability;
use zkpaths::Phase;

use crate::actions::Action;
use crate::names::{self, HOSTS};
use crate::world::{Node, Role, World};

/// By then it must be over: a few quiet periods of the Sentinels.
const ROUNDS: usize = 80;
/// So often each program gets its turn within a tick.
const TURNS: usize = 60;

impl World {
    /// Whether there is one master, known to all.
    pub fn is_at_rest(&self) -> bool {
        let (epoch, master) = self.zk.record();
        let node = &self.nodes[master];
        let follows = |n: usize| {
            let other = &self.nodes[n];
            other.up && (n == master || (other.role == Role::Replica(master) && other.log == node.log))
        };
        self.zk.state.phase == Phase::Settled
            && self.zk.master == master
            && self.writable(master)
            && (0..HOSTS).all(follows)
            && self
                .sentinels
                .iter()
                .all(|sentinel| sentinel.master == (master, epoch))
            && self.movers.iter().all(Option::is_none)
    }

    /// Lets everything heal; what is wrong then, and what happened.
    pub fn come_to_rest(mut self) -> Result<(), (String, Vec<Action>)> {
        let mut done = Vec::new();
        self.faults = 0;
        self.rules.horizon = u16::MAX;
        for n in 0..HOSTS {
            if !self.is_healed(n) {
                self.happen(Action::Heal(n));
                done.push(Action::Heal(n));
            }
        }
        for _ in 0..ROUNDS {
            for _ in 0..TURNS {
                let Some(action) = self.next().into_iter().find(|action| is_steady(*action)) else {
                    break;
                };
                self.happen(action);
                done.push(action);
                if let Some(broken) = self.broken() {
                    return Err((broken, done));
                }
            }
            if self.is_at_rest() {
                return Ok(());
            }
            self.pass(&mut done);
            if let Some(broken) = self.broken() {
                return Err((broken, done));
            }
        }
        let (epoch, master) = self.zk.record();
        if self.waits_for_data(master) || !self.rules.recovers {
            return Ok(());
        }
        let phase = self.zk.state.phase.word().to_owned();
        let nodes: Vec<(bool, Role)> = self.nodes.iter().map(|node| (node.up, node.role)).collect();
        let sentinels: Vec<(usize, u64)> = self.sentinels.iter().map(|sentinel| sentinel.master).collect();
        Err((
            format!("no rest: node {master} at epoch {epoch} ({phase}), {nodes:?}, sentinels {sentinels:?}"),
            done,
        ))
    }

    /// With quorum durability nobody is promoted before enough nodes are seen, and that may be for ever.
    fn waits_for_data(&self, master: usize) -> bool {
        let known = self.zk.state.known.as_ref().map(|known| &known.id);
        let descends = |id| known == Some(&names::lineage(id));
        let ours = |node: &Node| descends(node.lineage) || descends(node.second);
        let holds = |node: &Node| node.up && !node.log.is_empty() && ours(node);
        let seen = |n: &usize| *n != master && holds(&self.nodes[*n]);
        let vetoed = self.nodes.iter().any(|node| node.priority == 0);
        self.rules.durability == Durability::Quorum && (vetoed || (0..HOSTS).filter(seen).count() < 2)
    }

    /// Renewals and fences come when they are due, and then time passes.
    fn pass(&mut self, done: &mut Vec<Action>) {
        for n in 0..HOSTS {
            let due = [
                Action::SessionEnds(n),
                Action::Renew(n),
                Action::RenewBySentinels(n),
                Action::Fence(n),
            ];
            for action in due {
                if self.next().contains(&action) {
                    self.happen(action);
                    done.push(action);
                }
            }
        }
        if self.next().contains(&Action::Tick) {
            self.happen(Action::Tick);
            done.push(Action::Tick);
        }
    }
}

/// What ends by itself within a tick.
fn is_steady(action: Action) -> bool {
    !matches!(
        action,
        Action::Tick
            | Action::Write(_)
            | Action::Confirm(_)
            | Action::Renew(_)
            | Action::RenewBySentinels(_)
            | Action::Fence(_)
            | Action::SessionEnds(_)
    ) && !action.is_fault()
}
