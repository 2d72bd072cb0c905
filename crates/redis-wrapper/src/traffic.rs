//! Which traffic may go to this Redis: writes to the recorded master alone, reads to a replica that is not far behind. Pure.
//!
//! A health check that only asks for the role lets writes through to a master that came back from the dead; so the record must
//! name this very process, and say that the change is done.

use httpd::Check;
use instance::Snapshot;
use topology::{Addr, LinkStatus, Role};
use zkpaths::{Phase, State};

/// What is known when the question comes.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The address we announce.
    pub me: &'a Addr,
    /// What our Redis just said; `None` if it did not answer.
    pub redis: Option<&'a Snapshot>,
    /// Why it is fenced, where it is.
    pub fenced: Option<&'a str>,
    /// `/redis/state` as last read.
    pub record: Option<&'a State>,
    /// How far the recorded master had come, a second ago at most.
    pub master_offset: Option<i64>,
}

/// `/primary`.
pub fn primary(seen: &Seen<'_>) -> Check {
    let (redis, state) = match basics(seen) {
        Ok(both) => both,
        Err(no) => return no,
    };
    if redis.replication.role != Role::Master {
        return no("a replica");
    }
    if state.master.addr != *seen.me {
        return no(&format!("the recorded master is {}", state.master.addr));
    }
    if state.phase != Phase::Settled {
        return no("its promotion is not done yet");
    }
    match &state.master.run_id {
        Some(run_id) if *run_id != redis.run_id => no("the record names an earlier process"),
        Some(_) | None => yes(&format!("master as of epoch {}", state.epoch)),
    }
}

/// `/replica`, with `max-lag=<bytes>` or without.
pub fn replica(seen: &Seen<'_>, query: &str) -> Check {
    let max_lag = match max_lag(query) {
        Ok(max_lag) => max_lag,
        Err(problem) => return Check::Unclear { problem },
    };
    let (redis, state) = match basics(seen) {
        Ok(both) => both,
        Err(no) => return no,
    };
    let replication = &redis.replication;
    match &replication.role {
        Role::Master => return no("a master"),
        Role::Replica { of } if *of != state.master.addr => {
            return no(&format!(
                "it follows {of}, and the recorded master is {}",
                state.master.addr
            ));
        }
        Role::Replica { .. } if replication.link != Some(LinkStatus::Up) => {
            return no("its link to the master is down");
        }
        Role::Replica { .. } => {}
    }
    let (Some(max), Some(master)) = (max_lag, seen.master_offset) else {
        return match max_lag {
            None => yes("a replica in step"),
            Some(_) => no("nobody knows how far the master has come"),
        };
    };
    let lag = master.saturating_sub(replication.offset).max(0);
    if lag <= max {
        yes(&format!("a replica {lag} bytes behind"))
    } else {
        no(&format!("{lag} bytes behind, and max-lag is {max}"))
    }
}

fn basics<'a>(seen: &Seen<'a>) -> Result<(&'a Snapshot, &'a State), Check> {
    if let Some(why) = seen.fenced {
        return Err(no(&format!("fenced: {why}")));
    }
    let redis = seen.redis.ok_or_else(|| no("redis does not answer"))?;
    let state = seen.record.ok_or_else(|| no("no master is recorded"))?;
    Ok((redis, state))
}

fn max_lag(query: &str) -> Result<Option<i64>, String> {
    let mut max = None;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let value = part.strip_prefix("max-lag=").ok_or_else(|| {
            format!("{part:?} is not known here; max-lag=<bytes> is, for example /replica?max-lag=1000000")
        })?;
        let bytes = value.parse::<u32>().map_err(|_| {
            format!("max-lag={value} is not a number of bytes, for example /replica?max-lag=1000000")
        })?;
        max = Some(i64::from(bytes));
    }
    Ok(max)
}

fn yes(reason: &str) -> Check {
    Check::Yes {
        reason: reason.to_owned(),
    }
}

fn no(reason: &str) -> Check {
    Check::No {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
