//! How the lease changes: by what our Redis is, by what is recorded, by renewals, and by time.

use std::time::Duration;

use supervisor::BootTime;
use topology::{Epoch, Role};
use zkpaths::Phase;

use super::isolation::Silent;
use super::sentinels::Answer;
use super::words::{Action, Record, Standing, Way, WhyFence};
use super::{FENCE_DEADLINE, Lease};

impl Lease {
    pub(super) fn role_is(&mut self, asked: BootTime, role: Option<Role>, actions: &mut Vec<Action>) {
        let Some(role) = role.filter(|_| asked > self.changed) else {
            return;
        };
        match (role, self.standing) {
            // Our own change is under way, or nothing matters any more.
            (_, Standing::Fencing { .. } | Standing::Unfencing { .. } | Standing::Killed { .. })
            | (Role::Master, Standing::Held { .. } | Standing::Free) => {}
            (Role::Master, Standing::Fenced { why }) if self.stray => self.fence(why, actions),
            (Role::Master, Standing::Idle | Standing::Fenced { .. }) => self.became_master(),
            (role, Standing::Idle | Standing::Free | Standing::Held { .. } | Standing::Fenced { .. })
                if role.is_fenced() =>
            {
                let why = self.standing.fenced().unwrap_or(WhyFence::Found);
                self.standing = Standing::Fenced { why };
            }
            (Role::Replica { .. }, _) => {
                self.standing = Standing::Idle;
                (self.stray, self.held_at) = (false, None);
            }
        }
    }

    /// Somebody has made our Redis master just now, and may write that down in a moment.
    fn became_master(&mut self) {
        (self.renewed, self.by_zookeeper, self.held_at) = (None, None, None);
        self.now_is(Standing::Free);
    }

    pub(super) fn recorded(&mut self, record: Record, actions: &mut Vec<Action>) {
        if self.record == record {
            return;
        }
        self.record = record;
        self.renewing.next = self.now;
        let Record::Another { epoch, phase, .. } = &self.record else {
            return;
        };
        let may_write = matches!(self.standing, Standing::Held { .. } | Standing::Unfencing { .. });
        // Somebody who is only being promoted may not become master; then this lease runs out by itself.
        let done = match phase {
            Phase::Settled | Phase::Claimed => true,
            Phase::Promoting | Phase::Other(_) => false,
        };
        if may_write && done && self.held_at.is_some_and(|held| held < *epoch) {
            let why = WhyFence::Outranked { epoch: *epoch };
            self.fence(why, actions);
        }
    }

    pub(super) fn polled(
        &mut self,
        sent: BootTime,
        answers: &[Answer],
        silent: Silent,
        actions: &mut Vec<Action>,
    ) {
        let outranking = match &self.record {
            Record::Another { epoch, .. } if self.held_at.is_none_or(|held| held < *epoch) => Some(*epoch),
            Record::Another { .. } | Record::Us { .. } | Record::Nobody | Record::Unknown => None,
        };
        let poll = self
            .votes
            .judge(answers, &self.me, self.sentinels, outranking, self.now);
        self.poll = Some(poll);
        self.isolation.note(sent, &poll, silent);
        let may_write = matches!(self.standing, Standing::Held { .. } | Standing::Unfencing { .. });
        if may_write && let Some(epoch) = self.outvoted() {
            self.stray |= matches!(self.standing, Standing::Unfencing { .. });
            self.fence(WhyFence::Outranked { epoch }, actions);
            return;
        }
        if poll.renews() {
            self.renew(sent, sent + self.length / 2, poll.epoch, Way::Sentinels, actions);
        }
    }

    /// The epoch at which a majority of the Sentinels has chosen another, which the record does not know yet.
    fn outvoted(&self) -> Option<Epoch> {
        let another = self.poll.and_then(|poll| poll.another)?;
        let recorded = match &self.record {
            Record::Us { epoch, .. } => Some(*epoch),
            Record::Another { .. } | Record::Nobody | Record::Unknown => None,
        };
        let held = self.held_at.max(recorded)?;
        (another > held).then_some(another)
    }

    /// Whether the Sentinels have been asked since Redis was fenced, and enough of them would have said if they had chosen somebody whom
    /// the record does not know.
    fn asked_since_fenced(&self) -> bool {
        let asked = self.polling.heard.is_some_and(|asked| asked >= self.changed);
        self.sentinels == 0 || asked && !self.isolation.is_feared()
    }

    /// A renewal that was sent then holds until then.
    pub(super) fn renew(
        &mut self,
        sent: BootTime,
        holds: BootTime,
        epoch: Epoch,
        way: Way,
        actions: &mut Vec<Action>,
    ) {
        match self.standing {
            Standing::Held { until, .. } => {
                self.note_gap(sent);
                if holds >= until {
                    self.standing = Standing::Held {
                        until: holds,
                        by: way,
                    };
                }
            }
            Standing::Unfencing { until, why, .. } if holds > until => {
                self.standing = Standing::Unfencing {
                    until: holds,
                    by: way,
                    why,
                };
            }
            Standing::Fenced { why }
                if holds > self.now && self.asked_since_fenced() && self.outvoted().is_none() =>
            {
                self.now_is(Standing::Unfencing {
                    until: holds,
                    by: way,
                    why,
                });
                actions.push(Action::Unfence(way));
            }
            Standing::Idle
            | Standing::Free
            | Standing::Unfencing { .. }
            | Standing::Fenced { .. }
            | Standing::Fencing { .. }
            | Standing::Killed { .. } => return,
        }
        self.renewed = self.renewed.max(Some(sent));
        self.held_at = self.held_at.max(Some(epoch));
    }

    fn note_gap(&mut self, sent: BootTime) {
        if let Some(before) = self.renewed {
            self.longest_gap = self.longest_gap.max(sent.since(before));
        }
    }

    /// Nobody could be promoted without another member and a Sentinel: fencing would only be an outage.
    fn is_needed(&self) -> bool {
        self.others > 0 && self.sentinels > 0
    }

    pub(super) fn need(&mut self) {
        let needed = self.is_needed();
        match self.standing {
            Standing::Held { .. } if !needed => {
                self.standing = Standing::Free;
                self.releasing.next = self.now;
            }
            Standing::Free if needed => {
                self.standing = Standing::Held {
                    until: self.now + self.length,
                    by: Way::Beginning,
                };
                self.renewed = None;
                (self.renewing.next, self.polling.next) = (self.now, self.now);
            }
            Standing::Idle
            | Standing::Free
            | Standing::Held { .. }
            | Standing::Fencing { .. }
            | Standing::Fenced { .. }
            | Standing::Unfencing { .. }
            | Standing::Killed { .. } => {}
        }
    }

    pub(super) fn expire(&mut self, slept: Duration, actions: &mut Vec<Action>) {
        match self.standing {
            Standing::Held { until, .. } | Standing::Unfencing { until, .. }
                if self.now >= until && self.is_needed() =>
            {
                let why = if slept >= self.length / 2 {
                    WhyFence::ClockJumped { by: slept }
                } else {
                    self.expired()
                };
                self.stray |= matches!(self.standing, Standing::Unfencing { .. });
                self.fence(why, actions);
            }
            Standing::Fencing { deadline, why } if self.now >= deadline => {
                self.standing = Standing::Killed { why };
                actions.push(Action::Kill(why));
            }
            Standing::Idle
            | Standing::Free
            | Standing::Held { .. }
            | Standing::Fencing { .. }
            | Standing::Fenced { .. }
            | Standing::Unfencing { .. }
            | Standing::Killed { .. } => {}
        }
    }

    fn expired(&self) -> WhyFence {
        if let Some(silent) = self.isolation.since_long(self.now) {
            return WhyFence::Isolated { silent };
        }
        let silent = self.by_zookeeper.map_or(self.length, |at| self.now.since(at));
        let needed = self.sentinels / 2 + 1;
        WhyFence::Expired {
            silent,
            agreed: self.poll.map_or(0, |poll| poll.agreed),
            needed: self.poll.map_or(needed, |poll| poll.needed()),
        }
    }

    fn fence(&mut self, why: WhyFence, actions: &mut Vec<Action>) {
        self.now_is(Standing::Fencing {
            deadline: self.now + FENCE_DEADLINE,
            why,
        });
        actions.insert(0, Action::Fence(why));
    }

    /// A change of our Redis' role, asked for or done.
    pub(super) fn now_is(&mut self, standing: Standing) {
        self.standing = standing;
        self.changed = self.now;
    }
}
