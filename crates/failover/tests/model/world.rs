//! Everything there is: nodes with their wrappers, Sentinels, ZooKeeper, links, movers; and what only the checker knows.
//!
//! Time goes in ticks of 250 ms, the margin of the product. Lengths keep the order that the product's have: the lease is shorter than
//! what Sentinels wait for, a pause longer than what a handover may use of it.

use topology::Epoch;

use crate::mover::Mover;
use crate::names::HOSTS;
use crate::rules::Rules;
use crate::zookeeper::ZooKeeper;

pub type Tick = u16;
pub const TICK_MS: u64 = 250;
pub const LEASE: Tick = 2;
/// What a renewal by the Sentinels holds.
pub const HALF_LEASE: Tick = LEASE / 2;
pub const DOWN_AFTER: Tick = 6;
/// A master that says it is a replica is down after two of its INFO more.
pub const ASTRAY: Tick = 3 * DOWN_AFTER;
pub const FAILOVER_TIMEOUT: Tick = 4;
/// For how long a Sentinel that has voted starts nothing.
pub const QUIET: Tick = 2 * FAILOVER_TIMEOUT;
/// For how long a vote counts against the master that a Sentinel holds: longer than the plan counts on it.
pub const VOTE_COUNTS: Tick = 32;
/// How long a handover's pause lasts, and how much of it must be left.
pub const PAUSE: Tick = 6;
pub const RESERVE: Tick = 3;
/// A request to ZooKeeper that was not answered by then was not answered.
pub const REQUEST: Tick = 4;
/// A command to a Redis.
pub const COMMAND: Tick = 2;
/// A ZooKeeper session outlives its last contact by so much.
pub const SESSION: Tick = 8;

/// What a data node is told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Master,
    Replica(usize),
    /// Replica of a black hole.
    Fenced,
}

/// A Redis. Writes are numbers; the first is on every node from the beginning.
#[derive(Debug, Clone, Hash)]
pub struct Node {
    pub up: bool,
    /// Whether its wrapper lives. A wrapper's death is its Redis' as well.
    pub wrapped: bool,
    /// It died as master under the eyes of its wrapper.
    pub bereaved: bool,
    /// Its run id.
    pub life: u8,
    pub role: Role,
    pub log: Vec<u8>,
    pub lineage: u8,
    pub second: u8,
    pub priority: u32,
    /// Writes are held back until then.
    pub paused: Option<Tick>,
    /// The end of its lease, while it is master.
    pub until: Tick,
    /// The record that its wrapper accepted last.
    pub known: (u64, usize),
    /// As of which epoch it was made master; for the checker.
    pub epoch: u64,
}

/// What a Sentinel that moves the role itself has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leading {
    /// Asks for votes (`WAIT_START`).
    Asks {
        epoch: u64,
        asked: u8,
        granted: u8,
        since: Tick,
    },
    /// Has been elected and has chosen.
    Chose { epoch: u64, target: usize, since: Tick },
}

#[derive(Debug, Clone, Hash)]
pub struct Sentinel {
    pub current: u64,
    /// Whom it holds for master, as of which epoch.
    pub master: (usize, u64),
    /// Every vote it gave: epoch and whom. The last one counts; the others are for the checker.
    pub votes: Vec<(u64, u16)>,
    pub voted_at: Option<Tick>,
    /// Since when the master does not answer.
    pub lost: Option<Tick>,
    /// Since when the master says that it is a replica.
    pub astray: Option<Tick>,
    pub leading: Option<Leading>,
}

/// What only the checker knows.
#[derive(Debug, Clone, Hash, Default)]
pub struct Ghost {
    /// What was broken first.
    pub broken: Option<String>,
    /// Which master each epoch named, anywhere.
    pub named: Vec<(u64, usize)>,
    /// Writes that a client confirmed with WAIT.
    pub confirmed: Vec<u8>,
    /// How often the role was moved.
    pub moves: u8,
}

#[derive(Clone)]
pub struct World {
    pub rules: Rules,
    pub now: Tick,
    pub nodes: [Node; HOSTS],
    pub sentinels: [Sentinel; HOSTS],
    pub zk: ZooKeeper,
    pub movers: [Option<Mover>; HOSTS],
    /// Whether packets of the first pass to the second; the last is ZooKeeper.
    pub links: [[bool; HOSTS + 1]; HOSTS + 1],
    /// Faults that may still happen.
    pub faults: u8,
    /// Before this a wrapper whose attempt has ended makes no other.
    pub again: [Tick; HOSTS],
    /// Fresh numbers for run ids and lineages, and for attempts.
    pub fresh: u8,
    pub attempts: u16,
    pub writes: u8,
    pub ghost: Ghost,
}

impl World {
    /// Node 0 is master and all is well.
    pub fn new(rules: Rules) -> Self {
        let node = |n: usize| Node {
            up: true,
            wrapped: true,
            bereaved: false,
            life: u8::try_from(n).unwrap(),
            role: if n == 0 { Role::Master } else { Role::Replica(0) },
            log: vec![0],
            lineage: 100,
            second: 101,
            priority: 100,
            paused: None,
            until: LEASE,
            known: (1, 0),
            epoch: 1,
        };
        let sentinel = || Sentinel {
            current: 1,
            master: (0, 1),
            votes: Vec::new(),
            voted_at: None,
            lost: None,
            astray: None,
            leading: None,
        };
        Self {
            rules,
            now: 0,
            nodes: std::array::from_fn(node),
            sentinels: std::array::from_fn(|_| sentinel()),
            zk: ZooKeeper::new(),
            movers: std::array::from_fn(|_| None),
            links: [[true; HOSTS + 1]; HOSTS + 1],
            faults: rules.faults,
            again: [0; HOSTS],
            fresh: 110,
            attempts: 10,
            writes: 0,
            ghost: Ghost {
                named: vec![(1, 0)],
                ..Ghost::default()
            },
        }
    }

    pub fn fresh(&mut self) -> u8 {
        self.fresh = self.fresh.checked_add(1).expect("runs are short");
        self.fresh
    }

    /// Whether a packet gets there.
    pub fn passes(&self, from: usize, to: usize) -> bool {
        from == to || self.links[from][to]
    }

    /// Whether a request gets there and its answer back.
    pub fn answers(&self, from: usize, to: usize) -> bool {
        self.passes(from, to) && self.passes(to, from)
    }

    /// Whether a new connection from a host to its Redis or another's can be made.
    pub fn reaches(&self, from: usize, n: usize) -> bool {
        self.answers(from, n) && self.nodes[n].up
    }

    pub fn is_master(&self, n: usize) -> bool {
        self.nodes[n].up && self.nodes[n].role == Role::Master
    }

    /// Whether a client that reaches it could have a write acknowledged.
    pub fn writable(&self, n: usize) -> bool {
        self.is_master(n) && self.nodes[n].paused.is_none()
    }

    /// Whether a replica receives what its master writes.
    pub fn linked(&self, n: usize) -> bool {
        let node = &self.nodes[n];
        match node.role {
            Role::Replica(of) => {
                self.is_master(of) && self.answers(n, of) && self.nodes[of].lineage == node.lineage
            }
            Role::Master | Role::Fenced => false,
        }
    }

    /// `REPLICAOF NO ONE`: a master that is one already stays as it is.
    pub fn make_master(&mut self, n: usize, epoch: u64) {
        let lineage = self.fresh();
        let until = self.now + LEASE;
        let node = &mut self.nodes[n];
        if node.role != Role::Master {
            (node.role, node.second, node.lineage) = (Role::Master, node.lineage, lineage);
            (node.until, node.paused) = (until, None);
        }
        node.epoch = epoch;
    }

    pub fn follow(&mut self, n: usize, master: usize) {
        let node = &mut self.nodes[n];
        if n != master {
            (node.role, node.paused) = (Role::Replica(master), None);
        }
    }

    pub fn breaks(&mut self, what: impl Into<String>) {
        if self.ghost.broken.is_none() {
            self.ghost.broken = Some(what.into());
        }
    }

    /// Somebody says that this is the master of that epoch.
    pub fn names(&mut self, epoch: u64, master: usize) {
        match self.ghost.named.iter().find(|(known, _)| *known == epoch) {
            Some((_, other)) if *other != master => {
                let other = *other;
                self.breaks(format!("epoch {epoch} names node {other} and node {master}"));
            }
            Some(_) => {}
            None => self.ghost.named.push((epoch, master)),
        }
    }

    /// What is wrong in this state.
    pub fn broken(&self) -> Option<String> {
        if self.ghost.broken.is_some() {
            return self.ghost.broken.clone();
        }
        let masters: Vec<usize> = (0..HOSTS).filter(|n| self.writable(*n)).collect();
        for (at, one) in masters.iter().enumerate() {
            for other in &masters[at + 1..] {
                if self.nodes[*one].epoch == self.nodes[*other].epoch {
                    let epoch = self.nodes[*one].epoch;
                    return Some(format!(
                        "nodes {one} and {other} both take writes at epoch {epoch}"
                    ));
                }
            }
        }
        None
    }
}

/// An epoch of ours as the product has it.
pub fn epoch(n: u64) -> Epoch {
    Epoch(n)
}
