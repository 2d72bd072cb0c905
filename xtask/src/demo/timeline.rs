//! What was seen, in words; and what of a failover is still to come.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use topology::{Addr, LinkStatus, Role, SentinelEvent};

use super::observers::{Seen, What};

/// The line about it, if it is worth one.
pub(super) fn words(what: &What) -> Option<String> {
    Some(match what {
        What::Ready => return None,
        What::Event { by, event } => format!("sentinel {by}: {}", event_words(event)?),
        What::Published(Some(master)) => format!("ZooKeeper: /redis/master is now {master}"),
        What::Published(None) => "ZooKeeper: /redis/master is now empty".to_owned(),
        What::Role { of, says } => match says {
            None => format!("redis {of}: does not answer"),
            Some((Role::Master, _)) => format!("redis {of}: is master"),
            Some((Role::Replica { of: master }, Some(LinkStatus::Up))) => {
                format!("redis {of}: follows {master}")
            }
            Some((Role::Replica { of: master }, _)) => format!("redis {of}: replica of {master}, link down"),
        },
        What::Told {
            by,
            master: Some(master),
        } => format!("watcher {by}: tells {master}"),
        What::Told { by, master: None } => format!("watcher {by}: tells no master"),
        What::Written { by } => format!("writer: {by} has accepted a write"),
    })
}

/// Sentinels say much more; this is what decides.
fn event_words(event: &SentinelEvent) -> Option<String> {
    let (channel, payload) = match event {
        SentinelEvent::SwitchMaster(switch) => return Some(format!("+switch-master to {}", switch.to)),
        SentinelEvent::Other { channel, payload } => (channel.as_str(), payload.as_str()),
    };
    let wanted = matches!(
        channel,
        "+sdown" | "-sdown" | "+odown" | "-odown" | "+elected-leader" | "+promoted-slave"
    ) || channel.starts_with("-failover-abort");
    let words: Vec<&str> = payload.split(' ').collect();
    let [kind, _, host, port, rest @ ..] = &words[..] else {
        return wanted.then(|| format!("{channel} {payload}"));
    };
    let kind = if *kind == "slave" { "replica" } else { kind };
    let quorum = match rest {
        ["#quorum", count] => format!(", {count} agree"),
        _ => String::new(),
    };
    wanted.then(|| format!("{channel} {kind} {host}:{port}{quorum}"))
}

/// How far a change of master has come.
#[derive(Debug)]
pub(super) struct Progress {
    gone: Instant,
    old: Addr,
    sentinels: BTreeSet<Addr>,
    replicas: BTreeSet<Addr>,
    watchers: BTreeSet<Addr>,
    pub(super) first_switch: Option<Duration>,
    pub(super) published: Option<Duration>,
    pub(super) first_write: Option<Duration>,
    pub(super) new: Option<Addr>,
}

/// Who takes part besides the old master.
#[derive(Debug)]
pub(super) struct Others {
    pub(super) sentinels: BTreeSet<Addr>,
    pub(super) replicas: BTreeSet<Addr>,
    pub(super) watchers: BTreeSet<Addr>,
}

impl Progress {
    pub(super) fn new(gone: Instant, old: Addr, others: Others) -> Self {
        Self {
            gone,
            old,
            sentinels: others.sentinels,
            replicas: others.replicas,
            watchers: others.watchers,
            first_switch: None,
            published: None,
            first_write: None,
            new: None,
        }
    }

    /// Takes what was seen into account.
    pub(super) fn take(&mut self, seen: &Seen) {
        let after = seen.at.saturating_duration_since(self.gone);
        match &seen.what {
            What::Event { by, event } => self.take_event(after, by, event),
            What::Published(Some(master)) if *master != self.old => {
                self.published.get_or_insert(after);
            }
            What::Role { of, says } => match says {
                Some((Role::Master, _)) if *of != self.old => drop(self.replicas.remove(of)),
                Some((Role::Replica { of: master }, Some(LinkStatus::Up))) if *master != self.old => {
                    self.replicas.remove(of);
                }
                Some(_) | None => {}
            },
            What::Told {
                by,
                master: Some(master),
            } if *master != self.old => drop(self.watchers.remove(by)),
            What::Written { by } if *by != self.old => {
                self.first_write.get_or_insert(after);
                self.new = Some(by.clone());
            }
            What::Ready | What::Published(_) | What::Told { .. } | What::Written { .. } => {}
        }
    }

    fn take_event(&mut self, after: Duration, by: &Addr, event: &SentinelEvent) {
        if let SentinelEvent::SwitchMaster(switch) = event
            && switch.from == self.old
        {
            self.first_switch.get_or_insert(after);
            self.sentinels.remove(by);
        }
    }

    /// When the master went; every time counts from there.
    pub(super) fn gone(&self) -> Instant {
        self.gone
    }

    /// What has not happened yet; `None` when all has.
    pub(super) fn missing(&self) -> Option<String> {
        let writes = if self.first_write.is_none() {
            "no writes; "
        } else {
            "writes are back; "
        };
        let waits = if self.first_write.is_none() {
            "no write was accepted yet".to_owned()
        } else if self.published.is_none() {
            "/redis/master does not name it yet".to_owned()
        } else if let Some(sentinel) = self.sentinels.first() {
            format!("sentinel {sentinel} has not switched yet")
        } else if let Some(replica) = self.replicas.first() {
            format!("redis {replica} does not follow yet")
        } else if let Some(watcher) = self.watchers.first() {
            format!("watcher {watcher} does not tell it yet")
        } else {
            return None;
        };
        Some(format!("{writes}{waits}"))
    }
}

#[cfg(test)]
mod tests;
