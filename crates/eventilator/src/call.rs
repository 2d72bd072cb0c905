//! A call of Sentinel's: ask, spool, see that somebody delivers, end. Nothing here waits for a sink.
//!
//! The exit codes are Sentinel's (`sentinelCollectTerminatedScripts`): 0 done, 1 call again later, 2 never again.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use tracing::{error, warn};

use crate::ask::ask;
use crate::config::{self, Config, ForCall, Problems};
use crate::event::Notice;
use crate::journal;
use crate::lock::{self, DrainLock, Nudge};
use crate::message::Call;
use crate::mode::{self, Mode};
use crate::owner;
use crate::reconfiguration::Reconfiguration;
use crate::spool::{Spool, Telling};
use crate::verbs::complain;

/// What Sentinel is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Done,
    /// Call again later.
    Again,
    /// Never again.
    Never,
}

impl Verdict {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Again => 1,
            Self::Never => 2,
        }
    }
}

/// Takes a call.
pub fn call(
    mode: Mode,
    arguments: Vec<String>,
    program: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Verdict {
    let (ForCall { config, problems }, became) = match config::for_call(mode, env) {
        Ok(read) => as_owner(read, env),
        Err(Problems(problems)) => {
            // Sentinel keeps the event and calls again, up to four hours later: time to mend it.
            journal::begin(&config::usual_log(mode, env));
            let event = arguments.join(" ");
            for reason in problems {
                error!(
                    event,
                    reason, "the configuration cannot be used; Sentinel will call again"
                );
            }
            return Verdict::Again;
        }
    };
    journal::begin(&config.log);
    if let Err(problem) = became {
        let reason = chain(&problem);
        warn!(
            reason,
            "the spool belongs to somebody else, and what is made in it will not"
        );
    }
    for reason in problems {
        // What is spooled now is delivered when it is mended.
        error!(
            reason,
            "the configuration is wrong; events are spooled, and nothing is delivered until it is mended"
        );
    }
    let telling = match understood(mode, &arguments) {
        Ok(call) => {
            let answer = ask(&config.sentinel, &call);
            Telling {
                arguments,
                at: Timestamp::now(),
                sentinel: answer.sentinel,
                seen: answer.seen,
                host: config::host_name(),
                takers: config.takers(call.event()),
            }
        }
        Err(problem) => {
            error!(
                arguments = arguments.join(" "),
                reason = problem,
                "this call says nothing"
            );
            // Whoever types it looks here, and not into the log.
            complain(&problem);
            return Verdict::Never;
        }
    };
    match Spool::open(&config.spool, config.limits).and_then(|mut spool| spool.put(&telling)) {
        Ok(()) => {
            see_to_delivery(&config, program);
            Verdict::Done
        }
        Err(problem) => {
            let event = telling.arguments.join(" ");
            let reason = chain(&problem);
            error!(
                event,
                reason, "the event cannot be spooled; Sentinel will call again"
            );
            Verdict::Again
        }
    }
}

/// Becomes whoever the spool belongs to, and reads again what that user can read. An event that root could spool is not lost for that.
fn as_owner(
    read: ForCall,
    env: &dyn Fn(&str) -> Option<String>,
) -> (ForCall, Result<(), supervisor::RunAsError>) {
    let mut read = read;
    match owner::become_owner(&read.config.spool) {
        Ok(false) => (read, Ok(())),
        Ok(true) => {
            match config::for_call(read.config.mode, env) {
                Ok(again) => read = again,
                Err(Problems(problems)) => read.problems = problems,
            }
            (read, Ok(()))
        }
        Err(problem) => (read, Err(problem)),
    }
}

fn understood(mode: Mode, arguments: &[String]) -> Result<Call, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (mode, &words[..]) {
        (Mode::Eventilator, [event, text]) if mode::is_event(event) => {
            Ok(Call::Notice(Notice::read(event, text)))
        }
        (Mode::Eventilator, [event, _]) => Err(format!(
            "`{event}` is no event: those begin with + or -; write for example: \
             eventilator +odown \"master m1 10.0.0.1 6379\""
        )),
        (Mode::Eventilator, words) => Err(format!(
            "{} arguments; Sentinel's notification script gets two: the event, and its description as one",
            words.len()
        )),
        (Mode::Reconfigurator, words) => {
            let seven = <[&str; 7]>::try_from(words).map_err(|_| {
                format!(
                    "{} arguments; Sentinel's client-reconfig script gets seven: \
                     <master> <role> <state> <from-ip> <from-port> <to-ip> <to-port>",
                    words.len()
                )
            })?;
            let read = Reconfiguration::read(seven).map_err(|problem| problem.to_string())?;
            Ok(Call::Reconfiguration(read))
        }
    }
}

/// Wakes whoever delivers, or leaves somebody behind who does. What fails here loses nothing: the next call tries again.
fn see_to_delivery(config: &Config, program: &Path) {
    match DrainLock::try_take(&config.spool) {
        Ok(None) => lock::nudge(&config.spool, Nudge::New),
        Ok(Some(lock)) => {
            drop(lock);
            leave_behind(config, program);
        }
        Err(problem) => warn!(reason = %problem, "the spool's lock cannot be taken"),
    }
}

/// Starts a drainer that goes on without us.
pub(crate) fn leave_behind(config: &Config, program: &Path) {
    let mut drainer = Command::new(program);
    drainer
        .arg0(config.mode.name())
        .args(["drain", "--left-behind", "--mode", config.mode.name()])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(problem) = drainer.spawn() {
        warn!(reason = %problem, "nobody delivers; the next call will try again");
    }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
