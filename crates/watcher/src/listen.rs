//! Hears every registered Sentinel, so that a failover is noticed at once.
//!
//! One task for each, from its registration until it is gone from ZooKeeper. All of them, not one: the followers announce a
//! new master about a second before the leader does, and the Sentinel one happens to listen to may die with the
//! master. An event is only a hint, and so is a new subscription, since events were missed before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use instance::{Dialer, EventStream, InstanceError};
use registry::Followed;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use topology::{Addr, MasterName, SentinelEvent};
use tracing::{debug, info, warn};

use crate::hints::Hints;
use crate::pace::jittered;
use crate::roster::Roster;

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What every listening task has.
#[derive(Clone)]
pub(crate) struct Listening {
    /// Opens the subscriptions.
    pub(crate) dialer: Dialer,
    /// The groups whose events matter, and whom to wake.
    pub(crate) hints: Arc<BTreeMap<MasterName, Arc<Hints>>>,
    /// The Sentinels that are heard now.
    pub(crate) subscribed: watch::Sender<BTreeSet<Addr>>,
}

impl Listening {
    fn look(&self) {
        for hints in self.hints.values() {
            hints.look();
        }
    }
}

/// The registrations, as followed.
pub(crate) type Registrations = watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>>;

/// Keeps one ear on every registered Sentinel until `stop`.
pub(crate) async fn listen(listening: Listening, mut registrations: Registrations, stop: CancellationToken) {
    let mut ears: BTreeMap<Addr, DropGuard> = BTreeMap::new();
    let mut unreadable = BTreeSet::new();
    let mut tasks = JoinSet::new();
    loop {
        let registered = registrations.borrow_and_update().value.clone();
        // What was never read is no reason to stop listening; a list that is stale still names Sentinels.
        if let Some(registered) = registered {
            let roster = Roster::read(&registered);
            unreadable = complain(&roster, &unreadable);
            let wanted = roster.addresses();
            ears.retain(|addr, _| wanted.contains(addr));
            for addr in wanted {
                ears.entry(addr.clone()).or_insert_with(|| {
                    let end = stop.child_token();
                    tasks.spawn(hear(listening.clone(), addr, end.clone()));
                    end.drop_guard()
                });
            }
            listening.look();
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = registrations.changed() => if changed.is_err() { break },
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => if let Err(failed) = ended
                && failed.is_panic() {
                std::panic::resume_unwind(failed.into_panic());
            },
        }
    }
    drop(ears);
    while tasks.join_next().await.is_some() {}
}

/// Tells of registrations that cannot be read, each once.
fn complain(roster: &Roster, known: &BTreeSet<String>) -> BTreeSet<String> {
    for (name, why) in &roster.unreadable {
        if !known.contains(name) {
            warn!(path = name, reason = %program::chain(why), "unreadable Sentinel registration ignored");
        }
    }
    roster.unreadable.keys().cloned().collect()
}

/// Hears one Sentinel until `end`.
async fn hear(listening: Listening, addr: Addr, end: CancellationToken) {
    let heard = Heard {
        subscribed: listening.subscribed.clone(),
        addr: addr.clone(),
    };
    let mut wait = FIRST_RETRY;
    let mut complained = false;
    let work = async {
        loop {
            let error = match subscribe(&listening, &addr).await {
                Ok(mut events) => {
                    info!(sentinel = %addr, "listening to a sentinel");
                    (wait, complained) = (FIRST_RETRY, false);
                    heard.is(true);
                    listening.look();
                    let error = relay(&listening, &mut events).await;
                    heard.is(false);
                    // Its death may be the first sign of more.
                    listening.look();
                    error
                }
                Err(error) => error,
            };
            if !complained {
                complain_of(&addr, &error);
            }
            complained = true;
            tokio::time::sleep(jittered(wait, rand::random())).await;
            wait = (wait * 2).min(LAST_RETRY);
        }
    };
    tokio::select! {
        () = end.cancelled() => debug!(sentinel = %addr, "no longer listening to a sentinel"),
        () = work => {}
    }
}

fn complain_of(addr: &Addr, error: &InstanceError) {
    let reason = program::chain(error);
    if matches!(error, InstanceError::Denied { .. }) {
        warn!(sentinel = %addr, %reason, "a sentinel does not let this watcher in; check SENTINEL_PASSWORD and its ACL");
    } else {
        warn!(sentinel = %addr, %reason, "not listening to a sentinel; trying again");
    }
}

async fn subscribe(listening: &Listening, addr: &Addr) -> Result<EventStream, InstanceError> {
    listening.dialer.sentinel(addr).await?.events().await
}

/// Turns events into hints until the connection ends.
async fn relay(listening: &Listening, events: &mut EventStream) -> InstanceError {
    loop {
        match events.next().await {
            Ok(SentinelEvent::SwitchMaster(switch)) => {
                if let Some(hints) = listening.hints.get(&switch.name) {
                    debug!(name = %switch.name, master = %switch.to, "a sentinel announced another master");
                    hints.master_switched();
                }
            }
            Ok(event) => {
                for (_, hints) in listening.hints.iter().filter(|(group, _)| event.concerns(group)) {
                    hints.look();
                }
            }
            Err(error) => return error,
        }
    }
}

/// Whether one Sentinel is heard now; never, once its task has ended.
struct Heard {
    subscribed: watch::Sender<BTreeSet<Addr>>,
    addr: Addr,
}

impl Heard {
    fn is(&self, heard: bool) {
        self.subscribed.send_if_modified(|subscribed| {
            if heard {
                subscribed.insert(self.addr.clone())
            } else {
                subscribed.remove(&self.addr)
            }
        });
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.is(false);
    }
}
