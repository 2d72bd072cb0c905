//! Sentinels, by the rules of sentinel.c: votes, hellos, and the failover that they make by themselves.

use crate::names::HOSTS;
use crate::world::{FAILOVER_TIMEOUT, Leading, QUIET, Role, World};

/// By which name a Sentinel is voted for. Attempts of ours have higher numbers.
fn id(s: usize) -> u16 {
    u16::try_from(s).unwrap()
}

impl World {
    /// `sentinelVoteLeader`: one vote an epoch, for whoever asks first, and never back. Returns the last vote.
    pub fn vote(&mut self, s: usize, about: usize, epoch: u64, whom: u16) -> Option<(u64, u16)> {
        let now = self.now;
        let sentinel = &mut self.sentinels[s];
        if sentinel.master.0 != about {
            return None;
        }
        sentinel.current = sentinel.current.max(epoch);
        let last = sentinel.votes.last().map_or(0, |(epoch, _)| *epoch);
        if last < epoch && sentinel.current <= epoch {
            sentinel.votes.push((epoch, whom));
            sentinel.voted_at = Some(now);
        }
        sentinel.votes.last().copied()
    }

    /// `sentinelProcessHelloMessage`: a higher epoch is adopted, and ends what was going on.
    pub fn hello(&mut self, s: usize, master: usize, epoch: u64) {
        self.names(epoch, master);
        let sentinel = &mut self.sentinels[s];
        sentinel.current = sentinel.current.max(epoch);
        if sentinel.master.1 < epoch {
            if sentinel.master.0 != master {
                (sentinel.lost, sentinel.astray) = (None, None);
            }
            sentinel.master = (master, epoch);
            sentinel.leading = None;
        }
    }

    /// Notes since when each Sentinel misses its master.
    pub fn ping(&mut self) {
        for s in 0..HOSTS {
            let (master, _) = self.sentinels[s].master;
            let answers = self.reaches(s, master);
            let now = self.now;
            let lost = &mut self.sentinels[s].lost;
            *lost = if answers { None } else { lost.or(Some(now)) };
            let is_master = self.is_master(master);
            let astray = &mut self.sentinels[s].astray;
            *astray = if is_master { None } else { astray.or(Some(now)) };
        }
    }

    pub fn may_begin(&self, s: usize) -> bool {
        let sentinel = &self.sentinels[s];
        let agree = |p: &usize| {
            let other = &self.sentinels[*p];
            other.master.0 == sentinel.master.0 && self.holds_down(*p) && self.answers(s, *p)
        };
        let quiet = sentinel.voted_at.is_none_or(|at| self.now - at >= QUIET);
        self.rules.sentinels
            && sentinel.leading.is_none()
            && quiet
            && self.holds_down(s)
            && (0..HOSTS).filter(agree).count() >= 2
    }

    /// `sentinelStartFailover`, with its vote for itself.
    pub fn begin(&mut self, s: usize) {
        let about = self.sentinels[s].master.0;
        let epoch = self.sentinels[s].current + 1;
        self.vote(s, about, epoch, id(s));
        self.sentinels[s].leading = Some(Leading::Asks {
            epoch,
            asked: 1 << s,
            granted: 1 << s,
            since: self.now,
        });
    }

    pub fn may_ask(&self, s: usize, p: usize) -> bool {
        match self.sentinels[s].leading {
            Some(Leading::Asks { asked, .. }) => asked & (1 << p) == 0 && self.passes(s, p),
            Some(Leading::Chose { .. }) | None => false,
        }
    }

    pub fn ask(&mut self, s: usize, p: usize) {
        let Some(Leading::Asks {
            epoch,
            asked,
            granted,
            since,
        }) = self.sentinels[s].leading
        else {
            return;
        };
        let about = self.sentinels[s].master.0;
        let answer = self.vote(p, about, epoch, id(s));
        let ours = answer == Some((epoch, id(s))) && self.passes(p, s);
        self.sentinels[s].leading = Some(Leading::Asks {
            epoch,
            asked: asked | 1 << p,
            granted: granted | u8::from(ours) << p,
            since,
        });
    }

    /// The best of those that it reaches, once it is elected: only votes in the epoch that it is in now count.
    fn choice(&self, s: usize) -> Option<Leading> {
        let sentinel = &self.sentinels[s];
        let Some(Leading::Asks { epoch, granted, .. }) = sentinel.leading else {
            return None;
        };
        let elected = granted.count_ones() >= 2
            && sentinel.current == epoch
            && sentinel.votes.last() == Some(&(epoch, id(s)));
        let fit = |n: &usize| {
            let node = &self.nodes[*n];
            let replica = matches!(node.role, Role::Replica(_) | Role::Fenced);
            *n != sentinel.master.0
                && self.reaches(s, *n)
                && replica
                && node.priority != 0
                && !node.log.is_empty()
        };
        let target = (0..HOSTS).filter(fit).max_by_key(|n| self.nodes[*n].log.len())?;
        elected.then_some(Leading::Chose {
            epoch,
            target,
            since: self.now,
        })
    }

    pub fn may_choose(&self, s: usize) -> bool {
        self.choice(s).is_some()
    }

    pub fn choose(&mut self, s: usize) {
        self.sentinels[s].leading = self.choice(s);
    }

    pub fn may_promote(&self, s: usize) -> bool {
        match self.sentinels[s].leading {
            Some(Leading::Chose { target, .. }) => self.reaches(s, target),
            Some(Leading::Asks { .. }) | None => false,
        }
    }

    /// `SLAVEOF NO ONE`, seen in the next INFO; the other Sentinels hear of it by hello.
    pub fn promote_by_sentinel(&mut self, s: usize) {
        if let Some(Leading::Chose { epoch, target, .. }) = self.sentinels[s].leading {
            self.make_master(target, epoch);
            self.hello(s, target, epoch);
        }
    }

    pub fn may_give_up(&self, s: usize) -> bool {
        match self.sentinels[s].leading {
            Some(Leading::Asks { since, .. } | Leading::Chose { since, .. }) => {
                self.now - since >= FAILOVER_TIMEOUT
            }
            None => false,
        }
    }

    pub fn give_up(&mut self, s: usize) {
        self.sentinels[s].leading = None;
    }

    pub fn may_gossip(&self, s: usize, p: usize) -> bool {
        let (from, to) = (&self.sentinels[s], &self.sentinels[p]);
        self.passes(s, p) && (from.master.1 > to.master.1 || from.current > to.current)
    }

    pub fn gossip(&mut self, s: usize, p: usize) {
        let (master, epoch) = self.sentinels[s].master;
        let current = self.sentinels[s].current;
        self.hello(p, master, epoch);
        self.sentinels[p].current = self.sentinels[p].current.max(current);
    }
}
