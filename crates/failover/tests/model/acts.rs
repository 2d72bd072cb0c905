//! What a mover changes: votes, the record, the candidate, everybody who is told. Each is a message that may be lost.

use failover::{Votes, intent, intent_writes, publish_writes, restored, settled};
use registry::{Expected, Write};
use topology::Epoch;

use crate::mover::{Completion, Stage, THE_RECORD};
use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::rules::Broken;
use crate::ways::open;
use crate::world::{REQUEST, World};
use crate::zookeeper::Conflict;

/// What becomes of one message's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    Comes,
    /// It is done, and nobody says so.
    IsLost,
}

impl World {
    /// One step of the mover on `host`, the `way`-th of those that are open.
    pub fn act(&mut self, host: usize, way: usize, answer: Answer) {
        let mover = self.mover(host);
        let stage = mover.stage;
        let mover = mover.clone();
        let target = open(&mover).get(way).copied();
        match stage {
            Stage::Waits | Stage::Looks | Stage::Asks | Stage::Plans | Stage::Sleeps(_) => self.think(host),
            Stage::Elects {
                epoch,
                asked,
                granted,
            } => match target {
                Some(s) => self.ask_for_vote(host, s, (epoch, asked, granted), answer),
                None => self.count(host, epoch, granted),
            },
            Stage::Prepares(candidate) => self.prepare(host, candidate),
            Stage::Records => self.record_intent(host, answer),
            Stage::Promotes => self.make_sure(host),
            Stage::Commands => self.promote(host, answer),
            Stage::Relieves => self.relieve(host),
            Stage::Announces(todo) => {
                let later = self.now + 1;
                match target {
                    Some(bit) => self.announce(host, todo, bit, answer),
                    None => self.enter(host, Stage::Follows(later)),
                }
            }
            Stage::Follows(_) => self.look_again(host),
            Stage::Completes(how) => self.complete_it(host, how, answer),
        }
    }

    fn ask_for_vote(&mut self, host: usize, s: usize, held: (u64, u8, u8), answer: Answer) {
        let (epoch, asked, granted) = held;
        let mover = self.mover(host);
        let id = mover.id;
        let view = mover.seen.clone().expect("it has looked");
        let (_, report) = view
            .reports()
            .find(|(view, _)| view.addr == names::sentinel(s))
            .expect("seen");
        let about = names::index(&report.record.addr);
        let mut ours = false;
        if self.passes(host, s) {
            let vote = self.vote(s, about, epoch, id);
            let heard = self.passes(s, host) && answer == Answer::Comes;
            ours = vote == Some((epoch, id)) && heard;
            if heard {
                self.hear(host, s);
            }
        }
        let granted = if ours { granted | 1 << s } else { granted };
        let asked = asked | 1 << s;
        let since = self.mover(host).since;
        self.enter(
            host,
            Stage::Elects {
                epoch,
                asked,
                granted,
            },
        );
        self.mover(host).since = since;
    }

    /// With its vote a Sentinel says how it is now.
    fn hear(&mut self, host: usize, s: usize) {
        let now = self.sentinel_view(s);
        let mut view = failover::View::clone(self.mover(host).seen.as_ref().expect("it has looked"));
        if let Some(sentinel) = view
            .sentinels
            .iter_mut()
            .find(|sentinel| sentinel.addr == now.addr)
        {
            *sentinel = now;
        }
        self.mover(host).seen = Some(view.into());
    }

    /// The votes are counted, and the nodes read again.
    fn count(&mut self, host: usize, epoch: u64, granted: u8) {
        let mut view = failover::View::clone(self.mover(host).seen.as_ref().expect("it has looked"));
        view.nodes = (0..HOSTS)
            .map(|n| (names::node(n), self.probe(host, n)))
            .collect();
        let now = self.now;
        let early = self.rules.broken == Broken::CountsFromTheFirstVote;
        let mover = self.mover(host);
        if !early {
            mover.asked_at = now;
        }
        mover.seen = Some(view.into());
        mover.attempt.elections += 1;
        mover.attempt.votes = Some(Votes {
            epoch: Epoch(epoch),
            granted: granted.count_ones() as usize,
            age: std::time::Duration::ZERO,
        });
        self.enter(host, Stage::Plans);
    }

    fn prepare(&mut self, host: usize, candidate: usize) {
        let ready = self.nodes[candidate].log == self.nodes[host].log
            && self.nodes[candidate].lineage == self.nodes[host].lineage
            && self.reaches(host, candidate);
        if !ready {
            return self.finish(host);
        }
        self.mover(host).attempt.prepared = Some(names::node(candidate));
        self.enter(host, Stage::Looks);
    }

    /// Whether ZooKeeper took it, as far as the mover hears.
    pub fn write(&mut self, host: usize, writes: &[Write], answer: Answer) -> Option<Result<(), Conflict>> {
        if !self.passes(host, ZOOKEEPER) {
            return None;
        }
        let blind = |write: &Write| match write.clone() {
            Write::Set { path, data, .. } => Some(Write::Set {
                path,
                data,
                expected: Expected::Any,
            }),
            Write::Check { .. } | Write::Delete { .. } => None,
        };
        let done = if self.rules.broken == Broken::WritesBlindly {
            self.commit(&writes.iter().filter_map(blind).collect::<Vec<_>>())
        } else {
            self.commit(writes)
        };
        (self.passes(ZOOKEEPER, host) && answer == Answer::Comes).then_some(done)
    }

    fn record_intent(&mut self, host: usize, answer: Answer) {
        let mover = self.mover(host).clone();
        let view = mover.seen.expect("it has looked");
        let mut decided = mover.decided.expect("it has decided");
        let warrant = &mover.attempt.warrant;
        let (before, version) = view.recorded.as_ref().expect("a record was seen");
        let (candidate, replaces) = (names::node(decided.candidate), names::node(decided.replaces));
        let cause = warrant.cause(&before.cause);
        let state = intent(before, &candidate, &replaces, Epoch(decided.epoch), cause, 0);
        let lock = names::lock(mover.lock.expect("it has the lock"));
        let writes = intent_writes(names::tree(), lock, &view, &state, warrant).expect("a record was seen");
        decided.version = version.0 + 1;
        decided.state = Some(state);
        self.mover(host).decided = Some(decided);
        match self.write(host, &writes, answer) {
            Some(Ok(())) => {
                self.enter(host, Stage::Promotes);
                // The request was sent when the stage before began.
                self.mover(host).since = mover.since;
            }
            Some(Err(Conflict)) | None => self.enter(host, Stage::Looks),
        }
    }

    /// The intent took its time to be recorded: whether it may still be acted upon.
    fn make_sure(&mut self, host: usize) {
        let mover = self.mover(host).clone();
        let stale = self.is_stale(host) || self.now - mover.since > REQUEST;
        match mover.paused {
            _ if !stale || self.rules.broken == Broken::ForgetsThePause => self.enter(host, Stage::Commands),
            Some(_) => self.finish(host),
            None => self.enter(host, Stage::Looks),
        }
    }

    fn promote(&mut self, host: usize, answer: Answer) {
        let mover = self.mover(host).clone();
        let decided = mover.decided.expect("it has decided");
        let same = decided.run_id == names::run_id(self.nodes[decided.candidate].life);
        let anyone = self.rules.broken == Broken::PromotesAnyProcess;
        let reached = self.reaches(host, decided.candidate) && (same || anyone);
        if reached {
            self.check_promotion(mover.id, &mover.attempt.warrant, &decided);
            self.make_master(decided.candidate, decided.epoch);
            self.ghost.moves += 1;
        }
        if !reached || answer == Answer::IsLost {
            let attempt = &mut self.mover(host).attempt;
            attempt.failed.insert(names::node(decided.candidate));
            attempt.votes = None;
            return self.enter(host, Stage::Looks);
        }
        let snapshot = self.snapshot(decided.candidate);
        let decided = self.mover(host).decided.as_mut().expect("it has decided");
        decided.state = decided.state.as_ref().map(|state| settled(state, &snapshot));
        if mover.paused.is_some() {
            self.enter(host, Stage::Relieves);
        } else {
            self.tell_everybody(host);
        }
    }

    fn relieve(&mut self, host: usize) {
        let candidate = self
            .mover(host)
            .decided
            .as_ref()
            .expect("it has decided")
            .candidate;
        let has = |write| self.nodes[candidate].log.contains(write);
        // Whoever has died since is not master any more, and the old one keeps its data until somebody is.
        if self.is_master(candidate) && !self.nodes[host].log.iter().all(has) {
            self.breaks(format!("the handover to node {candidate} lost a write"));
        }
        self.follow(host, candidate);
        self.mover(host).paused = None;
        self.tell_everybody(host);
    }

    fn complete_it(&mut self, host: usize, how: Completion, answer: Answer) {
        let mover = self.mover(host).clone();
        let view = mover.seen.expect("it has looked");
        let decided = mover.decided.expect("it has decided");
        let (Some((state, version)), Some(snapshot)) =
            (&view.recorded, view.snapshot(&names::node(decided.candidate)))
        else {
            return self.enter(host, Stage::Looks);
        };
        let old = state
            .replaces
            .as_ref()
            .map_or(decided.candidate, |old| names::index(&old.addr));
        let state = match how {
            Completion::Finish => settled(state, snapshot),
            Completion::Undo { master, epoch } => {
                restored(state, &names::node(master), snapshot, Epoch(epoch), 0)
            }
        };
        let lock = names::lock(mover.lock.expect("it has the lock"));
        let writes = publish_writes(names::tree(), Some(lock), &state, *version);
        if self.write(host, &writes, answer) != Some(Ok(())) {
            return self.enter(host, Stage::Looks);
        }
        if let Completion::Finish = how {
            self.mover(host)
                .decided
                .as_mut()
                .expect("it has decided")
                .replaces = old;
            self.tell_everybody(host);
        } else {
            // Those that follow somebody else are their wrappers' business.
            self.enter(host, Stage::Announces((1 << HOSTS) - 1));
        }
        if let Stage::Announces(todo) = self.mover(host).stage {
            self.enter(host, Stage::Announces(todo & !(1 << THE_RECORD)));
        }
    }
}
