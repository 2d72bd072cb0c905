//! A node starts again: what the wrapper's own decision should come to. The cold start is another procedure, and so much of it is here as
//! ends a run: the recorded master goes on where nobody of its lineage can take its place.

use failover::Warrant;
use instance::Probe;
use topology::ReplicationId;
use zkpaths::Phase;

use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::world::{LEASE, Role, World, epoch};

/// What a starting node becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    Replica(usize),
    /// Somebody with data must be promoted first; of any lineage where nobody of the recorded one is there.
    Promote {
        warrant: Warrant,
        any_lineage: bool,
    },
    /// It is recorded, and nobody else is there: it goes on.
    Resume,
    /// Whom the record names is no master, and nobody else can be: it begins a new epoch.
    TakeOver,
    /// Others may have more.
    Wait,
}

impl World {
    pub fn may_return(&self, n: usize) -> bool {
        let rested = self.movers[n].is_none() && self.now >= self.again[n];
        !self.nodes[n].up && rested && self.answers(n, ZOOKEEPER) && self.start_of(n) != Start::Wait
    }

    fn start_of(&self, n: usize) -> Start {
        let others = || (0..HOSTS).filter(|other| *other != n);
        let (_, recorded) = self.zk.record();
        let live: Vec<usize> = others()
            .filter(|other| self.reaches(n, *other) && self.is_master(*other))
            .collect();
        match live[..] {
            _ if live.contains(&recorded) => return Start::Replica(recorded),
            [] => {}
            [master] => return Start::Replica(master),
            _ => return Start::Wait,
        }
        let lineage = self.zk.state.known.as_ref().map(|known| known.id.clone());
        let descends = |other: usize| {
            let node = &self.nodes[other];
            let names = |id: &ReplicationId| {
                *id == names::lineage(node.lineage) || *id == names::lineage(node.second)
            };
            lineage.as_ref().is_none_or(names)
        };
        let has_data = |other: usize| !self.nodes[other].log.is_empty();
        let alive = |other: &usize| self.reaches(n, *other) && has_data(*other);
        let known = others().filter(alive).any(descends);
        let ours =
            |other: usize| descends(other) || !known && self.nodes[other].role == Role::Replica(recorded);
        let holds = |other: usize| has_data(other) && ours(other);
        let fit = |other: &usize| alive(other) && self.nodes[*other].priority > 0;
        let promote = |any_lineage| {
            let master = names::node(recorded);
            let warrant = match self.probe(n, recorded) {
                _ if recorded == n => Warrant::Returned { master },
                Probe::Refused => Warrant::Refused { master },
                Probe::Answered(_) | Probe::Loading | Probe::Busy | Probe::Unreachable | Probe::Denied(_) => {
                    Warrant::LeaseOver { master }
                }
            };
            Start::Promote { warrant, any_lineage }
        };
        if others().filter(fit).any(ours) {
            return promote(false);
        }
        let own = has_data(n) && descends(n);
        if others().any(|other| fit(&other)) && !own {
            return promote(true);
        }
        let demoted = self.reaches(n, recorded) && !self.is_master(recorded);
        // Whoever moves the role might promote that one at any moment.
        let quiet = self.zk.state.phase != Phase::Promoting || self.zk.lock.is_none();
        match () {
            () if recorded == n => {}
            () if !demoted || !own => return Start::Replica(recorded),
            () if !quiet => return Start::Wait,
            () => {}
        }
        let fresher = |other: usize| {
            holds(other)
                && self.nodes[other].priority > 0
                && self.nodes[other].log.len() > self.nodes[n].log.len()
        };
        let hidden = others().any(|other| self.nodes[other].up && !self.reaches(n, other));
        match () {
            () if hidden || others().any(fresher) => Start::Wait,
            () if recorded == n => Start::Resume,
            () => Start::TakeOver,
        }
    }

    pub fn lose_data(&mut self, n: usize) {
        let lineage = self.fresh();
        let node = &mut self.nodes[n];
        node.log.clear();
        (node.lineage, node.second) = (lineage, lineage);
    }

    fn take_over(&mut self, n: usize) {
        let named = self
            .sentinels
            .iter()
            .flat_map(|sentinel| [sentinel.current, sentinel.master.1]);
        let next = named.chain([self.zk.state.epoch.0]).max().unwrap_or(0) + 1;
        self.zk.state.epoch = epoch(next);
        self.zk.state.master.addr = names::node(n);
        self.zk.state.replaces = None;
        self.names(next, n);
    }

    pub fn come_back(&mut self, n: usize) {
        let start = self.start_of(n);
        (self.nodes[n].wrapped, self.nodes[n].bereaved) = (true, false);
        let role = match start {
            Start::Wait => return,
            Start::Promote { warrant, any_lineage } => {
                self.start(n, warrant);
                self.mover(n).attempt.any_lineage = any_lineage;
                return;
            }
            Start::Replica(of) => Role::Replica(of),
            Start::Resume => Role::Master,
            Start::TakeOver => {
                self.take_over(n);
                Role::Master
            }
        };
        let (life, lineage, known) = (self.fresh(), self.fresh(), self.zk.record());
        let until = self.now + LEASE;
        if role == Role::Master {
            // It is claimed first: whoever looked before that finds another version.
            self.zk.state.phase = Phase::Claimed;
            self.zk.state.master.run_id = None;
            self.zk.state_version += 1;
        }
        let node = &mut self.nodes[n];
        node.role = role;
        match role {
            Role::Replica(_) | Role::Fenced => {}
            Role::Master => {
                (node.second, node.lineage) = (node.lineage, lineage);
                (node.epoch, node.until) = (known.0, until);
            }
        }
        (node.up, node.life, node.paused, node.known) = (true, life, None, known);
    }
}
