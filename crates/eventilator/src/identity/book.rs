//! What is known of a group: its reigns, and what was told how often.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use topology::Addr;

use super::Report;

/// Reigns that are remembered.
const REIGNS: usize = 64;
/// Tallies that are remembered, however young.
const TALLIES: usize = 2000;
/// Sentinels that are remembered for each.
const TELLERS: usize = 32;
/// A tally that nobody added to for so long is forgotten. Longer than any mark of a delivery is kept, so that a number that begins anew
/// meets no mark of the old one.
const TALLY_AGE: SignedDuration = SignedDuration::from_hours(24 * 40);
/// The same told again by one Sentinel within this time is a repeated call.
const REPEATED: SignedDuration = SignedDuration::from_secs(10);
/// What several Sentinels tell within this time of the first is one event: they are configured one after the other.
const TOGETHER: SignedDuration = SignedDuration::from_secs(60);
/// Down, told again within this time without up in between, is a repeated call: Sentinel repeats after 30 s, 60 s, 120 s and so on. And so long one
/// Sentinel's down is taken for the same as another's.
const STILL_DOWN: SignedDuration = SignedDuration::from_mins(10);
/// One Sentinel is slower than another by this much.
const SLOWER: SignedDuration = SignedDuration::from_secs(5);
/// What happens once in a reign happens again after this: the group was made anew, and counts its epochs from the beginning. Sentinel repeats
/// a call that dies for four hours and a quarter.
const ONCE: SignedDuration = SignedDuration::from_hours(5);

/// What is known of one group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Book {
    reigns: Vec<Reign>,
    tallies: Vec<Tally>,
}

/// One node being master under one config epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reign {
    /// Its name in identities; stays, whatever is learned later.
    label: String,
    addr: String,
    /// Its config epoch, once a Sentinel told it.
    epoch: Option<u64>,
    /// It was over when this epoch had begun.
    before: Option<u64>,
    /// When it was first told of.
    at: Timestamp,
}

/// How often a thing has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    what: String,
    n: u64,
    /// When the last one began.
    began: Timestamp,
    /// When it was last told of.
    at: Timestamp,
    tellers: Vec<Teller>,
}

/// What one Sentinel told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Teller {
    by: String,
    /// The last one that it told of.
    n: u64,
    /// It told of its coming, and not yet of its going.
    on: bool,
    at: Timestamp,
}

/// What a Sentinel's answer says about a reign's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is this one.
    Exactly(u64),
    /// It is over: the Sentinel was at this epoch already.
    Before(u64),
    /// Nobody could be asked.
    Nothing,
}

/// What is told of a reign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Its beginning.
    Begins,
    /// Something in it.
    Lasts,
}

/// How a telling counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// It happens once.
    Once,
    /// Each counts.
    Each,
    /// A condition comes: it counts if it was gone.
    Comes,
    /// A condition goes: the same number as its coming.
    Goes,
}

fn apart(one: Timestamp, other: Timestamp) -> SignedDuration {
    one.duration_since(other).abs()
}

impl Book {
    /// The reign of `addr` that is meant: its label, and its epoch where known.
    pub(crate) fn reign(
        &mut self,
        addr: &Addr,
        known: Known,
        moment: Moment,
        told: Timestamp,
    ) -> (String, Option<u64>) {
        let addr = addr.to_string();
        let found = match known {
            Known::Exactly(epoch) => self.exactly(&addr, epoch, told),
            Known::Before(before) => self.before(&addr, before),
            Known::Nothing => self.latest(&addr, moment, told),
        };
        let at = found.unwrap_or_else(|| self.begin(&addr, known, told));
        let reign = &self.reigns[at];
        (reign.label.clone(), reign.epoch)
    }

    fn exactly(&mut self, addr: &str, epoch: u64, told: Timestamp) -> Option<usize> {
        let same = |reign: &Reign| reign.addr == addr && reign.epoch == Some(epoch);
        if let Some(at) = self.reigns.iter().position(same) {
            return Some(at);
        }
        // One whose epoch nobody could tell until now; not one of long ago.
        let at = self.reigns.iter().rposition(|reign| {
            let open = reign.addr == addr && reign.epoch.is_none() && apart(reign.at, told) < STILL_DOWN;
            let fits = |before| epoch < before && !self.any_between(epoch, before);
            open && reign.before.is_none_or(fits)
        })?;
        self.reigns[at].epoch = Some(epoch);
        Some(at)
    }

    fn before(&self, addr: &str, before: u64) -> Option<usize> {
        let of_it = || {
            self.reigns
                .iter()
                .enumerate()
                .filter(|(_, reign)| reign.addr == addr)
        };
        let last = of_it()
            .filter_map(|(at, reign)| Some((reign.epoch.filter(|epoch| *epoch < before)?, at)))
            .max();
        if let Some((epoch, at)) = last
            && !self.any_between(epoch, before)
        {
            return Some(at);
        }
        let open = |reign: &Reign| reign.epoch.is_none() && reign.before.is_none_or(|other| other == before);
        let mut open = of_it().filter(|(_, reign)| open(reign));
        open.next_back().map(|(at, _)| at)
    }

    /// Without any epoch. A beginning is that of the newest reign if that is this node's and young, and else a new one: better told twice than
    /// taken for an old one.
    fn latest(&self, addr: &str, moment: Moment, told: Timestamp) -> Option<usize> {
        let last = self.reigns.iter().rposition(|reign| reign.addr == addr)?;
        match moment {
            Moment::Lasts => Some(last),
            Moment::Begins => {
                let newest = last + 1 == self.reigns.len();
                (newest && apart(self.reigns[last].at, told) < STILL_DOWN).then_some(last)
            }
        }
    }

    /// Whether another reign is known to have begun after `epoch` and before `before`.
    fn any_between(&self, epoch: u64, before: u64) -> bool {
        self.reigns.iter().any(|reign| match (reign.epoch, reign.before) {
            (Some(other), _) => epoch < other && other < before,
            (None, Some(over)) => epoch < over && over < before,
            (None, None) => false,
        })
    }

    fn begin(&mut self, addr: &str, known: Known, told: Timestamp) -> usize {
        let (label, epoch, before) = match known {
            Known::Exactly(epoch) => (format!("e{epoch}"), Some(epoch), None),
            Known::Before(before) => (format!("before-e{before}"), None, Some(before)),
            Known::Nothing => (format!("at-{}", told.as_second()), None, None),
        };
        // Two nodes may have been masters before one epoch; the address, which is in every identity, tells them apart.
        self.reigns.push(Reign {
            label,
            addr: addr.to_owned(),
            epoch,
            before,
            at: told,
        });
        if self.reigns.len() > REIGNS {
            self.reigns.remove(0);
        }
        self.reigns.len() - 1
    }

    /// Which one this telling is of. Several Sentinels tell of one; so a telling joins the last one if that may still be the same and
    /// this Sentinel has not told of it, and is of the next one else.
    pub(crate) fn count(&mut self, what: &str, report: &Report<'_>, count: Count) -> u64 {
        let (by, at) = (report.sentinel, report.at);
        self.forget_old(at);
        let found = self.tallies.iter().position(|tally| tally.what == what);
        let found = found.unwrap_or_else(|| {
            self.tallies.push(Tally {
                what: what.to_owned(),
                n: 0,
                began: at,
                at,
                tellers: Vec::new(),
            });
            self.tallies.len() - 1
        });
        self.tallies[found].tell(by, at, count)
    }

    fn forget_old(&mut self, at: Timestamp) {
        let old = at.saturating_sub(TALLY_AGE).unwrap_or(Timestamp::MIN);
        self.tallies.retain(|tally| tally.at > old);
        // Of what is over for long only the number counts.
        let over = at.saturating_sub(ONCE).unwrap_or(Timestamp::MIN);
        for tally in self.tallies.iter_mut().filter(|tally| tally.at < over) {
            tally.tellers.clear();
        }
        if self.tallies.len() >= TALLIES {
            self.tallies.sort_by_key(|tally| tally.at);
            self.tallies.remove(0);
        }
    }

    /// A Sentinel that begins anew holds nobody for down.
    pub(crate) fn forget_opinions(&mut self, sentinel: &str) {
        let tellers = self.tallies.iter_mut().flat_map(|tally| &mut tally.tellers);
        for teller in tellers.filter(|teller| teller.by == sentinel) {
            teller.on = false;
        }
    }
}

impl Tally {
    fn tell(&mut self, by: &str, at: Timestamp, count: Count) -> u64 {
        let own = self.tellers.iter().find(|teller| teller.by == by);
        let same = match (count, own) {
            (Count::Once, _) => (self.n > 0 && apart(at, self.began) < ONCE).then_some(self.n),
            (Count::Each, Some(own)) if apart(at, own.at) < REPEATED => Some(own.n),
            (Count::Comes, Some(own)) if own.on && apart(at, own.at) < STILL_DOWN => Some(own.n),
            (Count::Goes, Some(own)) => Some(own.n),
            (Count::Goes, None) => (self.n > 0).then_some(self.n),
            (Count::Each | Count::Comes, own) => {
                let told = own.is_some_and(|own| own.n == self.n);
                (self.n > 0 && !told && self.may_be_the_same(at, count)).then_some(self.n)
            }
        };
        let n = same.unwrap_or_else(|| {
            self.n += 1;
            self.began = at;
            self.n
        });
        self.note(by, n, at, count);
        n
    }

    /// Whether another Sentinel's telling at this time is of the last one.
    fn may_be_the_same(&self, at: Timestamp, count: Count) -> bool {
        let lasts = |teller: &Teller| teller.n == self.n && teller.on && apart(at, teller.at) < STILL_DOWN;
        match count {
            Count::Once | Count::Each => apart(at, self.began) < TOGETHER,
            Count::Comes | Count::Goes => self.tellers.iter().any(lasts) || apart(at, self.at) < SLOWER,
        }
    }

    fn note(&mut self, by: &str, n: u64, at: Timestamp, count: Count) {
        self.at = self.at.max(at);
        if count == Count::Goes && !self.tellers.iter().any(|teller| teller.by == by) {
            // It told of the coming under another name: it could not be asked for its own one of the two times.
            for teller in &mut self.tellers {
                teller.on = false;
            }
        }
        let on = count == Count::Comes;
        match self.tellers.iter_mut().find(|teller| teller.by == by) {
            // A repeated call does not make what it repeats any younger.
            Some(own) if own.n == n && own.on == on => {}
            Some(own) => {
                (own.n, own.on, own.at) = (n, on, at);
            }
            None => {
                if self.tellers.len() >= TELLERS {
                    self.tellers.sort_by_key(|teller| teller.at);
                    self.tellers.remove(0);
                }
                self.tellers.push(Teller {
                    by: by.to_owned(),
                    n,
                    on,
                    at,
                });
            }
        }
    }
}
