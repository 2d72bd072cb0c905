//! Faults by chance, which can be had again: the seed of a round decides what happens in it.
//!
//! A round strikes a group whose members are on hosts of a [`Net`], waits, and heals. What must hold meanwhile and after is the
//! test's to say. `NEMESIS_SEED` plays one round again.

use std::fmt;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::net::{HostId, Line, Net};
use crate::{RunningGroup, ZooKeeper};

/// Whom a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// Whoever is master when it strikes.
    Master,
    /// A replica.
    Replica,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `redis-server` is killed.
    KillRedis(Victim),
    /// Its wrapper is killed.
    KillWrapper(Victim),
    /// Both are killed at one moment.
    KillBoth(Victim),
    /// Both are killed, the disk is emptied, and they are started at once.
    RestartEmpty(Victim),
    /// The wrapper is asked to stop.
    Terminate(Victim),
    /// `redis-server` is halted (SIGSTOP) for a time.
    HaltRedis(Victim),
    /// Its wrapper is halted for a time.
    HaltWrapper(Victim),
    /// Both are halted for a time, as on a host that stands still.
    HaltBoth(Victim),
    /// The host is cut off from all others for a time.
    Cut(Victim),
    /// It hears nobody for a time.
    Deaf(Victim),
    /// Nobody hears it for a time.
    Mute(Victim),
    /// Every line is slow and loses frames for a time.
    BadNetwork,
    /// ZooKeeper is halted for a time.
    ZooKeeperAway,
    /// A Sentinel is killed with its wrapper.
    KillSentinel,
    /// The master and a replica are killed at one moment.
    KillTwo,
}

impl Fault {
    /// Every fault, by a name for people.
    pub fn all(victim: Victim) -> [(&'static str, Fault); 15] {
        [
            ("kill-redis", Fault::KillRedis(victim)),
            ("kill-wrapper", Fault::KillWrapper(victim)),
            ("kill-both", Fault::KillBoth(victim)),
            ("restart-empty", Fault::RestartEmpty(victim)),
            ("terminate", Fault::Terminate(victim)),
            ("halt-redis", Fault::HaltRedis(victim)),
            ("halt-wrapper", Fault::HaltWrapper(victim)),
            ("halt-both", Fault::HaltBoth(victim)),
            ("cut", Fault::Cut(victim)),
            ("deaf", Fault::Deaf(victim)),
            ("mute", Fault::Mute(victim)),
            ("bad-network", Fault::BadNetwork),
            ("zookeeper-away", Fault::ZooKeeperAway),
            ("kill-sentinel", Fault::KillSentinel),
            ("kill-two", Fault::KillTwo),
        ]
    }
}

/// One round: what happens, and how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Plays it again.
    pub seed: u64,
    /// What happens.
    pub fault: Fault,
    /// Until it is healed.
    pub lasts: Duration,
}

const VICTIMS: [Victim; 3] = [Victim::Master, Victim::Master, Victim::Replica];

impl Round {
    /// The round of this seed, or the one that `NEMESIS_SEED` asks for.
    pub fn of(seed: u64) -> Self {
        let asked = std::env::var_os("NEMESIS_SEED");
        let asked = asked.and_then(|text| text.to_str()?.parse().ok());
        Self::from_seed(asked.unwrap_or(seed))
    }

    fn from_seed(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let victim = VICTIMS[chance.random_range(0..VICTIMS.len())];
        let faults = Fault::all(victim);
        Self {
            seed,
            fault: faults[chance.random_range(0..faults.len())].1,
            lasts: Duration::from_millis(chance.random_range(200..6_000)),
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, fault, lasts } = self;
        write!(f, "NEMESIS_SEED={seed}: {fault:?} for {} ms", lasts.as_millis())
    }
}

/// A group and what can happen to it.
#[derive(Debug, Clone, Copy)]
pub struct Arena<'a> {
    /// The network; member 0 is on host 1, and so on.
    pub net: &'a Net,
    /// The group.
    pub group: &'a RunningGroup,
    /// Its ZooKeeper.
    pub zookeeper: &'a ZooKeeper,
    /// How many hosts there are besides the test's own.
    pub hosts: usize,
}

impl Arena<'_> {
    /// Makes it happen.
    pub async fn strike(&self, round: &Round) {
        let victim = |of| self.victim(of);
        match round.fault {
            Fault::KillRedis(of) => self.signal_redis(victim(of).await, Signal::SIGKILL),
            Fault::KillWrapper(of) => self.wrapper(victim(of).await).signal(Signal::SIGKILL),
            Fault::KillBoth(of) => self.wrapper(victim(of).await).kill_tree(),
            Fault::RestartEmpty(of) => self.restart_empty(victim(of).await),
            Fault::Terminate(of) => self.wrapper(victim(of).await).terminate(),
            Fault::HaltRedis(of) => self.signal_redis(victim(of).await, Signal::SIGSTOP),
            Fault::HaltWrapper(of) => self.wrapper(victim(of).await).stop(),
            Fault::HaltBoth(of) => {
                let victim = victim(of).await;
                self.signal_redis(victim, Signal::SIGSTOP);
                self.wrapper(victim).stop();
            }
            Fault::Cut(of) => self.net.cut(victim(of).await + 1),
            Fault::Deaf(of) => self.one_way(victim(of).await + 1, |host, other| (other, host)),
            Fault::Mute(of) => self.one_way(victim(of).await + 1, |host, other| (host, other)),
            Fault::BadNetwork => self.net.faults(|faults| {
                for one in 1..=self.hosts {
                    for other in one + 1..=self.hosts {
                        faults.both_ways(one, other, Line::bad(Duration::from_millis(15), 0.03));
                    }
                }
            }),
            Fault::ZooKeeperAway => self.zookeeper.stop(),
            Fault::KillSentinel => self.group.sentinel(0).program().kill_tree(),
            Fault::KillTwo => {
                let (master, replica) = (victim(Victim::Master).await, victim(Victim::Replica).await);
                self.wrapper(master).kill_tree();
                self.wrapper(replica).kill_tree();
            }
        }
    }

    /// Takes everything back, and starts what has ended.
    pub fn heal(&self) {
        self.net.heal();
        self.zookeeper.cont();
        for node in self.group.all_redis() {
            node.program().cont();
        }
        for index in 0..self.group.all_redis().len() {
            self.signal_redis(index, Signal::SIGCONT);
        }
        let redis = self.group.all_redis().iter().map(crate::Node::program);
        let sentinels = self.group.all_sentinels().iter().map(crate::Node::program);
        for program in redis.chain(sentinels) {
            if program.exited().is_some() {
                program.restart();
            }
        }
    }

    async fn victim(&self, of: Victim) -> usize {
        let master = self.group.master().await;
        match of {
            Victim::Master => master,
            Victim::Replica => (master + 1) % self.group.all_redis().len(),
        }
    }

    fn wrapper(&self, index: usize) -> &crate::Running {
        self.group.redis(index).program()
    }

    fn signal_redis(&self, index: usize, signal: Signal) {
        for pid in self.wrapper(index).children() {
            // It may end at this moment by itself.
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
    }

    fn restart_empty(&self, index: usize) {
        self.wrapper(index).kill_tree();
        let dir = self.group.redis(index).data_dir();
        fs::remove_dir_all(&dir).unwrap_or_else(|error| panic!("cannot empty {}: {error}", dir.display()));
        fs::create_dir(&dir).unwrap_or_else(|error| panic!("cannot make {}: {error}", dir.display()));
        self.wrapper(index).restart();
    }

    fn one_way(&self, host: HostId, direction: impl Fn(HostId, HostId) -> (HostId, HostId)) {
        self.net.faults(|faults| {
            for other in (1..=self.hosts).filter(|other| *other != host) {
                let (from, to) = direction(host, other);
                faults.one_way(from, to, Line::CUT);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_round_and_seeds_reach_every_fault() {
        assert_eq!(Round::from_seed(7), Round::from_seed(7));
        let kinds: std::collections::HashSet<_> = (0..2000)
            .map(|seed| std::mem::discriminant(&Round::from_seed(seed).fault))
            .collect();
        assert_eq!(kinds.len(), 15);
    }
}
