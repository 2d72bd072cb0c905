//! After the promotion: everybody is told, in any order, and looked at again; and by when each call must be over.

use failover::publish_writes;
use registry::Version;
use zkpaths::Phase;

use crate::acts::Answer;
use crate::mover::{Decided, Stage, THE_RECORD};
use crate::names::{self, HOSTS, ZOOKEEPER};
use crate::rules::Broken;
use crate::world::{COMMAND, REQUEST, Role, World};
use crate::zookeeper::Conflict;

impl World {
    pub fn tell_everybody(&mut self, host: usize) {
        let mover = self.mover(host);
        let decided = mover.decided.as_ref().expect("it has decided");
        let view = mover.seen.as_ref().expect("it has looked");
        let mut todo = if decided.state.is_some() {
            1 << THE_RECORD
        } else {
            0
        };
        for s in 0..HOSTS {
            let known = view.sentinels.iter().any(|seen| seen.addr == names::sentinel(s));
            todo |= u8::from(known) << s;
        }
        for n in (0..HOSTS).filter(|n| *n != decided.candidate && *n != decided.replaces) {
            todo |= u8::from(view.snapshot(&names::node(n)).is_some()) << (THE_RECORD + 1 + n);
        }
        self.enter(host, Stage::Announces(todo));
    }

    pub fn announce(&mut self, host: usize, todo: u8, bit: usize, answer: Answer) {
        let decided = self.mover(host).decided.clone().expect("it has decided");
        let mut done = true;
        let passes = self.passes(host, bit.min(HOSTS));
        match bit.checked_sub(THE_RECORD + 1) {
            Some(n) => self.repoint(host, n, &decided),
            None if bit == THE_RECORD => done = self.publish(host, &decided, answer),
            None if passes => self.hello(bit, decided.candidate, decided.epoch),
            None => {}
        }
        let todo = if done { todo & !(1 << bit) } else { todo };
        self.enter(host, Stage::Announces(todo));
    }

    /// A replica that somebody has made master meanwhile is left alone.
    fn repoint(&mut self, host: usize, n: usize, decided: &Decided) {
        let blindly = self.rules.broken == Broken::RepointsBlindly;
        if self.reaches(host, n) && (blindly || !self.is_master(n)) {
            if self.is_master(n) && self.nodes[n].epoch > decided.epoch {
                self.breaks(format!("node {n}, the later master, was made a replica"));
            }
            self.follow(n, decided.candidate);
        }
    }

    /// Somebody else may have settled the same record first; anything else is theirs to say.
    fn publish(&mut self, host: usize, decided: &Decided, answer: Answer) -> bool {
        let state = decided.state.as_ref().expect("promoted");
        let lock = names::lock(self.mover(host).lock.expect("it has the lock"));
        let writes = publish_writes(names::tree(), Some(lock), state, Version(decided.version));
        match self.write(host, &writes, answer) {
            Some(Ok(())) => true,
            Some(Err(Conflict)) => {
                let now = &self.zk.state;
                let again = now.record() == state.record() && now.phase != Phase::Settled;
                let version = self.zk.state_version;
                let mover = self.mover(host);
                mover.tries += 1;
                let given_up = mover.tries > 9;
                mover.decided.as_mut().expect("it has decided").version = version;
                !again || given_up
            }
            None => {
                let mover = self.mover(host);
                mover.tries += 1;
                mover.tries > 9
            }
        }
    }

    /// Later: still master? Whoever was not told is told again.
    pub fn look_again(&mut self, host: usize) {
        let decided = self.mover(host).decided.clone().expect("it has decided");
        let (candidate, epoch) = (decided.candidate, decided.epoch);
        let still = self.answers(host, ZOOKEEPER) && self.zk.record() == (epoch, candidate);
        let relapsed = matches!(self.nodes[candidate].role, Role::Replica(_));
        let careless = self.rules.broken == Broken::PromotesAgain;
        if relapsed && self.reaches(host, candidate) && (still || careless) {
            self.check_again(candidate, epoch);
            self.make_master(candidate, epoch);
        }
        for s in (0..HOSTS).filter(|s| self.answers(host, *s)).collect::<Vec<_>>() {
            self.hello(s, candidate, epoch);
        }
        self.finish(host);
    }

    /// Whether a mover must go on before time does: its calls have deadlines.
    pub fn is_pressed(&self, host: usize) -> bool {
        let Some(mover) = &self.movers[host] else {
            return false;
        };
        let waited = self.now - mover.since;
        match mover.stage {
            Stage::Records | Stage::Promotes | Stage::Elects { .. } | Stage::Announces(_) => {
                waited >= REQUEST
            }
            Stage::Commands => waited >= COMMAND,
            Stage::Relieves => waited >= 1,
            Stage::Waits
            | Stage::Looks
            | Stage::Asks
            | Stage::Plans
            | Stage::Sleeps(_)
            | Stage::Prepares(_)
            | Stage::Follows(_)
            | Stage::Completes(_) => false,
        }
    }
}
