//! The stream of events: what has happened, numbered, for whoever listens and for whoever comes back.
//!
//! One task turns changes into events; listeners read them from one bounded ring, each at its own pace. Nothing is kept for a
//! listener, so a slow one costs nothing: when what it should read next is gone, its stream ends and it begins anew with a snapshot.

mod diff;
mod ring;
mod task;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use topology::MasterName;
use uuid::Uuid;

pub(crate) use self::diff::Event;
use self::ring::Ring;
pub(crate) use self::task::feed;
use crate::pages::{Facts, Sink};

/// How many events can be read again.
const KEPT: usize = 1024;
/// The same for each group, where there are many: at a start each has a few to tell.
const KEPT_EACH: usize = 16;
/// How many may listen. With those who wait for a master it leaves connections for everybody else.
pub(crate) const LISTENERS: usize = 128;

/// What has happened so far.
#[derive(Debug)]
pub(crate) struct Feed {
    boot: Uuid,
    inner: Mutex<Inner>,
    tip: watch::Sender<Tip>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Inner {
    ring: Ring<Arc<Event>>,
    picture: Picture,
}

/// Everything, as of the last event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) groups: BTreeMap<MasterName, Arc<Facts>>,
    pub(crate) sinks: Vec<Sink>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tip {
    /// There are so many events.
    At(u64),
    /// There will be no more: the program ends.
    Ended,
}

/// The name of an event, by which a listener that comes back says how far it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    /// The run of the program: another one counts anew.
    pub(crate) boot: Uuid,
    /// The number of the event in it.
    pub(crate) sequence: u64,
}

/// What a snapshot says.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot<'a> {
    boot: Uuid,
    version: &'static str,
    groups: Vec<&'a Facts>,
    sinks: &'a [Sink],
}

impl Feed {
    /// One for so many groups, in which nothing has happened yet.
    pub(crate) fn new(groups: usize) -> Self {
        Self {
            boot: Uuid::new_v4(),
            inner: Mutex::new(Inner {
                ring: Ring::new(KEPT.max(groups.saturating_mul(KEPT_EACH))),
                picture: Picture::default(),
            }),
            tip: watch::Sender::new(Tip::At(0)),
            places: Arc::new(Semaphore::new(LISTENERS)),
        }
    }

    /// A place for one more listener, if there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// How far it has come, now and from now on.
    pub(crate) fn tip(&self) -> watch::Receiver<Tip> {
        self.tip.subscribe()
    }

    /// The name of an event of this run.
    pub(crate) fn id(&self, sequence: u64) -> EventId {
        EventId {
            boot: self.boot,
            sequence,
        }
    }

    /// Where a listener that has heard `last` goes on, if that is still possible.
    pub(crate) fn resume(&self, last: EventId) -> Option<u64> {
        let here = last.boot == self.boot && self.after(last.sequence, 0).is_some();
        here.then_some(last.sequence)
    }

    /// The next events after this one, at most so many, with their numbers; none when the next one is gone.
    pub(crate) fn after(&self, sequence: u64, most: usize) -> Option<Vec<(u64, Arc<Event>)>> {
        self.lock().ring.after(sequence, most)
    }

    /// Everything as JSON, or one group alone, and the number of the last event that is in it.
    pub(crate) fn snapshot(&self, only: Option<&MasterName>) -> (u64, Result<String, serde_json::Error>) {
        let (sequence, picture) = {
            let inner = self.lock();
            (inner.ring.tip(), inner.picture.clone())
        };
        let groups = picture.groups.values().map(AsRef::as_ref);
        let snapshot = Snapshot {
            boot: self.boot,
            version: env!("CARGO_PKG_VERSION"),
            groups: groups
                .filter(|facts: &&Facts| only.is_none_or(|only| facts.group == *only))
                .collect(),
            sinks: &picture.sinks,
        };
        (sequence, serde_json::to_string(&snapshot))
    }

    /// Makes this the picture, and tells what is new in it. Returns what was told.
    pub(crate) fn show(&self, picture: Picture) -> Vec<Arc<Event>> {
        let (told, tip) = {
            let mut inner = self.lock();
            let told: Vec<Arc<Event>> = diff::diff(&inner.picture, &picture)
                .into_iter()
                .map(Arc::new)
                .collect();
            inner.picture = picture;
            for event in &told {
                inner.ring.push(event.clone());
            }
            (told, inner.ring.tip())
        };
        if !told.is_empty() {
            self.tip.send_replace(Tip::At(tip));
        }
        told
    }

    fn end(&self) {
        self.tip.send_replace(Tip::Ended);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half done in it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.boot.simple(), self.sequence)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (boot, sequence) = text.split_once('-').ok_or(())?;
        Ok(Self {
            boot: boot.parse().map_err(drop)?,
            sequence: sequence.parse().map_err(drop)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_one_of_another_run_is_not_gone_on_from() {
        let (feed, other) = (Feed::new(1), Feed::new(1));
        let id: EventId = feed.id(0).to_string().parse().unwrap();
        assert_eq!(id, feed.id(0));
        assert_eq!(feed.resume(id), Some(0));
        assert_eq!(other.resume(id), None);
        for text in ["", "7", "x-7", "-"] {
            assert_eq!(text.parse::<EventId>(), Err(()), "{text}");
        }
    }
}
