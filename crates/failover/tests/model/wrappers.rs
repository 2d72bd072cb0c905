//! What wrappers and watchers do besides moving the role: the lease (0007), following the record, completing it, starting again.

use failover::{publish_writes, settled};
use zkpaths::{Cause, Known, Phase, RecordedMaster, State};

use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::world::{HALF_LEASE, LEASE, Role, VOTE_COUNTS, World, epoch};

impl World {
    /// The record names this node, its wrapper hears ZooKeeper, and its Redis is a master or was until it was fenced.
    pub fn may_renew(&self, n: usize) -> bool {
        let node = &self.nodes[n];
        let began_now = self.zk.renewed == self.now && node.until == self.now + LEASE;
        node.up
            && node.role == self.unless_replica(n)
            && self.zk.record().1 == n
            && self.passes(n, ZOOKEEPER)
            && !(began_now && node.role == Role::Master)
            && !(node.role == Role::Fenced && self.is_outvoted(n))
    }

    /// A majority of the Sentinels names one and the same other at a later epoch.
    fn is_outvoted(&self, n: usize) -> bool {
        let (recorded, master) = self.zk.record();
        let held = if master == n && self.answers(n, ZOOKEEPER) {
            recorded.max(self.nodes[n].epoch)
        } else {
            self.nodes[n].epoch
        };
        let named: Vec<(usize, u64)> = (0..HOSTS)
            .filter(|s| self.answers(n, *s))
            .map(|s| self.sentinels[s].master)
            .collect();
        (0..HOSTS).filter(|other| *other != n).any(|other| {
            let later = named
                .iter()
                .filter(|(whom, epoch)| *whom == other && *epoch > held);
            later.count() >= 2
        })
    }

    fn unless_replica(&self, n: usize) -> Role {
        match self.nodes[n].role {
            Role::Fenced => Role::Fenced,
            Role::Master | Role::Replica(_) => Role::Master,
        }
    }

    /// A renewal holds from when it was sent. One that is not answered is one for the others only.
    pub fn renew(&mut self, n: usize) {
        self.renew_lease(n);
        if self.passes(ZOOKEEPER, n) {
            self.nodes[n].known = self.zk.record();
            self.nodes[n].epoch = self.nodes[n].epoch.max(self.zk.state.epoch.0);
            self.hold(n, self.now + LEASE);
        }
    }

    fn hold(&mut self, n: usize, until: u16) {
        if self.nodes[n].role == Role::Fenced {
            self.nodes[n].role = Role::Master;
            self.nodes[n].until = until;
        }
        let node = &mut self.nodes[n];
        node.until = node.until.max(until);
    }

    /// ZooKeeper is out of reach, or its record names another and is behind; a majority of the Sentinels has nothing against this master.
    pub fn may_renew_by_sentinels(&self, n: usize) -> bool {
        let node = &self.nodes[n];
        let outranking = match self.zk.record() {
            _ if !self.answers(n, ZOOKEEPER) => 0,
            (_, master) if master == n => return false,
            (recorded, _) => recorded,
        };
        let agrees = |s: &usize| {
            let sentinel = &self.sentinels[*s];
            let voted = sentinel
                .votes
                .last()
                .is_some_and(|(epoch, _)| *epoch > sentinel.master.1);
            let lately = sentinel.voted_at.is_some_and(|at| self.now - at < VOTE_COUNTS);
            self.answers(n, *s)
                && sentinel.master.0 == n
                && sentinel.master.1 > outranking
                && sentinel.leading.is_none()
                && sentinel.lost.is_none()
                && !(voted && lately)
        };
        node.up
            && node.role == self.unless_replica(n)
            && node.until < self.now + HALF_LEASE
            && (0..HOSTS).filter(agrees).count() >= 2
    }

    pub fn renew_by_sentinels(&mut self, n: usize) {
        self.hold(n, self.now + HALF_LEASE);
    }

    /// Its lease is over; nothing may happen later than this.
    pub fn must_fence(&self, n: usize) -> bool {
        self.is_master(n) && self.nodes[n].until <= self.now
    }

    /// Somebody else is recorded as master by now, or chosen by the Sentinels.
    pub fn is_outranked(&self, n: usize) -> bool {
        let (epoch, master) = self.zk.record();
        if self.is_master(n) && self.is_outvoted(n) {
            return true;
        }
        self.is_master(n)
            && self.answers(n, ZOOKEEPER)
            && self.zk.state.phase == Phase::Settled
            && master != n
            && epoch > self.nodes[n].known.0.max(self.nodes[n].epoch)
    }

    pub fn fence(&mut self, n: usize) {
        self.nodes[n].role = Role::Fenced;
    }

    /// `keep` of the wrapper: whom the record names, if that one answers as master and no Sentinel knows better.
    pub fn may_follow(&self, n: usize) -> bool {
        let (recorded, master) = self.zk.record();
        let agrees = match self.nodes[n].role {
            Role::Replica(of) => of == master || master == n,
            Role::Master | Role::Fenced => master == n,
        };
        let ahead = |s: &usize| {
            let sentinel = &self.sentinels[*s];
            sentinel.leading.is_some() || (sentinel.master.1 > recorded && sentinel.master.0 != master)
        };
        let asked: Vec<usize> = (0..HOSTS).filter(|s| self.answers(n, *s)).collect();
        let (known, whom) = self.nodes[n].known;
        self.nodes[n].up
            && !agrees
            && self.answers(n, ZOOKEEPER)
            && self.reaches(n, master)
            && self.is_master(master)
            && !asked.is_empty()
            && !asked.iter().any(ahead)
            && !(whom != master && recorded <= known)
    }

    pub fn follow_the_record(&mut self, n: usize) {
        let (recorded, master) = self.zk.record();
        self.nodes[n].known = (recorded, master);
        self.follow(n, master);
    }

    /// The record names this node, which is master, and lacks something.
    pub fn may_settle(&self, n: usize) -> bool {
        let state = &self.zk.state;
        let node = &self.nodes[n];
        let lineage = state.known.as_ref().map(|known| &known.id);
        let complete = state.phase == Phase::Settled
            && state.master.run_id.as_ref() == Some(&names::run_id(node.life))
            && lineage == Some(&names::lineage(node.lineage));
        self.is_master(n) && self.zk.record().1 == n && self.answers(n, ZOOKEEPER) && !complete
    }

    pub fn settle(&mut self, n: usize) {
        let state = settled(&self.zk.state, &self.snapshot(n));
        let writes = publish_writes(names::tree(), None, &state, self.zk.version());
        self.commit(&writes).expect("nobody is in between");
        self.nodes[n].epoch = self.nodes[n].epoch.max(self.zk.state.epoch.0);
    }

    /// What a watcher on this host would record: whom a majority of the Sentinels names at a higher epoch, if that one is master.
    pub fn seen_by_watcher(&self, host: usize) -> Option<(usize, u64)> {
        let reached = (0..HOSTS).filter(|s| self.answers(host, *s));
        let named: Vec<(usize, u64)> = reached.map(|s| self.sentinels[s].master).collect();
        let best = *named.iter().max_by_key(|(_, epoch)| *epoch)?;
        let backed = named.iter().filter(|one| **one == best).count() >= 2;
        let later = best.1 > self.zk.state.epoch.0;
        let there = self.reaches(host, best.0) && self.is_master(best.0);
        (backed && later && there && self.answers(host, ZOOKEEPER)).then_some(best)
    }

    pub fn watch(&mut self, host: usize) {
        let Some((master, as_of)) = self.seen_by_watcher(host) else {
            return;
        };
        let snapshot = self.snapshot(master);
        let state = State {
            epoch: epoch(as_of),
            master: RecordedMaster {
                addr: names::node(master),
                run_id: Some(snapshot.run_id.clone()),
            },
            phase: Phase::Settled,
            cause: Cause::Failover,
            replaces: None,
            known: Some(Known {
                id: snapshot.replication.id,
                offset: snapshot.replication.offset,
            }),
            ..self.zk.state.clone()
        };
        let writes = publish_writes(names::tree(), None, &state, self.zk.version());
        self.commit(&writes).expect("nobody is in between");
        self.nodes[master].epoch = self.nodes[master].epoch.max(as_of);
    }

    /// A Sentinel's wrapper tells it what is recorded and confirmed.
    pub fn may_tell(&self, s: usize) -> bool {
        let (recorded, master) = self.zk.record();
        self.sentinels[s].master.1 < recorded
            && self.answers(s, ZOOKEEPER)
            && self.reaches(s, master)
            && self.is_master(master)
    }

    pub fn tell(&mut self, s: usize) {
        let (recorded, master) = self.zk.record();
        self.hello(s, master, recorded);
    }

    /// Replication goes on by one write, or begins anew.
    pub fn may_sync(&self, n: usize) -> bool {
        let Role::Replica(of) = self.nodes[n].role else {
            return false;
        };
        let same = self.nodes[n].log == self.nodes[of].log && self.nodes[n].lineage == self.nodes[of].lineage;
        self.nodes[n].up && self.is_master(of) && self.answers(n, of) && !same
    }

    pub fn sync(&mut self, n: usize) {
        let Role::Replica(of) = self.nodes[n].role else {
            return;
        };
        let master = self.nodes[of].clone();
        let node = &mut self.nodes[n];
        let prefix = master.log.starts_with(&node.log) && !node.log.is_empty();
        if !prefix {
            node.log = master.log;
        } else if node.lineage == master.lineage {
            node.log.push(master.log[node.log.len()]);
        }
        (node.lineage, node.second) = (master.lineage, master.second);
    }
}
