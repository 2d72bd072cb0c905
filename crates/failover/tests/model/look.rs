//! What a program sees of the world: the product's own view, put together from what answers.

use std::time::Duration;

use failover::evidence::{Evidence, LastTry};
use failover::{LeaseSeen, SentinelView, Takes, View};
use instance::{Flags, MasterReport, Probe, Snapshot};
use registry::Version;
use topology::{LinkStatus, MasterRecord, Replication};

use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::world::{
    ASTRAY, DOWN_AFTER, FAILOVER_TIMEOUT, Leading, Role, Sentinel, TICK_MS, Tick, World, epoch,
};

/// A ping that has waited so long counts as having no answer.
const PATIENCE: Tick = 2;

pub fn time(ticks: Tick) -> Duration {
    Duration::from_millis(u64::from(ticks) * TICK_MS)
}

impl World {
    /// What a node says of itself.
    pub fn snapshot(&self, n: usize) -> Snapshot {
        let node = &self.nodes[n];
        let (role, link) = match node.role {
            Role::Master => (topology::Role::Master, None),
            Role::Replica(of) => {
                let link = if self.linked(n) {
                    LinkStatus::Up
                } else {
                    LinkStatus::Down
                };
                (topology::Role::Replica { of: names::node(of) }, Some(link))
            }
            Role::Fenced => {
                let of = names::black_hole();
                (topology::Role::Replica { of }, Some(LinkStatus::Down))
            }
        };
        Snapshot {
            run_id: names::run_id(node.life),
            process_id: None,
            server_version: "7.0.15".to_owned(),
            replication: Replication {
                role,
                id: names::lineage(node.lineage),
                second_id: names::lineage(node.second),
                second_offset: -1,
                // An empty node reports 1.
                offset: 1 + 10 * i64::try_from(node.log.len()).unwrap(),
                link,
                link_down_s: 0,
                syncing: false,
                priority: node.priority,
                connected_replicas: 0,
            },
        }
    }

    /// What answers when `from` asks a node.
    pub fn probe(&self, from: usize, n: usize) -> Probe {
        if !self.answers(from, n) {
            Probe::Unreachable
        } else if !self.nodes[n].up {
            Probe::Refused
        } else {
            Probe::Answered(Box::new(self.snapshot(n)))
        }
    }

    /// What ZooKeeper says; what the servers say is not known yet.
    pub fn look_at_zookeeper(&self, from: usize) -> Option<View> {
        self.answers(from, ZOOKEEPER).then(|| View {
            name: self.zk.state.name.clone(),
            recorded: Some((self.zk.state.clone(), self.zk.version())),
            sentinels: Vec::new(),
            registered_sentinels: HOSTS,
            nodes: std::collections::BTreeMap::new(),
            lease: Some(self.lease_seen()),
            paused: None,
            group_size: HOSTS,
            unheard: 0,
        })
    }

    /// Seen since it was renewed: nobody can have seen it for longer.
    fn lease_seen(&self) -> LeaseSeen {
        LeaseSeen {
            lease: self.zk.lease.clone(),
            version: Version(self.zk.lease_version),
            unchanged_for: time(self.now - self.zk.renewed),
        }
    }

    /// Adds what the servers say, which is later.
    pub fn look_at_servers(&self, from: usize, view: &mut View) {
        view.nodes = (0..HOSTS)
            .map(|n| (names::node(n), self.probe(from, n)))
            .collect();
        view.sentinels = (0..HOSTS)
            .filter(|s| self.answers(from, *s))
            .map(|s| self.sentinel_view(s))
            .collect();
        view.unheard = HOSTS - view.sentinels.len();
    }

    pub fn sentinel_view(&self, s: usize) -> SentinelView {
        let sentinel = &self.sentinels[s];
        let promoted = match sentinel.leading {
            Some(Leading::Chose { target, .. }) => Some(names::node(target)),
            Some(Leading::Asks { .. }) | None => None,
        };
        SentinelView {
            addr: names::sentinel(s),
            report: Some(self.report(s)),
            last_vote: epoch(sentinel.votes.last().map_or(0, |(epoch, _)| *epoch)),
            peers: Vec::new(),
            promoted,
            takes: Takes::Yes,
        }
    }

    fn report(&self, s: usize) -> MasterReport {
        let sentinel = &self.sentinels[s];
        let (master, as_of) = sentinel.master;
        let flags = Flags {
            subjectively_down: self.holds_down(s),
            disconnected: self.disconnected(s),
            failover_in_progress: sentinel.leading.is_some(),
            ..Flags::default()
        };
        let state = |leading| match leading {
            Leading::Asks { .. } => "wait_start".to_owned(),
            Leading::Chose { .. } => "send_slaveof_noone".to_owned(),
        };
        MasterReport {
            record: MasterRecord {
                addr: names::node(master),
                epoch: epoch(as_of),
            },
            run_id: None,
            flags,
            replicas: 2,
            other_sentinels: 2,
            quorum: 2,
            role_reported: "master".to_owned(),
            failover_state: sentinel.leading.map(state),
            down_after: time(DOWN_AFTER),
            failover_timeout: time(FAILOVER_TIMEOUT),
            last_ok_ping: Duration::ZERO,
            ping_pending: time(sentinel.lost.map_or(0, |since| self.now - since)),
            notification_script: None,
            client_reconfig_script: None,
        }
    }

    /// `s_down`.
    pub fn holds_down(&self, s: usize) -> bool {
        let Sentinel { lost, astray, .. } = self.sentinels[s];
        let for_long = |since: Option<Tick>, long| since.is_some_and(|since| self.now - since >= long);
        for_long(lost, DOWN_AFTER) || for_long(astray, ASTRAY)
    }

    /// A connection that was closed is known at once, one that is cut only by its silence.
    pub fn disconnected(&self, s: usize) -> bool {
        let (master, _) = self.sentinels[s].master;
        !self.nodes[master].up && self.answers(s, master)
    }

    /// What a neighbour on host `from` can bring forward against the recorded master.
    pub fn evidence(&self, from: usize) -> Evidence {
        let (_, master) = self.zk.record();
        let asked = || {
            let about = move |s: &usize| self.answers(from, *s) && self.sentinels[*s].master.0 == master;
            (0..HOSTS).filter(about)
        };
        let pending = |s: usize| self.sentinels[s].lost.map_or(0, |since| self.now - since);
        let last = match self.probe(from, master) {
            Probe::Refused => LastTry::Refused,
            Probe::Unreachable => LastTry::Unreachable,
            Probe::Answered(_) | Probe::Loading | Probe::Busy | Probe::Denied(_) => LastTry::Answered,
        };
        let lease = self.lease_seen();
        Evidence {
            master: names::node(master),
            last,
            refused: 2,
            sentinels: HOSTS,
            quorum: 2,
            lost_by: asked()
                .filter(|s| self.disconnected(*s) || self.holds_down(*s))
                .count(),
            down_by: asked().filter(|s| self.holds_down(*s)).count(),
            silent_for: asked().filter(|s| pending(*s) >= PATIENCE).count(),
            lease: Some(lease).filter(|seen| seen.lease.covers(&self.zk.state.master)),
        }
    }
}
