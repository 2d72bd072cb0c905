//! A mover: the product's plan on the product's view, carried out one message at a time.
//!
//! What `run.rs` and `execute.rs` do between two network calls is one step here, so that anything may happen in between.

use std::rc::Rc;

use failover::{Attempt, Step, View, Votes, Warrant, plan};
use topology::{MasterRecord, RunId};
use zkpaths::State;

use crate::look::time;
use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::rules::Broken;
use crate::world::{Role, Tick, World};

/// After a lost race or an unconfirmed write.
const TRIES: u8 = 5;

/// Votes of this age are waited for no longer, and still count.
const LONG_AGO: Tick = 16;

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// For the lock.
    Waits,
    Looks,
    /// ZooKeeper has answered.
    Asks,
    Plans,
    /// Nothing before this time.
    Sleeps(Tick),
    Elects {
        epoch: u64,
        asked: u8,
        granted: u8,
    },
    /// The master's writes are held back.
    Prepares(usize),
    Records,
    Promotes,
    /// The command is on its way.
    Commands,
    Relieves,
    /// What is still to be told, a bit each: the Sentinels, the record, the other replicas.
    Announces(u8),
    /// A second look at the new master, later.
    Follows(Tick),
    Completes(Completion),
}

/// What is done with a dead predecessor's intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completion {
    Finish,
    Undo { master: usize, epoch: u64 },
}

/// The bit of the record among what is announced; Sentinels have those below, nodes those above.
pub const THE_RECORD: usize = HOSTS;

/// A promotion, decided.
#[derive(Debug, Clone)]
pub struct Decided {
    pub candidate: usize,
    /// Its process, as it was seen.
    pub run_id: RunId,
    pub replaces: usize,
    pub epoch: u64,
    /// What is written: the intent, and then what becomes of it.
    pub state: Option<State>,
    pub version: i32,
}

#[derive(Debug, Clone)]
pub struct Mover {
    pub id: u16,
    pub stage: Stage,
    pub attempt: Attempt,
    /// Since when the votes count.
    pub asked_at: Tick,
    /// When this stage began.
    pub since: Tick,
    pub lock: Option<u16>,
    pub seen: Option<Rc<View>>,
    pub tries: u8,
    /// Since when the master's writes are held back.
    pub paused: Option<Tick>,
    pub decided: Option<Decided>,
}

impl World {
    pub fn start(&mut self, host: usize, warrant: Warrant) {
        self.attempts += 1;
        let id = self.attempts;
        self.movers[host] = Some(Mover {
            id,
            stage: Stage::Waits,
            attempt: Attempt::new(warrant),
            asked_at: 0,
            since: self.now,
            lock: None,
            seen: None,
            tries: 0,
            paused: None,
            decided: None,
        });
    }

    pub fn mover(&mut self, host: usize) -> &mut Mover {
        self.movers[host].as_mut().expect("a mover is at work")
    }

    pub fn enter(&mut self, host: usize, stage: Stage) {
        let now = self.now;
        let mover = self.mover(host);
        (mover.stage, mover.since) = (stage, now);
    }

    /// The attempt ends: writes go on, the lock is released if ZooKeeper hears it.
    pub fn finish(&mut self, host: usize) {
        let Some(mover) = self.movers[host].take() else {
            return;
        };
        self.again[host] = self.now + 1;
        if mover.paused.is_some() {
            self.nodes[host].paused = None;
        }
        if self.passes(host, ZOOKEEPER) && self.zk.lock.is_some_and(|(_, znode)| Some(znode) == mover.lock) {
            self.zk.lock = None;
        }
    }

    /// Takes the lock, or looks, or decides.
    pub fn think(&mut self, host: usize) {
        match self.mover(host).stage {
            Stage::Waits => {
                self.zk.locks += 1;
                let znode = self.zk.locks;
                self.zk.lock = Some((host, znode));
                self.mover(host).lock = Some(znode);
                self.enter(host, Stage::Looks);
            }
            Stage::Looks | Stage::Sleeps(_) => match self.look_at_zookeeper(host) {
                Some(view) => {
                    self.mover(host).seen = Some(Rc::new(view));
                    self.enter(host, Stage::Asks);
                }
                None => self.finish(host),
            },
            Stage::Asks => {
                let mut view = View::clone(self.mover(host).seen.as_ref().expect("ZooKeeper was read"));
                self.look_at_servers(host, &mut view);
                self.mover(host).seen = Some(Rc::new(view));
                self.enter(host, Stage::Plans);
            }
            Stage::Plans => self.decide(host),
            Stage::Elects { .. }
            | Stage::Prepares(_)
            | Stage::Records
            | Stage::Promotes
            | Stage::Commands
            | Stage::Relieves
            | Stage::Announces(_)
            | Stage::Follows(_)
            | Stage::Completes(_) => unreachable!("not a stage of thinking"),
        }
    }

    /// The product's plan. What is broken on purpose is broken in what it is told.
    fn decide(&mut self, host: usize) {
        let (now, broken, durability) = (self.now, self.rules.broken, self.rules.durability);
        let mover = self.mover(host);
        if let Some(votes) = &mut mover.attempt.votes {
            votes.age = time(now - mover.asked_at);
        }
        let mut view = View::clone(mover.seen.as_ref().expect("it has looked"));
        let mut attempt = mover.attempt.clone();
        if broken == Broken::IgnoresTheLease {
            view.lease
                .iter_mut()
                .for_each(|seen| seen.unchanged_for = time(1_000));
            attempt
                .votes
                .iter_mut()
                .for_each(|votes| votes.age = time(LONG_AGO));
        }
        if broken == Broken::SkipsTheVote && attempt.votes.is_none() {
            attempt.votes = Some(Votes {
                epoch: view.next_epoch(),
                granted: HOSTS,
                age: time(LONG_AGO),
            });
        }
        let step = plan(&view, &attempt, durability);
        mover.tries += 1;
        self.take(host, step);
    }

    fn take(&mut self, host: usize, step: Step) {
        match step {
            Step::Stop(_) | Step::AskSentinel { .. } => self.finish(host),
            Step::Wait { .. } => {
                let until = self.now + 1;
                self.mover(host).tries = 0;
                self.enter(host, Stage::Sleeps(until));
            }
            Step::Elect { epoch } => {
                self.mover(host).asked_at = self.now;
                let (asked, granted) = (0, 0);
                let epoch = epoch.0;
                self.enter(
                    host,
                    Stage::Elects {
                        epoch,
                        asked,
                        granted,
                    },
                );
            }
            Step::Prepare { candidate } => self.hold_back(host, names::index(&candidate)),
            Step::Promote {
                choice,
                epoch,
                replaces,
            } => {
                if self.mover(host).tries > TRIES {
                    return self.finish(host);
                }
                self.check_choice(host, &choice);
                self.mover(host).decided = Some(Decided {
                    candidate: names::index(&choice.candidate.addr),
                    run_id: choice.candidate.run_id.clone(),
                    replaces: names::index(&replaces),
                    epoch: epoch.0,
                    state: None,
                    version: 0,
                });
                if self.is_stale(host) {
                    return self.finish(host);
                }
                self.enter(host, Stage::Records);
            }
            Step::Finish { record } => self.complete(host, &record, Completion::Finish),
            Step::Undo { master, epoch } => {
                let record = MasterRecord {
                    addr: master.clone(),
                    epoch,
                };
                let (master, epoch) = (names::index(&master), epoch.0);
                self.complete(host, &record, Completion::Undo { master, epoch });
            }
        }
    }

    fn complete(&mut self, host: usize, record: &MasterRecord, how: Completion) {
        let mover = self.mover(host);
        mover.decided = Some(Decided {
            candidate: names::index(&record.addr),
            run_id: names::run_id(0),
            replaces: names::index(&record.addr),
            epoch: record.epoch.0,
            state: None,
            version: 0,
        });
        if mover.tries > TRIES {
            return self.finish(host);
        }
        self.enter(host, Stage::Completes(how));
    }

    /// The handover's own master is held back; only its wrapper may do that.
    fn hold_back(&mut self, host: usize, candidate: usize) {
        let now = self.now;
        if self.nodes[host].role != Role::Master || !self.nodes[host].up {
            return self.finish(host);
        }
        self.nodes[host].paused = Some(now + crate::world::PAUSE);
        self.mover(host).paused = Some(now);
        self.enter(host, Stage::Prepares(candidate));
    }

    /// Too little of the pause is left for what comes now.
    pub fn is_stale(&self, host: usize) -> bool {
        let paused = self.movers[host].as_ref().and_then(|mover| mover.paused);
        let careless = self.rules.broken == Broken::ForgetsThePause;
        paused
            .is_some_and(|since| self.now - since + crate::world::RESERVE >= crate::world::PAUSE && !careless)
    }
}
