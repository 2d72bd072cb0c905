//! Which steps of a mover are open: messages that go out together arrive in any order.

use crate::mover::{Mover, Stage};
use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::world::World;

impl World {
    /// How many different next steps there are.
    pub fn ways(&self, host: usize) -> usize {
        let Some(mover) = &self.movers[host] else {
            return 0;
        };
        match mover.stage {
            Stage::Waits => usize::from(self.zk.lock.is_none() && self.answers(host, ZOOKEEPER)),
            Stage::Sleeps(until) | Stage::Follows(until) => usize::from(self.now >= until),
            Stage::Elects { .. } | Stage::Announces(_) => {
                let open = open(mover).len();
                open + usize::from(self.may_go_on(host, mover))
            }
            Stage::Prepares(candidate) => {
                let caught_up = self.nodes[candidate].log == self.nodes[host].log;
                usize::from(caught_up || self.now > mover.since + 1 || !self.reaches(host, candidate))
            }
            Stage::Looks
            | Stage::Asks
            | Stage::Plans
            | Stage::Records
            | Stage::Promotes
            | Stage::Commands
            | Stage::Relieves
            | Stage::Completes(_) => 1,
        }
    }

    /// Once nothing is open, or enough have answered and the others will not: those that answer do so at the same time.
    fn may_go_on(&self, host: usize, mover: &Mover) -> bool {
        let elected = matches!(mover.stage, Stage::Elects { granted, .. } if granted.count_ones() >= 2);
        let open = open(mover);
        open.is_empty() || elected && !open.iter().any(|s| self.answers(host, *s))
    }
}

/// Who is still to be asked or told.
pub fn open(mover: &Mover) -> Vec<usize> {
    match mover.stage {
        Stage::Elects { asked, .. } => {
            let seen = mover.seen.as_ref().expect("seen before it asks");
            let known = |s: &usize| seen.sentinels.iter().any(|view| view.addr == names::sentinel(*s));
            (0..HOSTS)
                .filter(|s| asked & (1 << s) == 0)
                .filter(known)
                .collect()
        }
        Stage::Announces(todo) => (0..8).filter(|bit| todo & (1 << bit) != 0).collect(),
        Stage::Waits
        | Stage::Looks
        | Stage::Asks
        | Stage::Plans
        | Stage::Sleeps(_)
        | Stage::Prepares(_)
        | Stage::Records
        | Stage::Promotes
        | Stage::Commands
        | Stage::Relieves
        | Stage::Follows(_)
        | Stage::Completes(_) => Vec::new(),
    }
}
