//! Whether our own Redis hangs, and what is done about it.
//!
//! Only a master that somebody could replace is ended for not answering: ending it is the quickest way to a master that does. A
//! Redis that loads is well; one that is held by a script is freed of it first. Everything else is the Sentinels' patience,
//! which would move the role away at that moment anyway, and leave two masters behind.

use std::time::{Duration, Instant};

use failover::Mover;
use instance::InstanceError;
use supervisor::Child;
use tokio::time::{MissedTickBehavior, interval};
use topology::{Addr, Role};
use tracing::{error, info, warn};

use crate::launch::local_addr;
use crate::run::Wrapper;

const EVERY: Duration = Duration::from_millis(250);
const DEADLINE: Duration = Duration::from_millis(500);
/// A process that is stopped by a signal is not slow.
const STOPPED: Duration = Duration::from_secs(1);
/// Where no Sentinel says how patient it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of a Redis that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// For how long.
    pub lasting: Duration,
    /// How it does not answer.
    pub kind: Kind,
    /// What it was when it last answered.
    pub part: Part,
    /// What the kernel says of its process.
    pub process: Process,
    /// How long the Sentinels wait.
    pub patience: Duration,
    /// Whether its script has been asked to end already.
    pub script: Script,
}

/// How it does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not at all.
    Silent,
    /// It is held by a script.
    Busy,
    /// It reads its data set.
    Loading,
}

/// What the group loses with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A master with replicas, one of which can take its place.
    ReplaceableMaster,
    /// A replica, or a master that nobody could replace.
    Irreplaceable,
}

/// What the kernel says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It runs, or waits for something.
    Alive,
    /// It was stopped by a signal.
    Stopped,
}

/// Whether a script was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Not yet.
    Untouched,
    /// Yes, and it goes on: it has written, and nothing but death ends it.
    Asked,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Remedy {
    /// Nothing.
    Wait(WhyWait),
    /// `SCRIPT KILL`.
    KillScript,
    /// SIGKILL.
    Kill(WhyKill),
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyWait {
    /// It will answer.
    Loading,
    /// Nobody would be better off.
    NobodyCouldTakeOver,
    /// It may yet answer.
    Patience,
}

/// Why it is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyKill {
    /// Its process is stopped.
    Stopped,
    /// It has not answered for as long as the Sentinels wait.
    Hung,
    /// A script that cannot be ended holds it.
    UnkillableScript,
}

/// Judges.
pub fn remedy(silence: &Silence) -> Remedy {
    let Silence {
        lasting,
        kind,
        part,
        process,
        patience,
        script,
    } = *silence;
    match (kind, part) {
        (Kind::Loading, _) => Remedy::Wait(WhyWait::Loading),
        (_, Part::Irreplaceable) => Remedy::Wait(WhyWait::NobodyCouldTakeOver),
        (Kind::Silent, _) if process == Process::Stopped && lasting >= STOPPED => {
            Remedy::Kill(WhyKill::Stopped)
        }
        _ if lasting < patience => Remedy::Wait(WhyWait::Patience),
        (Kind::Silent, _) => Remedy::Kill(WhyKill::Hung),
        (Kind::Busy, _) if script == Script::Untouched => Remedy::KillScript,
        (Kind::Busy, _) => Remedy::Kill(WhyKill::UnkillableScript),
    }
}

/// Feels the pulse for as long as the child runs; the caller stops polling it.
pub(crate) async fn watch(wrapper: &Wrapper, mover: &Mover, child: &Child) {
    let redis = wrapper
        .dialer
        .within(DEADLINE)
        .lasting_redis(&local_addr(&wrapper.config.network));
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered = Instant::now();
    let (mut part, mut script, mut patience) = (Part::Irreplaceable, Script::Untouched, PATIENCE);
    let mut said = None;
    loop {
        tick.tick().await;
        let looked_at = Instant::now();
        let kind = match redis.snapshot().await {
            Ok(snapshot) => {
                let replication = &snapshot.replication;
                let replaceable = replication.role == Role::Master && replication.connected_replicas > 0;
                part = if replaceable {
                    Part::ReplaceableMaster
                } else {
                    Part::Irreplaceable
                };
                (answered, script, said) = (looked_at, Script::Untouched, None);
                continue;
            }
            Err(InstanceError::Loading { .. }) => Kind::Loading,
            Err(InstanceError::Busy { .. }) => Kind::Busy,
            // An error is an answer too, such as that there are too many clients.
            Err(InstanceError::Protocol { .. }) => {
                answered = looked_at;
                continue;
            }
            // Nobody listens: the child's end says so better. It is let in by nobody else either.
            Err(InstanceError::Refused { .. } | InstanceError::Denied { .. }) => continue,
            Err(_) => Kind::Silent,
        };
        if said.is_none() {
            patience = sentinels_patience(wrapper, mover).await;
        }
        let silence = Silence {
            lasting: answered.elapsed(),
            kind,
            part,
            process: process(child.pid()),
            patience,
            script,
        };
        let remedy = remedy(&silence);
        let changed = said != Some(remedy);
        said = Some(remedy);
        match remedy {
            Remedy::Wait(why) if changed => {
                info!(reason = ?why, elapsed_ms = silence.lasting.as_millis(), "redis does not answer; left alone");
            }
            Remedy::Wait(_) => {}
            Remedy::KillScript => {
                warn!(
                    elapsed_ms = silence.lasting.as_millis(),
                    "a script holds redis; ending the script"
                );
                script = Script::Asked;
                if let Ok(redis) = redis.get().await {
                    let _: Result<(), _> = redis.kill_script().await;
                }
            }
            Remedy::Kill(why) => {
                error!(reason = ?why, elapsed_ms = silence.lasting.as_millis(), pid = child.pid(), "redis hangs; killing it, so that a replica takes over");
                child.kill();
                return std::future::pending().await;
            }
        }
    }
}

/// The shortest down-after of the registered Sentinels: then they would act.
async fn sentinels_patience(wrapper: &Wrapper, mover: &Mover) -> Duration {
    let sentinels = wrapper.registry.tree().sentinels();
    let Ok(registered) = wrapper.registry.children(&sentinels).await else {
        return PATIENCE;
    };
    let addrs: Vec<Addr> = crate::observe::addresses(&registered).into_iter().collect();
    let ask = addrs.iter().map(|addr| async move {
        let sentinel = mover.links.sentinel(addr).get().await.ok()?.within(DEADLINE);
        let report = sentinel.report(&wrapper.config.group.name).await.ok()??;
        Some(report.down_after)
    });
    let answers = futures_util::future::join_all(ask).await;
    answers.into_iter().flatten().min().unwrap_or(PATIENCE)
}

/// The third word of `/proc/<pid>/stat`, after the name in brackets (proc(5)).
fn process(pid: u32) -> Process {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.trim_start().chars().next());
    match state {
        Some('T' | 't') => Process::Stopped,
        Some(_) | None => Process::Alive,
    }
}

#[cfg(test)]
mod tests;
