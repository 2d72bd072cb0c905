//! Whether this watcher is alive, and whether it is of use.
//!
//! Alive means that the loop turns: ZooKeeper or all Sentinels may be away for hours without it helping anybody to kill the
//! watcher. Of use means that what it tells is current and that it would notice a change.

use std::time::Duration;

use httpd::{Health, Readiness};
use supervisor::Notifier;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use topology::MasterName;

use crate::roster::Roster;
use crate::situation::{Age, Record, Situation};

/// How long the loop may take for one turn. A look ends after about a second, a write after a few.
const TURN: Duration = Duration::from_secs(15);
const PULSE: Duration = Duration::from_millis(250);

/// Keeps both answers up to date until `stop`.
pub(crate) async fn pulse(
    situations: Vec<Situation>,
    notifier: Notifier,
    health: watch::Sender<Health>,
    readiness: watch::Sender<Readiness>,
    stop: CancellationToken,
) {
    loop {
        let slowest = situations.iter().map(Situation::since_last_turn).max();
        let alive = health_of(slowest.unwrap_or_default());
        if matches!(alive, Health::Alive { .. }) {
            notifier.watchdog();
        }
        let ready = together(situations.iter().map(|situation| {
            let ready = readiness_of(&Facts::of(situation));
            (situation.group.clone(), ready)
        }));
        if let Readiness::Ready { reason } | Readiness::NotReady { reason } = &ready
            && *readiness.borrow() != ready
        {
            notifier.status(reason);
        }
        health.send_if_modified(|said| replace(said, alive));
        readiness.send_if_modified(|said| replace(said, ready));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PULSE) => {}
        }
    }
}

/// Of one group its own answer. Of several: ready while any of them is, since clients of the others are not helped by losing those too.
fn together(each: impl Iterator<Item = (MasterName, Readiness)>) -> Readiness {
    let each: Vec<(MasterName, Readiness)> = each.collect();
    if let [(_, only)] = each.as_slice() {
        return only.clone();
    }
    let not_ready: Vec<String> = each
        .iter()
        .filter_map(|(name, ready)| match ready {
            Readiness::Ready { .. } => None,
            Readiness::NotReady { reason } => Some(format!("{name}: {reason}")),
        })
        .collect();
    let (all, ready) = (each.len(), each.len() - not_ready.len());
    let first = not_ready
        .first()
        .map(|first| format!("; {first}"))
        .unwrap_or_default();
    let reason = format!("{ready} of {all} groups{first}");
    if ready > 0 {
        Readiness::Ready { reason }
    } else {
        Readiness::NotReady { reason }
    }
}

fn replace<T: PartialEq>(said: &mut T, now: T) -> bool {
    let news = *said != now;
    *said = now;
    news
}

fn health_of(since_last_turn: Duration) -> Health {
    if since_last_turn < TURN {
        Health::Alive {
            reason: "the loop turns".to_owned(),
        }
    } else {
        Health::Failing {
            reason: format!("the loop has not turned for {} s", since_last_turn.as_secs()),
        }
    }
}

struct Facts {
    record: Record,
    copy: Age,
    registered: usize,
    subscribed: usize,
    leads: bool,
    other_group: Option<MasterName>,
}

impl Facts {
    fn of(situation: &Situation) -> Self {
        // Before the borrow below: of one channel two at a time may wait for a writer that waits for them.
        let subscribed = situation.heard();
        let sentinels = situation.sentinels.borrow();
        let registered = sentinels
            .value
            .as_ref()
            .map(|known| Roster::read(known).addresses().len());
        let copies = Age::of(&situation.state.borrow()).and(Age::of(&situation.master.borrow()));
        Self {
            record: situation.record,
            copy: copies.and(Age::of(&sentinels)),
            registered: registered.unwrap_or_default(),
            subscribed,
            leads: situation.leads(),
            other_group: situation
                .state()
                .map(|state| state.name)
                .filter(|name| *name != situation.group),
        }
    }
}

fn readiness_of(facts: &Facts) -> Readiness {
    let heard = format!("{} of {} sentinels heard", facts.subscribed, facts.registered);
    if let (Age::Current, Some(name)) = (facts.copy, &facts.other_group) {
        return not_ready(format!("the tree belongs to the group `{name}`"));
    }
    match facts.copy {
        Age::Never => not_ready(match facts.record {
            Record::ZooKeeper => "ZooKeeper has not been read yet".to_owned(),
            Record::Memory => "no Sentinel has answered yet".to_owned(),
        }),
        // Without the age, which would make every second another answer.
        Age::Stale(_) => not_ready("ZooKeeper is away; what is told may be old".to_owned()),
        Age::Current if facts.registered > 0 && facts.subscribed == 0 => not_ready(heard),
        Age::Current => Readiness::Ready {
            reason: format!("{}, {heard}", if facts.leads { "leader" } else { "standby" }),
        },
    }
}

fn not_ready(reason: String) -> Readiness {
    Readiness::NotReady { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(copy: Age, registered: usize, subscribed: usize) -> (bool, String) {
        let facts = Facts {
            record: Record::ZooKeeper,
            copy,
            registered,
            subscribed,
            leads: false,
            other_group: None,
        };
        match readiness_of(&facts) {
            Readiness::Ready { reason } => (true, reason),
            Readiness::NotReady { reason } => (false, reason),
        }
    }

    #[test]
    fn ready_means_current_and_listening() {
        assert_eq!(
            ready(Age::Current, 3, 1),
            (true, "standby, 1 of 3 sentinels heard".to_owned())
        );
        assert!(ready(Age::Current, 0, 0).0);
        assert_eq!(
            ready(Age::Current, 3, 0),
            (false, "0 of 3 sentinels heard".to_owned())
        );
        assert!(!ready(Age::Never, 0, 0).0);
        assert!(!ready(Age::Stale(Duration::from_secs(1)), 3, 3).0);
    }

    #[test]
    fn one_of_several_groups_is_enough() {
        let ready = |reason: &str| Readiness::Ready {
            reason: reason.to_owned(),
        };
        let name = |text: &str| text.parse::<MasterName>().expect("a name");
        let (good, bad) = (ready("leader"), not_ready("0 of 3 sentinels heard".to_owned()));
        assert_eq!(together([(name("a"), good.clone())].into_iter()), good);
        let both = together([(name("a"), good), (name("b"), bad.clone())].into_iter());
        assert_eq!(both, ready("1 of 2 groups; b: 0 of 3 sentinels heard"));
        let none = together([(name("a"), bad.clone()), (name("b"), bad)].into_iter());
        assert!(matches!(none, Readiness::NotReady { .. }));
    }

    #[test]
    fn alive_means_that_the_loop_turns() {
        assert!(matches!(health_of(Duration::from_secs(14)), Health::Alive { .. }));
        assert!(matches!(
            health_of(Duration::from_secs(15)),
            Health::Failing { .. }
        ));
    }
}
