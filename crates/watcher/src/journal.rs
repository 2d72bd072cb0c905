//! What an operator reads: changes, each once.
//!
//! A look every few seconds that finds the same is no news; something passing that does not pass is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use topology::Addr;
use tracing::{debug, error, info, warn};

use crate::act::Acted;
use crate::observe::LookError;
use crate::verdict::{Reason, Verdict};
use crate::view::{AddressNode, Answer, StateNode, View};

/// How long something passing may last before it is told.
const TOO_LONG: Duration = Duration::from_secs(3);

/// What has been told already.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    said: Option<String>,
    passing: Option<Passing>,
    unreadable: [Option<String>; 3],
    denied: BTreeMap<Addr, String>,
    failing: bool,
}

/// Something passing that has not passed yet. Its reasons may alternate: together they last, and each is told once.
#[derive(Debug)]
struct Passing {
    since: Instant,
    told: Vec<&'static str>,
}

impl Passing {
    /// Whether `reason` is to be told now.
    fn is_news(&mut self, reason: &'static str, now: Instant) -> bool {
        let lasts = now.saturating_duration_since(self.since) >= TOO_LONG;
        let news = lasts && !self.told.contains(&reason);
        if news {
            self.told.push(reason);
        }
        news
    }
}

impl Journal {
    /// A look that could be made, and its verdict.
    pub(crate) fn verdict(&mut self, view: &View, verdict: &Verdict, now: Instant) {
        if std::mem::take(&mut self.failing) {
            info!("zookeeper answers again");
        }
        self.unreadable(view);
        self.denied(view);
        match verdict {
            Verdict::Conflict { epoch, one, other } => {
                self.passing = None;
                if self.news(format!("conflict {epoch} {one} {other}")) {
                    error!(
                        %epoch, master = %one, %other,
                        "two masters in one epoch; nothing is written, make one a replica of the other"
                    );
                }
            }
            Verdict::OtherGroup { recorded } => {
                self.passing = None;
                if self.news(format!("other group {recorded}")) {
                    error!(recorded = %recorded, name = %view.group, "the state belongs to a group of another name");
                }
            }
            Verdict::Nothing(reason) if reason.is_passing() => self.passing(view, reason.word(), now),
            Verdict::Nothing(reason) => {
                self.passing = None;
                if self.news(reason.word().to_owned()) {
                    let master = view.recorded.addr().map(ToString::to_string);
                    info!(master, reason = reason.word(), "nothing to change");
                }
            }
            Verdict::Publish(_) | Verdict::Settle { .. } | Verdict::RepairMaster(_) => self.passing = None,
        }
    }

    /// A look without ZooKeeper.
    pub(crate) fn failed(&mut self, why: &LookError) {
        let reason = program::chain(why);
        match why {
            // The beginning, of which the session itself tells.
            LookError::NothingRead => debug!(%reason, "no look possible yet"),
            LookError::ZooKeeper(_) if self.failing => debug!(%reason, "no look possible"),
            LookError::ZooKeeper(_) => {
                self.failing = true;
                warn!(%reason, "no look possible; trying again");
            }
        }
    }

    /// What came of acting. `latency` since a Sentinel announced it, where one did.
    pub(crate) fn acted(&mut self, verdict: &Verdict, acted: &Acted, latency: Option<Duration>) {
        match acted {
            Acted::Recorded(desired) => {
                let (master, epoch) = (desired.addr(), desired.epoch());
                let elapsed_ms =
                    latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
                match verdict {
                    Verdict::Publish(publication) => {
                        let cause = publication.cause.word();
                        info!(%master, %epoch, cause, reason = verdict.word(), elapsed_ms, "master published");
                    }
                    Verdict::Settle { .. } => info!(%master, %epoch, "the claimed master answers; settled"),
                    Verdict::RepairMaster(_) => {
                        warn!(%master, %epoch, "wrong master znode repaired from the state");
                    }
                    Verdict::Conflict { .. } | Verdict::OtherGroup { .. } | Verdict::Nothing(_) => {}
                }
                self.said = Some(Reason::UpToDate.word().to_owned());
            }
            Acted::Prepared => debug!("missing znodes made"),
            Acted::Outrun => debug!("somebody else wrote first"),
            Acted::NotKnown(error) => {
                warn!(reason = %program::chain(error), "a write was not confirmed; looking again");
            }
            Acted::Failed(error) => {
                if self.news(format!("failed {error}")) {
                    warn!(reason = %program::chain(error), "the record could not be written; trying again");
                }
            }
            Acted::Idle => {}
        }
    }

    fn passing(&mut self, view: &View, reason: &'static str, now: Instant) {
        let passing = self.passing.get_or_insert_with(|| Passing {
            since: now,
            told: Vec::new(),
        });
        if passing.is_news(reason, now) {
            self.said = Some(reason.to_owned());
            let master = view.recorded.addr().map(ToString::to_string);
            let said = |(addr, answer): (&Addr, &Answer)| format!("{addr} {}", answer.word());
            let answers = view.nodes.iter().map(said).collect::<Vec<_>>().join(", ");
            warn!(master, reason, answers, "the master is not certain; looking on");
        }
    }

    /// Tells of nodes that do not let us in, each once until it changes: else nothing would say why nothing happens.
    fn denied(&mut self, view: &View) {
        for (addr, answer) in &view.nodes {
            match answer {
                Answer::Denied(why) if self.denied.get(addr) != Some(why) => {
                    warn!(master = %addr, reason = why, "a redis does not let this watcher in, so no failover to it can be recorded; check REDIS_PASSWORD and REDIS_USER, and its ACL");
                    self.denied.insert(addr.clone(), why.clone());
                }
                Answer::Denied(_) | Answer::Waiting => {}
                Answer::Master(_) | Answer::Replica | Answer::Loading | Answer::Busy | Answer::Gone => {
                    self.denied.remove(addr);
                }
            }
        }
        self.denied.retain(|addr, _| view.nodes.contains_key(addr));
    }

    fn unreadable(&mut self, view: &View) {
        let recorded = &view.recorded;
        let state = match &recorded.state {
            StateNode::Malformed(why) | StateNode::Newer(why) => Some(why),
            StateNode::Missing | StateNode::Known(_) => None,
        };
        let malformed = |node| match node {
            AddressNode::Malformed(why) => Some(why),
            AddressNode::Absent | AddressNode::Names(_) => None,
        };
        let now = [
            state.cloned(),
            malformed(recorded.master.clone()),
            malformed(recorded.named.clone()),
        ];
        for ((known, now), path) in self
            .unreadable
            .iter_mut()
            .zip(now)
            .zip(["state", "master", "masters"])
        {
            if let Some(reason) = now.as_ref().filter(|now| known.as_ref() != Some(*now)) {
                warn!(path, %reason, "unreadable znode");
            }
            *known = now;
        }
    }

    fn news(&mut self, what: String) -> bool {
        let news = self.said.as_ref() != Some(&what);
        self.said = Some(what);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pass_is_told_once_for_each_reason_even_if_they_alternate() {
        let start = Instant::now();
        let mut passing = Passing {
            since: start,
            told: Vec::new(),
        };
        let told: Vec<(u64, &str)> = (0..40)
            .map(|n| (n * 250, if n % 2 == 0 { "waiting" } else { "no-majority" }))
            .filter(|(ms, reason)| passing.is_news(reason, start + Duration::from_millis(*ms)))
            .collect();
        assert_eq!(told, [(3000, "waiting"), (3250, "no-majority")]);
    }
}
