//! Watching the master as its neighbour: an idle connection that is closed when its process dies, the lease when its host does.
//!
//! A closed connection only means *try again*; what it takes to act is [`failover::evidence`]'s to say. Every wrapper of the group keeps
//! this vigil, and the failover lock makes one of them the one that acts. A move of the role that somebody left unfinished is finished
//! from here as well, by whoever finds it.

mod witnesses;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use failover::evidence::{Evidence, LastTry, NoWarrant, warrant};
use failover::{Deadlines, LeaseSeen, Mover, Outcome, Stop, Warrant};
use registry::{Followed, Freshness, Version, Znode};
use tokio::sync::watch;
use tokio::time::sleep;
use topology::Addr;
use tracing::{debug, info, warn};
use zkpaths::{Lease, Phase, RecordedMaster, State};

use self::witnesses::{answers, ask_sentinels, tried};
use crate::moves::Moves;
use crate::run::Wrapper;

const DEADLINES: Deadlines = Deadlines {
    lock: Duration::from_secs(8),
    whole: Duration::from_secs(20),
};
const DIAL_DEADLINE: Duration = Duration::from_millis(250);
/// For a master that has just not answered: it will be asked again.
const DIAL_AGAIN: Duration = Duration::from_millis(50);
/// Between two tries at a master that is not there.
const TRY_AGAIN: Duration = Duration::from_millis(4);
/// The Sentinels notice a closed connection 1 to 4 ms after a kill; they are asked this often, and then more and more seldom.
const ASK_AGAIN: Duration = Duration::from_millis(4);
const ASK_SELDOM: Duration = Duration::from_millis(500);
/// Before an attempt that came to nothing is repeated; doubled each time.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Whoever is moving the role gets this long before others look whether it has died.
const UNFINISHED: Duration = Duration::from_secs(1);
/// Connections to Sentinels are opened and tried out this often, so that they are there when they are needed.
const WARM_UP: Duration = Duration::from_secs(30);
/// A master without a lease is looked at this often.
const NO_LEASE: Duration = Duration::from_secs(1);

/// What the vigil watches over.
pub(crate) struct Vigil<'a> {
    wrapper: &'a Wrapper,
    mover: &'a Mover,
    moves: &'a Moves,
    state: watch::Receiver<Followed<Option<Znode>>>,
    lease: watch::Receiver<Followed<Option<Znode>>>,
    sentinels: watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>>,
    lease_since: Option<(Version, Instant)>,
    failures: u32,
    last: Option<String>,
}

/// What ended one watch.
enum Woke {
    /// The record or the lease changed: look again.
    Changed,
    /// The master did not answer, one way or the other.
    Lost(LastTry),
    /// Its connection stands, and nothing comes.
    Silent,
    /// A move of the role has been under way for long.
    Unfinished,
    /// Time to see that the connections are there.
    WarmUp,
}

impl<'a> Vigil<'a> {
    pub(crate) fn new(wrapper: &'a Wrapper, mover: &'a Mover, moves: &'a Moves) -> Self {
        let tree = wrapper.registry.tree();
        Self {
            wrapper,
            mover,
            moves,
            state: wrapper.registry.follow(tree.state()),
            lease: wrapper.registry.follow(tree.lease()),
            sentinels: wrapper.registry.follow_children(tree.sentinels()),
            lease_since: None,
            failures: 0,
            last: None,
        }
    }

    /// Watches for ever; the caller stops polling it.
    pub(crate) async fn keep(&mut self) {
        let mut warm_at = tokio::time::Instant::now();
        let mut changes = self.state.clone();
        loop {
            self.note_lease();
            changes.mark_unchanged();
            let state = self.recorded();
            let woke = tokio::select! {
                changed = changes.changed() => { pause_if_ended(changed.is_err()).await; Woke::Changed }
                woke = self.watch(state.as_ref()) => woke,
                () = tokio::time::sleep_until(warm_at) => Woke::WarmUp,
            };
            match (woke, state) {
                (Woke::WarmUp, _) => {
                    warm_at = tokio::time::Instant::now() + WARM_UP;
                    if let Err(reason) = self.mover.warm_up().await {
                        debug!(reason = %reason, "connections not opened ahead");
                    }
                }
                (Woke::Lost(last), Some(state)) => self.judge(&state.master, last, DIAL_DEADLINE).await,
                (Woke::Silent, Some(state)) => {
                    self.judge(&state.master, LastTry::Unreachable, DIAL_AGAIN).await;
                }
                (Woke::Unfinished, Some(_)) => self.act(Warrant::Unfinished, Instant::now()).await,
                (Woke::Changed, _) | (Woke::Lost(_) | Woke::Silent | Woke::Unfinished, None) => {}
            }
        }
    }

    /// The record, if the copy is as good as a read.
    fn recorded(&self) -> Option<State> {
        let followed = self.state.borrow();
        let node = followed
            .value
            .as_ref()
            .filter(|_| followed.freshness == Freshness::Current)?;
        State::decode(&node.as_ref()?.data).ok()?
    }

    /// The lease, with how long we have seen its version.
    fn note_lease(&mut self) -> Option<LeaseSeen> {
        let followed = self.lease.borrow_and_update();
        let node = followed
            .value
            .as_ref()
            .filter(|_| followed.freshness == Freshness::Current)?;
        let node = node.as_ref()?;
        let lease = Lease::decode(&node.data).ok()??;
        let now = Instant::now();
        let at = match self.lease_since {
            Some((version, at)) if version == node.version => at,
            Some(_) | None => now,
        };
        self.lease_since = Some((node.version, at));
        self.mover.saw_lease(node.version);
        Some(LeaseSeen {
            lease,
            version: node.version,
            unchanged_for: now - at,
        })
    }

    /// Ends when there is something to look at. Nothing is polled while all is well.
    async fn watch(&mut self, state: Option<&State>) -> Woke {
        let Some(state) = state else {
            return std::future::pending().await;
        };
        // What a newer version has begun (`Phase::Other`) is not ours to finish; that its master is lost is seen all the same.
        if state.phase == Phase::Promoting {
            sleep(UNFINISHED).await;
            return Woke::Unfinished;
        }
        let master = &state.master.addr;
        if *master == self.wrapper.identity.addr {
            return std::future::pending().await;
        }
        if self.failures > 0 {
            let pause = PAUSE.saturating_mul(1 << self.failures.min(5)).min(LONGEST_PAUSE);
            sleep(pause.mul_f64(0.75 + rand_half())).await;
        }
        let dialer = self.wrapper.dialer.within(DIAL_DEADLINE);
        let redis = match dialer.redis(master).await {
            Ok(redis) => redis,
            Err(error) => {
                sleep(TRY_AGAIN).await;
                return Woke::Lost(tried(&Err(error)));
            }
        };
        self.failures = 0;
        loop {
            tokio::select! {
                () = redis.closed() => return Woke::Lost(LastTry::Unreachable),
                half = self.lease_grows_old(&state.master) => {
                    if !answers(&redis).await {
                        return Woke::Silent;
                    }
                    // Looked at again and again until it is renewed.
                    sleep(half / 4).await;
                }
            }
        }
    }

    /// Ends when the lease has not been renewed for half its length, which it returns; after a while where none is kept.
    async fn lease_grows_old(&mut self, master: &RecordedMaster) -> Duration {
        loop {
            let Some(seen) = self.note_lease().filter(|seen| seen.lease.covers(master)) else {
                tokio::select! {
                    changed = self.lease.changed() => pause_if_ended(changed.is_err()).await,
                    () = sleep(NO_LEASE) => return Duration::ZERO,
                }
                continue;
            };
            let half = seen.lease.length() / 2;
            if seen.unchanged_for >= half {
                return half;
            }
            tokio::select! {
                changed = self.lease.changed() => pause_if_ended(changed.is_err()).await,
                () = sleep(half.saturating_sub(seen.unchanged_for)) => {}
            }
        }
    }

    /// Gathers what proves that the master is gone, until it does or the master answers.
    async fn judge(&mut self, recorded: &RecordedMaster, last: LastTry, mut patience: Duration) {
        let master = &recorded.addr;
        let since = Instant::now();
        let mut evidence = Evidence {
            master: master.clone(),
            last,
            refused: 0,
            sentinels: 0,
            quorum: 1,
            lost_by: 0,
            silent_for: 0,
            down_by: 0,
            lease: None,
        };
        loop {
            let dialer = self.wrapper.dialer.within(patience);
            let registered = self.sentinels.borrow().value.clone().unwrap_or_default();
            // Side by side: a host that is cut off costs both their deadlines.
            let (dialled, heard) = tokio::join!(
                dialer.redis(master),
                ask_sentinels(self.wrapper, self.mover, &registered, master)
            );
            evidence.last = tried(&dialled);
            evidence.refused = match evidence.last {
                LastTry::Refused => evidence.refused + 1,
                LastTry::Answered | LastTry::Unreachable => 0,
            };
            if evidence.last == LastTry::Refused && evidence.refused < failover::evidence::REFUSALS {
                sleep(TRY_AGAIN).await;
                continue;
            }
            if evidence.last != LastTry::Answered {
                heard.tell(&mut evidence);
                if self.sentinels.borrow().freshness != Freshness::Current {
                    // Nobody knows that there are none.
                    evidence.sentinels = evidence.sentinels.max(1);
                }
                patience = DIAL_AGAIN;
                evidence.lease = self.note_lease().filter(|seen| seen.lease.covers(recorded));
            }
            match warrant(&evidence) {
                Ok(warrant) => return self.act(warrant, since).await,
                Err(NoWarrant::Answers) => {
                    debug!(%master, "the connection to the master was closed; it answers");
                    return;
                }
                Err(why) => self.refused(master, why),
            }
            if self.recorded().is_none_or(|state| state.master.addr != *master) {
                return;
            }
            let often = since.elapsed() < Duration::from_secs(2);
            sleep(if often { ASK_AGAIN } else { ASK_SELDOM }).await;
        }
    }

    /// Every refusal is counted, and said once until it changes.
    fn refused(&mut self, master: &Addr, why: NoWarrant) {
        self.moves.held_back(why.word());
        if self.last.as_deref() != Some(why.word()) {
            info!(%master, reason = %why, "the master does not answer; not replaced yet");
            self.last = Some(why.word().to_owned());
        }
    }

    async fn act(&mut self, warrant: Warrant, since: Instant) {
        let outcome = self.moves.run(self.mover, warrant, since, DEADLINES).await;
        self.last = None;
        self.failures = match outcome {
            // Whoever took its place is watched at once: it may die as well.
            Outcome::Moved(_) | Outcome::Finished(_) | Outcome::Stopped(Stop::EpochMovedOn(_)) => 0,
            Outcome::Stopped(_) | Outcome::Waited(_) | Outcome::NotReady(_) | Outcome::Failed(_) => {
                self.failures.saturating_add(1)
            }
        };
    }
}

/// A followed copy that has ended must not make the loop spin; the program is about to end.
async fn pause_if_ended(ended: bool) {
    if ended {
        warn!("the followed record has ended");
        sleep(LONGEST_PAUSE).await;
    }
}

/// A random number below one half.
fn rand_half() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 512.0
}
