//! Whether the Sentinels may stand in for ZooKeeper: a majority of those known must hold us for the master, see nothing wrong
//! with us, and not have voted lately, since a vote may precede a promotion.
//!
//! Any promotion that waits for votes needs a majority of them, and two majorities share a Sentinel: either it had voted when we
//! asked, or whoever has its vote waits longer than our renewal holds.

use std::collections::BTreeMap;
use std::time::Duration;

use instance::Flags;
use supervisor::BootTime;
use topology::{Addr, Epoch, MasterRecord};

/// For how long a vote counts against us: the longest that an election and its failover take at our defaults.
pub const VOTE_COUNTS: Duration = Duration::from_secs(10);

/// What one Sentinel answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which one.
    pub sentinel: Addr,
    /// Whom it holds for the master.
    pub master: MasterRecord,
    /// What it thinks of that one.
    pub flags: Flags,
    /// The epoch of its last vote.
    pub last_vote: Epoch,
    /// How many other Sentinels it counts.
    pub others: usize,
}

/// The last vote of each Sentinel, and since when it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Votes(BTreeMap<Addr, (Epoch, BootTime)>);

/// What a round of answers comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Poll {
    /// How many have no objection.
    pub agreed: usize,
    /// How many Sentinels there are.
    pub known: usize,
    /// The lowest epoch at which one of those that agree holds us for the master.
    pub epoch: Epoch,
    /// The lowest epoch at which a majority names one and the same other master.
    pub another: Option<Epoch>,
}

/// Why a Sentinel's answer does not count for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// It names another master.
    NamesAnother,
    /// It names us, at an epoch that the record has left behind.
    IsBehind,
    /// It does not reach us, or is moving the role.
    SeesTrouble,
    /// It voted lately, for somebody to be promoted later than we were.
    HasVoted,
}

impl Poll {
    /// How many make a majority.
    pub fn needed(&self) -> usize {
        self.known / 2 + 1
    }

    /// Whether they stand in.
    pub fn renews(&self) -> bool {
        self.agreed >= self.needed()
    }
}

impl Votes {
    /// Judges one round. `outranking` is the epoch of a record that names another and that only a higher one can beat.
    pub fn judge(
        &mut self,
        answers: &[Answer],
        me: &Addr,
        registered: usize,
        outranking: Option<Epoch>,
        now: BootTime,
    ) -> Poll {
        let mut poll = Poll {
            agreed: 0,
            known: registered,
            epoch: Epoch(u64::MAX),
            another: None,
        };
        for answer in answers {
            poll.known = poll.known.max(answer.others + 1);
            let voted_at = self.note(answer, now);
            if objection(answer, me, outranking, voted_at, now).is_none() {
                poll.agreed += 1;
                poll.epoch = poll.epoch.min(answer.master.epoch);
            }
        }
        poll.another = another(answers, me, poll.needed());
        poll
    }

    /// Since when the answer's vote is known. One that was there before we first asked counts as given now.
    fn note(&mut self, answer: &Answer, now: BootTime) -> BootTime {
        let known = self
            .0
            .entry(answer.sentinel.clone())
            .or_insert((answer.last_vote, now));
        if known.0 != answer.last_vote {
            *known = (answer.last_vote, now);
        }
        known.1
    }
}

/// Whom a majority names that is not us, by the lowest epoch of those who do.
fn another(answers: &[Answer], me: &Addr, needed: usize) -> Option<Epoch> {
    let mut named: BTreeMap<&Addr, Vec<Epoch>> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.master.addr != *me) {
        named
            .entry(&answer.master.addr)
            .or_default()
            .push(answer.master.epoch);
    }
    let mut chosen = named.into_values().filter(|epochs| epochs.len() >= needed);
    chosen.next()?.into_iter().min()
}

/// Why an answer does not count; `None` if it does.
pub fn objection(
    answer: &Answer,
    me: &Addr,
    outranking: Option<Epoch>,
    voted_at: BootTime,
    now: BootTime,
) -> Option<Objection> {
    let Answer { master, flags, .. } = answer;
    if master.addr != *me {
        return Some(Objection::NamesAnother);
    }
    if outranking.is_some_and(|epoch| master.epoch <= epoch) {
        return Some(Objection::IsBehind);
    }
    let trouble = flags.subjectively_down
        || flags.objectively_down
        || flags.disconnected
        || flags.failover_in_progress
        || flags.failover_forced;
    if trouble {
        return Some(Objection::SeesTrouble);
    }
    // The vote that made us master is no threat.
    let newer = answer.last_vote > master.epoch;
    (newer && now.since(voted_at) < VOTE_COUNTS).then_some(Objection::HasVoted)
}
