//! What may happen next, and its happening. A run is a list of these, and can be played again.

use failover::Warrant;
use failover::evidence::warrant;
use zkpaths::Phase;

use crate::mover::Stage;
use crate::names::{HOSTS, ZOOKEEPER};
use crate::rules::Broken;
use crate::world::{Role, SESSION, World};

/// How many writes clients make.
const WRITES: u8 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    // time and clients
    Tick,
    Write(usize),
    /// WAIT: everything that one replica has.
    Confirm(usize),
    // what programs do
    Act {
        host: usize,
        way: usize,
    },
    Sync(usize),
    Renew(usize),
    RenewBySentinels(usize),
    Fence(usize),
    Follow(usize),
    Settle(usize),
    Watch(usize),
    Tell(usize),
    Vigil(usize),
    HasDied(usize),
    Return(usize),
    SentinelBegins(usize),
    SentinelAsks(usize, usize),
    SentinelChooses(usize),
    SentinelPromotes(usize),
    SentinelGivesUp(usize),
    Gossip(usize, usize),
    ReleaseLate(usize),
    SessionEnds(usize),
    // faults, and what an operator asks for
    Die(usize),
    DieWithWrapper(usize),
    ReturnEmpty(usize),
    HandOver(usize),
    /// The deadline of a whole attempt.
    Abandon(usize),
    ActUnheard {
        host: usize,
        way: usize,
    },
    Cut(usize, usize),
    /// Host and everybody else.
    CutOff(usize),
    Heal(usize),
}

impl Action {
    /// Whether it uses up one of the faults that may happen.
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            Self::Die(_)
                | Self::DieWithWrapper(_)
                | Self::ReturnEmpty(_)
                | Self::HandOver(_)
                | Self::Abandon(_)
                | Self::ActUnheard { .. }
                | Self::Cut(..)
                | Self::CutOff(_)
        )
    }
}

impl World {
    /// Everything that programs, clients and time may do now.
    pub fn next(&self) -> Vec<Action> {
        let mut next = Vec::new();
        for n in 0..HOSTS {
            next.extend((0..self.ways(n)).map(|way| Action::Act { host: n, way }));
            for (action, may) in self.of_host(n) {
                if may {
                    next.push(action);
                }
            }
            for other in (0..HOSTS).filter(|other| *other != n) {
                if self.may_ask(n, other) {
                    next.push(Action::SentinelAsks(n, other));
                }
                if self.may_gossip(n, other) {
                    next.push(Action::Gossip(n, other));
                }
            }
        }
        let pressed = (0..HOSTS).any(|n| self.must_fence(n) || self.is_pressed(n));
        if !pressed && self.now < self.rules.horizon {
            next.push(Action::Tick);
        }
        next
    }

    fn of_host(&self, n: usize) -> [(Action, bool); 19] {
        let holds = self.zk.lock.is_some_and(|(host, _)| host == n);
        let znode = self.zk.lock.map(|(_, znode)| znode);
        let orphaned = self.movers[n].as_ref().is_none_or(|mover| mover.lock != znode);
        let silent = self.now - self.zk.heard[n] >= SESSION;
        [
            (Action::Write(n), self.writable(n) && self.writes < WRITES),
            (Action::Confirm(n), self.writable(n) && self.confirms(n).is_some()),
            (Action::Sync(n), self.may_sync(n)),
            (Action::Renew(n), self.may_renew(n)),
            (Action::RenewBySentinels(n), self.may_renew_by_sentinels(n)),
            (Action::Fence(n), self.must_fence(n) || self.is_outranked(n)),
            (Action::Follow(n), self.may_follow(n)),
            (Action::Settle(n), self.may_settle(n)),
            (Action::Watch(n), self.seen_by_watcher(n).is_some()),
            (Action::Tell(n), self.may_tell(n)),
            (Action::Vigil(n), self.proof(n).is_some()),
            (
                Action::HasDied(n),
                self.nodes[n].bereaved && self.movers[n].is_none(),
            ),
            (Action::Return(n), self.may_return(n)),
            (Action::SentinelBegins(n), self.may_begin(n)),
            (Action::SentinelChooses(n), self.may_choose(n)),
            (Action::SentinelPromotes(n), self.may_promote(n)),
            (Action::SentinelGivesUp(n), self.may_give_up(n)),
            (
                Action::ReleaseLate(n),
                holds && orphaned && self.answers(n, ZOOKEEPER) && self.nodes[n].wrapped,
            ),
            (
                Action::SessionEnds(n),
                holds && (silent || !self.nodes[n].wrapped),
            ),
        ]
    }

    /// Every fault that may happen now.
    pub fn next_faults(&self) -> Vec<Action> {
        let mut next = Vec::new();
        if self.faults == 0 {
            return next;
        }
        for n in 0..HOSTS {
            let node = &self.nodes[n];
            let is_well = self.zk.state.phase == Phase::Settled && self.zk.record().1 == n;
            let faults = [
                (Action::Die(n), node.up),
                (Action::DieWithWrapper(n), node.wrapped),
                (Action::ReturnEmpty(n), self.may_return(n) && !node.log.is_empty()),
                (
                    Action::HandOver(n),
                    self.writable(n) && self.movers[n].is_none() && is_well,
                ),
                (Action::Abandon(n), self.may_be_abandoned(n)),
                (Action::CutOff(n), self.rules.cuts && self.answers(n, ZOOKEEPER)),
            ];
            next.extend(
                faults
                    .into_iter()
                    .filter(|(_, may)| *may)
                    .map(|(action, _)| action),
            );
            if self.rules.cuts {
                let ends = (0..=ZOOKEEPER).filter(|end| *end != n && self.links[n][*end]);
                next.extend(ends.map(|end| Action::Cut(n, end)));
                next.extend((0..self.ways(n)).map(|way| Action::ActUnheard { host: n, way }));
            }
        }
        next
    }

    /// The deadline of an attempt does not come between a handover's promotion and what then becomes of the old master.
    fn may_be_abandoned(&self, n: usize) -> bool {
        self.movers[n].as_ref().is_some_and(|mover| {
            let underway = matches!(
                mover.stage,
                Stage::Promotes | Stage::Commands | Stage::Relieves | Stage::Records
            );
            mover.paused.is_none() || !underway
        })
    }

    pub fn is_healed(&self, n: usize) -> bool {
        (0..=ZOOKEEPER).all(|end| self.links[n][end] && self.links[end][n])
    }

    /// The last write that a replica has as well.
    pub fn confirms(&self, n: usize) -> Option<u8> {
        let has = |write: &&u8| {
            let holds = |other: usize| {
                let follows = self.nodes[other].role == Role::Replica(n) && self.linked(other);
                follows && self.nodes[other].log.contains(write)
            };
            (0..HOSTS).any(holds)
        };
        let last = self.nodes[n].log.iter().rev().find(has).copied()?;
        (!self.ghost.confirmed.contains(&last)).then_some(last)
    }

    /// What this host's wrapper would act upon, by the product's own judgement.
    pub fn proof(&self, host: usize) -> Option<Warrant> {
        let (_, master) = self.zk.record();
        let node = &self.nodes[host];
        if self.movers[host].is_some()
            || self.now < self.again[host]
            || !node.wrapped
            || !node.up
            || !self.answers(host, ZOOKEEPER)
        {
            return None;
        }
        match self.zk.state.phase {
            Phase::Promoting if self.rules.broken == Broken::LeavesItUnfinished => None,
            // Whoever is moving the role gets a while.
            Phase::Promoting => self.zk.lock.is_none().then_some(Warrant::Unfinished),
            Phase::Claimed | Phase::Settled if master != host => warrant(&self.evidence(host)).ok(),
            Phase::Claimed | Phase::Settled | Phase::Other(_) => None,
        }
    }
}
