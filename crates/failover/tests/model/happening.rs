//! What each action does.

use failover::Warrant;

use crate::actions::Action;
use crate::acts::Answer;
use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::world::{Role, World};

impl World {
    /// Does it, if it can be done.
    pub fn happen(&mut self, action: Action) {
        self.faults -= u8::from(action.is_fault());
        match action {
            Action::Tick => self.tick(),
            Action::Write(n) => {
                self.writes += 1;
                let write = self.writes;
                self.nodes[n].log.push(write);
            }
            Action::Confirm(n) => {
                let last = self.confirms(n).expect("may confirm");
                let log = self.nodes[n].log.clone();
                let upto = log.iter().position(|write| *write == last).expect("has it");
                let fresh = log[..=upto]
                    .iter()
                    .filter(|write| !self.ghost.confirmed.contains(write));
                let fresh: Vec<u8> = fresh.copied().collect();
                self.ghost.confirmed.extend(fresh);
            }
            Action::Act { host, way } => self.act(host, way, Answer::Comes),
            Action::ActUnheard { host, way } => self.act(host, way, Answer::IsLost),
            Action::Sync(n) => self.sync(n),
            Action::Renew(n) => self.renew(n),
            Action::RenewBySentinels(n) => self.renew_by_sentinels(n),
            Action::Fence(n) => self.fence(n),
            Action::Follow(n) => self.follow_the_record(n),
            Action::Settle(n) => self.settle(n),
            Action::Watch(n) => self.watch(n),
            Action::Tell(n) => self.tell(n),
            Action::Vigil(n) => {
                let warrant = self.proof(n).expect("has a proof");
                self.start(n, warrant);
            }
            Action::HasDied(n) => {
                self.nodes[n].bereaved = false;
                let (master, run_id) = (names::node(n), Some(names::run_id(self.nodes[n].life)));
                self.start(n, Warrant::Died { master, run_id });
            }
            Action::Return(n) | Action::ReturnEmpty(n) => {
                if matches!(action, Action::ReturnEmpty(_)) {
                    self.lose_data(n);
                }
                self.come_back(n);
            }
            Action::SentinelBegins(s) => self.begin(s),
            Action::SentinelAsks(s, p) => self.ask(s, p),
            Action::SentinelChooses(s) => self.choose(s),
            Action::SentinelPromotes(s) => self.promote_by_sentinel(s),
            Action::SentinelGivesUp(s) => self.give_up(s),
            Action::Gossip(s, p) => self.gossip(s, p),
            Action::ReleaseLate(_) | Action::SessionEnds(_) => self.zk.lock = None,
            Action::Die(n) | Action::DieWithWrapper(n) => self.die(n, action),
            Action::HandOver(n) => {
                let master = names::node(n);
                self.start(n, Warrant::Handover { master });
            }
            Action::Abandon(n) => self.finish(n),
            Action::Cut(from, to) => self.links[from][to] = false,
            Action::CutOff(n) => self.link(n, false),
            Action::Heal(n) => self.link(n, true),
        }
        self.ping();
    }

    fn link(&mut self, n: usize, up: bool) {
        for end in (0..=ZOOKEEPER).filter(|end| *end != n) {
            (self.links[n][end], self.links[end][n]) = (up, up);
        }
    }

    fn die(&mut self, n: usize, action: Action) {
        let alone = matches!(action, Action::Die(_));
        let node = &mut self.nodes[n];
        node.bereaved = alone && node.up && node.role == Role::Master;
        (node.up, node.paused) = (false, None);
        if !alone {
            node.wrapped = false;
            self.movers[n] = None;
        }
        // Its own handover is over.
        if self.movers[n]
            .as_ref()
            .is_some_and(|mover| mover.paused.is_some())
        {
            self.finish(n);
        }
    }

    fn tick(&mut self) {
        self.now += 1;
        for n in 0..HOSTS {
            if self.nodes[n].paused.is_some_and(|until| until <= self.now) {
                self.nodes[n].paused = None;
            }
            if self.nodes[n].wrapped && self.answers(n, ZOOKEEPER) {
                self.zk.heard[n] = self.now;
            }
        }
    }
}
