//! Before the Sentinel starts: a master to monitor, and a run id that nobody else has.

use std::time::Duration;

use registry::{Claim, Registration, RegistryError};
use tokio::time::{Instant, sleep, timeout_at};
use topology::{MasterRecord, RunId};
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::identity::{Choice, Made, Patience, Taken, choose};
use crate::observe::Observer;
use crate::recorded::NoRecord;

/// A server's clock may end a session a little later than ours does.
const SESSION_SLACK: Duration = Duration::from_millis(1500);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// ZooKeeper on the same machine answers within this, even if it has just been started.
const STILL_CONNECTING: Duration = Duration::from_secs(2);

/// A run id, ours for as long as this lives.
pub struct Held {
    /// The run id.
    pub id: RunId,
    /// The exclusive holder in ZooKeeper.
    pub slot: Registration,
}

/// Waits until ZooKeeper names a master; at the deadline, what was missing to the last. Another group's tree is not waited for.
pub async fn master(observer: &mut Observer, deadline: Option<Instant>) -> Result<MasterRecord, NoRecord> {
    let start = Instant::now();
    let mut said: Option<NoRecord> = None;
    loop {
        let seen = match observer.record() {
            Ok(_) => observer.record_now().await,
            unseen @ Err(_) => unseen,
        };
        let reason = match seen {
            Ok(record) => return Ok(record),
            Err(reason) => reason,
        };
        let early = reason == NoRecord::NotRead && start.elapsed() < STILL_CONNECTING;
        if !early && said.as_ref() != Some(&reason) {
            match &reason {
                NoRecord::Nobody | NoRecord::Moving => info!(%reason, "waiting for a master"),
                // Why, the registry tells.
                NoRecord::NotRead => debug!("zookeeper was not read yet"),
                NoRecord::Malformed { .. } => warn!(%reason, "waiting for a master"),
                // Waiting would not change it.
                NoRecord::OtherGroup(_) => return Err(reason),
            }
            said = Some(reason.clone());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(reason);
        }
        let soon = Instant::now() + Duration::from_secs(1);
        let until = deadline.map_or(soon, |deadline| deadline.min(soon));
        let _ = timeout_at(until, observer.record_changed()).await;
    }
}

/// Takes a run id. `previous` is the one that this data directory had.
pub async fn identity(
    observer: &mut Observer,
    previous: Option<&RunId>,
    session_timeout: Duration,
) -> Result<Held, RegistryError> {
    let deadline = Instant::now() + session_timeout + SESSION_SLACK;
    let mut waiting = false;
    loop {
        let patience = if Instant::now() < deadline {
            Patience::Left
        } else {
            Patience::Exhausted
        };
        let slots = observer.slots().await?;
        let (id, reason) = match choose(&slots, previous, &observer.announce, patience, chance()) {
            Choice::Take(id, why) => (id, taken(why)),
            Choice::New(why) => (random(), made(why)),
            Choice::Await(dying) => {
                if !waiting {
                    let ids = dying.iter().map(RunId::as_str).collect::<Vec<_>>().join(" ");
                    info!(ids, "waiting for the run id of a sentinel that does not answer");
                    waiting = true;
                }
                sleep(LOOK_AGAIN).await;
                continue;
            }
        };
        let tree = observer.registry.tree().clone();
        observer.registry.ensure(&tree.identity(&id)).await?;
        // Without data until its Sentinel answers: nobody takes it for a dying one meanwhile.
        match observer
            .registry
            .claim(tree.identity_holder(&id), Vec::new())
            .await?
        {
            Claim::Held(slot) => {
                info!(%id, reason, "run id taken");
                return Ok(Held { id, slot });
            }
            // Another was quicker. There may be a next one.
            Claim::Taken => {}
        }
    }
}

fn taken(why: Taken) -> &'static str {
    match why {
        Taken::Own => "this directory had it before",
        Taken::Free => "nobody has it",
    }
}

fn made(why: Made) -> &'static str {
    match why {
        Made::AllAlive => "new: every other one is in use",
        Made::WaitedLongEnough => "new: no other one became free in time",
    }
}

fn chance() -> usize {
    usize::from(u16::from_be_bytes([
        Uuid::new_v4().as_bytes()[0],
        Uuid::new_v4().as_bytes()[1],
    ]))
}

fn random() -> RunId {
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let mut bytes = [0; 20];
    bytes[..10].copy_from_slice(&one.as_bytes()[..10]);
    bytes[10..].copy_from_slice(&two.as_bytes()[..10]);
    RunId::from_bytes(bytes)
}
