//! What is to be done now and then, each a single one at a time: renewals, questions to the Sentinels and to our Redis.

use supervisor::BootTime;

use super::Lease;
use super::words::{Action, Record, Standing};

/// Something that is done now and then, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Errand {
    pub(super) under_way: bool,
    /// When the last one that ended was begun; what is older is no news.
    pub(super) heard: Option<BootTime>,
    pub(super) next: BootTime,
}

impl Errand {
    /// Whether the end of the one begun at `begun` is news.
    pub(super) fn ends(&mut self, begun: BootTime) -> bool {
        let news = self.heard.is_none_or(|heard| heard < begun);
        if news {
            self.heard = Some(begun);
            self.under_way = false;
        }
        news
    }

    pub(super) fn is_due(&self, now: BootTime) -> bool {
        !self.under_way && now >= self.next
    }
}

impl Lease {
    /// What is due, and when to come back.
    pub(super) fn begin_errands(&mut self, actions: &mut Vec<Action>) {
        let mut wake = Vec::new();
        let wants = match self.standing {
            Standing::Killed { .. } => return,
            Standing::Idle | Standing::Free => false,
            Standing::Held { until, .. } | Standing::Unfencing { until, .. } => {
                wake.push(until);
                true
            }
            Standing::Fencing { deadline, .. } => {
                wake.push(deadline);
                false
            }
            Standing::Fenced { .. } => true,
        };
        if let Record::Us { version, epoch } = self.record
            && wants
            && self.isolation.since_long(self.now).is_none()
        {
            let action = Action::Renew {
                state: version,
                epoch,
            };
            begin(&mut self.renewing, self.now, action, actions, &mut wake);
        }
        if wants && self.sentinels > 0 {
            self.polling.next = self.next_poll();
            begin(
                &mut self.polling,
                self.now,
                Action::AskSentinels,
                actions,
                &mut wake,
            );
        }
        if self.written && self.standing == Standing::Free {
            begin(&mut self.releasing, self.now, Action::Release, actions, &mut wake);
        }
        begin(&mut self.asking, self.now, Action::AskRole, actions, &mut wake);
        if let Some(at) = wake.into_iter().min() {
            actions.push(Action::WakeAt(at));
        }
    }

    /// Often while ZooKeeper has missed a renewal; else as often as that is asked, so that their votes are known, and their silence.
    fn next_poll(&self) -> BootTime {
        let Some(last) = self.polling.heard else {
            return self.now;
        };
        let missed = self.by_zookeeper.map(|at| at + self.length * 2 / 5);
        match missed {
            Some(missed) if missed > self.now => {
                (last + self.length / 5).min(missed.max(last + self.length / 10))
            }
            Some(_) | None => last + self.length / 10,
        }
    }
}

fn begin(
    errand: &mut Errand,
    now: BootTime,
    action: Action,
    actions: &mut Vec<Action>,
    wake: &mut Vec<BootTime>,
) {
    if errand.is_due(now) {
        errand.under_way = true;
        actions.push(action);
    } else if !errand.under_way {
        wake.push(errand.next);
    }
}
