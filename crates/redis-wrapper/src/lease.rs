//! The lease: until when our Redis may take writes. Pure; time is an argument, counted on the boot-time clock.
//!
//! A master that is cut off cannot be told from a dead one, so it stops by itself before anybody may be promoted in its place
//! (docs/decisions/0007-lease.md). Every renewal holds from the moment it was *sent*. [`Lease::step`] takes what has become known and
//! says what to do; `keeper` does it. Expiry is looked at in every step, so that nothing is done late that should be done first.

mod agenda;
mod changes;
mod errands;
pub mod isolation;
mod keeper;
pub mod metrics;
pub mod sentinels;
pub mod words;

use std::time::Duration;

use supervisor::BootTime;
use topology::{Addr, Epoch};

use self::agenda::Errand;
use self::isolation::Isolation;
use self::sentinels::{Poll, Votes};
use self::words::{Action, Input, NotRenewed, Record, Standing, Way};

/// How long Redis may take to be fenced before it is killed. Part of the margin that others wait.
pub const FENCE_DEADLINE: Duration = Duration::from_millis(200);

/// The lease of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    me: Addr,
    length: Duration,
    standing: Standing,
    record: Record,
    others: usize,
    sentinels: usize,
    votes: Votes,
    poll: Option<Poll>,
    isolation: Isolation,
    /// The latest time of any step.
    now: BootTime,
    /// When the last renewal by anybody, and by ZooKeeper, was sent, since we are master.
    renewed: Option<BootTime>,
    by_zookeeper: Option<BootTime>,
    /// The highest epoch at which the lease was held.
    held_at: Option<Epoch>,
    /// What Redis answered to a question from before its role was last changed means nothing.
    changed: BootTime,
    /// An unfence was not answered: it may yet be executed.
    stray: bool,
    /// `/redis/lease` may name us.
    written: bool,
    renewing: Errand,
    polling: Errand,
    asking: Errand,
    releasing: Errand,
    longest_gap: Duration,
}

impl Lease {
    /// The lease of the node that announces `me`, before anything is known.
    pub fn new(me: Addr, length: Duration, now: BootTime) -> Self {
        Self {
            me,
            length,
            standing: Standing::Idle,
            record: Record::Unknown,
            others: 0,
            sentinels: 0,
            votes: Votes::default(),
            poll: None,
            isolation: Isolation::default(),
            now,
            renewed: None,
            by_zookeeper: None,
            held_at: None,
            changed: BootTime::default(),
            stray: false,
            written: false,
            renewing: Errand::default(),
            polling: Errand::default(),
            asking: Errand::default(),
            releasing: Errand::default(),
            longest_gap: Duration::ZERO,
        }
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether a promotion that was asked for and not answered may yet be executed: then a replica is none for sure.
    pub fn has_a_stray(&self) -> bool {
        self.stray
    }

    /// The longest time between two renewals of one mastership.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// Takes what has become known, and says what to do. The same input again asks for nothing new.
    pub fn step(&mut self, now: BootTime, input: Input) -> Vec<Action> {
        let slept = now.since(self.now);
        self.now = self.now.max(now);
        let mut actions = Vec::new();
        self.take(input, &mut actions);
        self.need();
        if matches!(self.standing, Standing::Idle | Standing::Free) {
            // What was heard in another mastership means nothing in the next.
            self.isolation = Isolation::default();
        }
        self.expire(slept, &mut actions);
        self.begin_errands(&mut actions);
        actions
    }

    fn take(&mut self, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::Woke => {}
            Input::Role { asked, role } => {
                if self.asking.ends(asked) {
                    self.asking.next = asked + self.length / 5;
                    self.role_is(asked, role, actions);
                }
            }
            Input::Recorded(record) => self.recorded(record, actions),
            Input::Around { others, sentinels } => (self.others, self.sentinels) = (others, sentinels),
            Input::Renewed { sent, epoch } => {
                if self.renewing.ends(sent) {
                    self.renewing.next = sent + self.length / 5;
                    self.written = true;
                    self.by_zookeeper = Some(sent);
                    self.renew(sent, sent + self.length, epoch, Way::ZooKeeper, actions);
                }
            }
            Input::NotRenewed { sent, why } => {
                if self.renewing.ends(sent) {
                    self.renewing.next = match why {
                        NotRenewed::Conflict => self.now.max(sent + self.length / 50),
                        NotRenewed::Unanswered => self.now.max(sent + self.length / 10),
                    };
                }
            }
            Input::Polled {
                sent,
                answers,
                silent,
            } => {
                if self.polling.ends(sent) {
                    self.polled(sent, &answers, silent, actions);
                }
            }
            Input::Fenced => {
                if let Standing::Fencing { why, .. } = self.standing {
                    self.now_is(Standing::Fenced { why });
                    actions.push(Action::Disconnect);
                }
            }
            Input::Follows => {
                if matches!(self.standing, Standing::Fencing { .. }) && !self.stray {
                    self.now_is(Standing::Idle);
                    self.held_at = None;
                }
            }
            Input::Unfenced => {
                if let Standing::Unfencing { until, by, .. } = self.standing {
                    self.now_is(Standing::Held { until, by });
                    self.stray = false;
                }
            }
            Input::NotUnfenced => {
                if let Standing::Unfencing { why, .. } = self.standing {
                    self.now_is(Standing::Fenced { why });
                    self.stray = true;
                }
            }
            Input::Released => {
                self.written = false;
                self.releasing.under_way = false;
            }
            Input::NotReleased => {
                self.releasing.under_way = false;
                self.releasing.next = self.now + self.length / 5;
            }
        }
    }
}

#[cfg(test)]
mod tests;
