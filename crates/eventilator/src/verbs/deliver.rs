//! `drain`, `serve`, and the drainer that a call leaves behind.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{LEFT, OK, Reading, VerbError, complain, say};
use crate::call::{self, chain};
use crate::config::{Config, Problems, Read};
use crate::drain::{Drain, Ended, Until};
use crate::journal;
use crate::lock::{DrainLock, Nudge, nudge};
use crate::mode::Mode;
use crate::outlets::outlets;
use crate::spool::Spool;
use crate::store::Store;

/// Whether the configuration has changed is looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// A service that cannot use its spool or its configuration tries again after so long.
const REST: Duration = Duration::from_secs(5);
/// Somebody else's lock is tried so often.
const LOCK: Duration = Duration::from_millis(100);

/// Delivers from each spool.
pub(super) fn deliver(modes: &[Mode], read: &Reading<'_>, until: Until, json: bool) -> Result<u8, VerbError> {
    if until == Until::Idle {
        // Whoever started the call goes on without us, and must not take us along.
        supervisor::leave_session();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(VerbError::System)?;
    if until == Until::Stopped {
        // At its start it ends with what is wrong; later it waits until that is mended.
        super::read_all(modes, read)?;
    }
    let code = runtime.block_on(async {
        let stop = supervisor::Stop::on_signals().map_err(VerbError::System)?;
        let all = modes.iter().map(|mode| one(*mode, read, until, stop.token()));
        let mut code = OK;
        for done in futures_util::future::join_all(all).await {
            code = code.max(done?);
        }
        Ok::<u8, VerbError>(code)
    });
    runtime.shutdown_background();
    let code = code?;
    match (until, json, code) {
        (Until::Drained(_), true, _) => {
            say(&serde_json::json!({ "everything_delivered": code == OK }).to_string());
        }
        (Until::Drained(_), false, OK) => say("everything is delivered"),
        (Until::Drained(_) | Until::Idle | Until::Stopped, _, _) => {}
    }
    Ok(code)
}

async fn one(mode: Mode, read: &Reading<'_>, until: Until, stop: CancellationToken) -> Result<u8, VerbError> {
    let began = Instant::now();
    loop {
        let done = tenure(mode, read, until, began, &stop).await;
        match done {
            Ok(Some(code)) => return Ok(code),
            // The configuration has changed.
            Ok(None) => {}
            Err(problem) => {
                // A service's other script goes on, and who was left behind has nobody to complain to.
                error!(
                    mode = mode.name(),
                    reason = chain(&problem),
                    "nothing is delivered; see eventilator --check"
                );
                if until != Until::Stopped {
                    return Err(problem);
                }
                // A service goes on when it can.
                tokio::select! {
                    () = stop.cancelled() => return Ok(OK),
                    () = sleep(REST) => {}
                }
            }
        }
    }
}

/// Delivers by one configuration. Nothing comes of it but that there is another one.
async fn tenure(
    mode: Mode,
    read: &Reading<'_>,
    until: Until,
    began: Instant,
    stop: &CancellationToken,
) -> Result<Option<u8>, VerbError> {
    let Read { config, warnings } = read(mode)?;
    match until {
        Until::Stopped => journal::begin_here(),
        Until::Idle | Until::Drained(_) => journal::begin(&config.log),
    }
    for reason in warnings {
        warn!(reason, "check the configuration");
    }
    let drain = drain(config.clone())?;
    let Some(lock) = lock(&drain, until, began, stop).await? else {
        return Ok(Some(verdict(&drain, until)?));
    };
    if until == Until::Stopped {
        let (mode, spool) = (mode.name(), config.spool.display().to_string());
        let receivers = drain.names().join(" ");
        info!(
            mode,
            version = env!("CARGO_PKG_VERSION"),
            spool,
            receivers,
            "delivering"
        );
    }
    let ended = drain
        .run(&lock, until, stop.cancelled(), changed(&config, read))
        .await?;
    drop(lock);
    if ended == Ended::Changed {
        info!(mode = mode.name(), "the configuration has changed");
        return Ok(None);
    }
    // A call may have found the lock taken just before it was let go; and what a person could not deliver is tried again.
    let left = drain.left()?;
    let goes_on = match until {
        // Where a service manager ends that one too, nothing is lost by it.
        Until::Idle | Until::Stopped => left.unjudged > 0 && drain.can_deliver(),
        Until::Drained(_) => !left.nothing() && drain.can_deliver(),
    };
    if goes_on {
        call::leave_behind(&config, Path::new("/proc/self/exe"));
    }
    Ok(Some(verdict(&drain, until)?))
}

fn drain(config: Config) -> Result<Drain, VerbError> {
    let mut spool = Spool::open(&config.spool, config.limits)?;
    let outlets = outlets(&config)
        .map_err(|problems| Problems(problems.iter().map(|problem| chain(problem)).collect()))?;
    let remembered = config.limits.age * 2;
    let store = match &config.store {
        Some(store) => Some(Store::new(store.clone(), spool.owner()?, remembered)?),
        None => None,
    };
    Ok(Drain::new(config, outlets, store, spool))
}

/// The lock; none if somebody else has it, and that is enough.
async fn lock(
    drain: &Drain,
    until: Until,
    began: Instant,
    stop: &CancellationToken,
) -> Result<Option<DrainLock>, VerbError> {
    let path = &drain.config().spool;
    let mut told = false;
    loop {
        if let Some(lock) = DrainLock::try_take(path).map_err(VerbError::System)? {
            return Ok(Some(lock));
        }
        match until {
            Until::Idle => return Ok(None),
            // A drainer that was left behind ends soon.
            Until::Stopped => {
                if !told {
                    let pid = DrainLock::holder(path);
                    info!(
                        mode = drain.config().mode.name(),
                        pid, "somebody else delivers; waiting for its end"
                    );
                }
                told = true;
            }
            Until::Drained(most) => {
                if !told {
                    nudge(path, Nudge::Now);
                }
                told = true;
                if drain.left()?.nothing() || began.elapsed() >= most {
                    return Ok(None);
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = sleep(LOCK) => {}
        }
    }
}

fn tell(reason: &str, told: &mut bool) {
    if !std::mem::replace(told, true) {
        warn!(
            reason,
            "the configuration has changed and cannot be used; the one before holds"
        );
    }
}

/// Returns when there is another configuration that can be used.
async fn changed(current: &Config, read: &Reading<'_>) {
    let mut told = false;
    loop {
        sleep(LOOK).await;
        match read(current.mode) {
            Ok(now) if now.config == *current => told = false,
            Ok(now) => match drain(now.config) {
                Ok(_) => return,
                Err(problem) => tell(&chain(&problem), &mut told),
            },
            Err(problems) => tell(&problems.to_string(), &mut told),
        }
    }
}

fn verdict(drain: &Drain, until: Until) -> Result<u8, VerbError> {
    let Until::Drained(_) = until else { return Ok(OK) };
    let left = drain.left()?;
    if left.nothing() {
        return Ok(OK);
    }
    let mode = drain.config().mode.name();
    let events = left.unjudged + left.pending;
    complain(&if drain.can_deliver() {
        format!("{mode}: {events} events are not delivered yet; `eventilator status` tells why")
    } else {
        format!("{mode}: {events} events wait, and no receiver is configured; see docs/eventilator.md")
    });
    Ok(LEFT)
}
