//! Delivers what is in the spool: each sink at its own pace, none waiting for another.
//!
//! One task judges (which event is this?), one asks the book that all Sentinels share, and one for each sink delivers. They meet in the spool only,
//! so whoever is killed at any point leaves a spool that the next one goes on with.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use crate::config::Config;
use crate::identity::{self, NO_GROUP, Report};
use crate::lock::{DrainLock, Nudge, Nudged};
use crate::message::Call;
use crate::outlets::Outlets;
use crate::spool::{Sharing, Spool, SpoolError, Spooled};
use crate::store::{self, Store};

mod deliver;
mod share;

pub use deliver::message;

/// Without a nudge, one looks again after so long.
const LOOK: Duration = Duration::from_secs(1);
/// A drainer that a call left behind stays so long after the last event: they come in bursts.
const IDLE: Duration = Duration::from_secs(2);
/// And so long with what it cannot deliver. The next call, or the service, goes on.
const LINGER: Duration = Duration::from_secs(60 * 60);
/// Old events and marks are looked for so often.
const TRIM: Duration = Duration::from_secs(60);
/// Deliveries that have begun when it is enough may end: in their own time, and so much for noting that.
const FINISH: Duration = Duration::from_secs(15);
/// But no longer where we are told to stop: service managers wait for a minute and a half.
const STOP: Duration = Duration::from_secs(80);

/// How long to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until told to stop.
    Stopped,
    /// Until nothing is left, or nothing came for a long time.
    Idle,
    /// Until nothing is left, or so long.
    Drained(Duration),
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was enough.
    Enough,
    /// It was told to.
    Stopped,
    /// It was told something else: the configuration has changed.
    Changed,
}

/// One who delivers.
pub struct Drain {
    config: Config,
    outlets: Outlets,
    store: Option<Store>,
    spool: Mutex<Spool>,
    /// Counts up when there is something new to look at.
    news: watch::Sender<u64>,
    /// No new deliveries.
    closing: watch::Sender<bool>,
    /// Why the store could not be asked, and since when.
    away: Mutex<Option<(String, Instant)>>,
    /// Why each sink failed last, as far as it was told.
    reasons: Mutex<BTreeMap<String, String>>,
}

/// What is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Events that nobody looked at.
    pub unjudged: u64,
    /// Events that some sink lacks.
    pub pending: u64,
}

impl Left {
    /// Nothing is.
    pub fn nothing(self) -> bool {
        self.unjudged == 0 && self.pending == 0
    }
}

impl Drain {
    /// Delivers from this spool to these.
    pub fn new(config: Config, outlets: Outlets, store: Option<Store>, spool: Spool) -> Self {
        Self {
            config,
            outlets,
            store,
            spool: Mutex::new(spool),
            news: watch::Sender::new(0),
            closing: watch::Sender::new(false),
            away: Mutex::new(None),
            reasons: Mutex::new(BTreeMap::new()),
        }
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether there is anybody to deliver to.
    pub fn can_deliver(&self) -> bool {
        !self.names().is_empty()
    }

    /// Delivers, until `until`, `stop` or `changed`. The spool's lock is held meanwhile.
    pub async fn run(
        &self,
        lock: &DrainLock,
        until: Until,
        stop: impl Future<Output = ()>,
        changed: impl Future<Output = ()>,
    ) -> Result<Ended, SpoolError> {
        let names = self.names();
        for (sink, events) in self.spool(|spool| spool.lacked_by_others(&names))? {
            warn!(
                sink,
                events, "the configuration does not name this sink; its events wait in the spool"
            );
        }
        if names.is_empty() {
            warn!("no receiver is configured; events wait in the spool");
            if until != Until::Stopped {
                return Ok(Ended::Enough);
            }
        }
        if self.store.is_none() {
            self.spool(Spool::own_book_only)?;
        }
        let nudged = Nudged::listen(&self.config.spool, lock);
        if matches!(until, Until::Drained(_)) {
            self.spool(Spool::all_due)?;
        }
        self.closing.send_replace(false);
        let sinks = self
            .outlets
            .iter()
            .map(|sink| self.keep(deliver::Taker::Outlet(&**sink)));
        let counting = self.store.as_ref().filter(|store| store.config().counts);
        let store = counting.map(|store| self.keep(deliver::Taker::Store(store)));
        let mut all = std::pin::pin!(join_all(sinks.chain(store)));
        let ended = tokio::select! {
            () = stop => Ok(Ended::Stopped),
            () = changed => Ok(Ended::Changed),
            enough = self.enough(until, &names) => enough,
            failed = self.judge(&nudged) => failed,
            failed = self.share() => failed,
            _ = &mut all, if !names.is_empty() => Ok(Ended::Enough),
        };
        // What has begun is brought to its end: a delivery that nobody noted would be made again.
        self.closing.send_replace(true);
        let longest = self.outlets.iter().map(|sink| sink.deadline()).max();
        let finish = longest.unwrap_or_default() + FINISH;
        let _ = timeout(
            if matches!(ended, Ok(Ended::Stopped)) {
                finish.min(STOP)
            } else {
                finish
            },
            all,
        )
        .await;
        ended
    }

    /// What is left.
    pub fn left(&self) -> Result<Left, SpoolError> {
        let (unjudged, pending) = self.spool(Spool::waiting)?;
        Ok(Left { unjudged, pending })
    }

    fn spool<T>(&self, work: impl FnOnce(&mut Spool) -> Result<T, SpoolError>) -> Result<T, SpoolError> {
        // Nobody panics with the lock held; and the spool is whole anyway.
        work(&mut self.spool.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the store cannot be asked, if it cannot.
    fn away(&self) -> MutexGuard<'_, Option<(String, Instant)>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_news(&self) {
        self.news.send_modify(|n| *n += 1);
    }

    /// The sinks that this configuration names.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.outlets.iter().map(|sink| sink.name()).collect();
        if self.store.as_ref().is_some_and(|store| store.config().counts) {
            names.push(store::NAME);
        }
        names
    }

    /// Returns when it is enough.
    async fn enough(&self, until: Until, names: &[&str]) -> Result<Ended, SpoolError> {
        let began = Instant::now();
        let mut newest = began;
        let mut news = self.news.subscribe();
        loop {
            let now = Instant::now();
            let (again, enough) = match until {
                Until::Stopped => return std::future::pending().await,
                Until::Idle => (LOOK, now >= newest + LINGER),
                Until::Drained(most) => (Duration::from_millis(20), now >= began + most),
            };
            let waits = if until == Until::Idle {
                IDLE
            } else {
                Duration::ZERO
            };
            if enough || (now >= newest + waits && !self.spool(|spool| spool.anything_for(names))?) {
                return Ok(Ended::Enough);
            }
            tokio::select! {
                () = sleep(again) => {}
                changed = news.changed(), if until == Until::Idle => {
                    if changed.is_ok() { newest = Instant::now(); }
                }
            }
        }
    }

    /// Finds out which events the new ones are, in the order in which they came.
    async fn judge(&self, nudged: &Nudged) -> Result<Ended, SpoolError> {
        let mut trim = Instant::now();
        loop {
            if Instant::now() >= trim {
                trim = Instant::now() + TRIM;
                let dropped = self.spool(|spool| spool.trim(Timestamp::now()))?;
                if dropped > 0 {
                    warn!(events = dropped, "dropped from the spool: too many, or too old");
                }
            }
            while !self.names().is_empty()
                && let Some(spooled) = self.spool(Spool::unjudged)?
            {
                self.judge_one(&spooled)?;
                self.tell_news();
                tokio::task::yield_now().await;
            }
            match timeout(LOOK, nudged.next()).await {
                Ok(Nudge::Now) => {
                    self.spool(Spool::all_due)?;
                    self.tell_news();
                }
                Ok(Nudge::New) | Err(_) => {}
            }
        }
    }

    fn judge_one(&self, spooled: &Spooled) -> Result<(), SpoolError> {
        let telling = &spooled.telling;
        // The spool gives out only what says something.
        let Some(call) = telling.call() else { return Ok(()) };
        let group = group(&call);
        let mut book = self.spool(|spool| spool.book(group))?;
        let identity = identity::judge(&mut book, &report(telling, &call));
        let own = self.config.takers(call.event());
        let takers = own.iter().chain(&telling.takers).map(String::as_str).collect();
        let sharing = match self.store {
            Some(_) => Sharing::Store,
            None => Sharing::Own,
        };
        self.spool(|spool| spool.judged(spooled.seq, group, &book, &identity, &takers, sharing))
    }
}

fn report<'a>(telling: &'a crate::spool::Telling, call: &'a Call) -> Report<'a> {
    Report {
        call,
        at: telling.at,
        sentinel: &telling.sentinel,
        seen: telling.seen.as_ref(),
    }
}

/// The name of the group's book.
fn group(call: &Call) -> &str {
    call.pod().unwrap_or(NO_GROUP)
}
