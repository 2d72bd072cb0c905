//! What waits, for whom, and why.

use serde::Serialize;

use super::{LEFT, OK, VerbError, say};
use crate::config::Read;
use crate::lock::DrainLock;
use crate::outlets::outlets;
use crate::spool::{Counter, Spool, Standing};
use crate::store;

#[derive(Serialize)]
struct Status {
    mode: &'static str,
    spool: String,
    /// The process that delivers; none if nobody does.
    delivers: Option<u32>,
    unjudged: u64,
    pending: u64,
    dropped: u64,
    unreadable: u64,
    sinks: Vec<SinkStatus>,
}

#[derive(Serialize)]
struct SinkStatus {
    name: String,
    pending: u64,
    oldest: Option<String>,
    failures: u32,
    reason: Option<String>,
    again: Option<String>,
    delivered: u64,
    repeated: u64,
    delivered_at: Option<String>,
}

fn look(ready: &Read) -> Result<Status, VerbError> {
    let config = &ready.config;
    let mut spool = Spool::open(&config.spool, config.limits)?;
    let (unjudged, pending) = spool.waiting()?;
    let mut names: Vec<String> = outlets(config)
        .map(|sinks| sinks.iter().map(|sink| sink.name().to_owned()).collect())
        .unwrap_or_default();
    if config.store.as_ref().is_some_and(|store| store.counts) {
        names.push(store::NAME.to_owned());
    }
    names.extend(spool.known_sinks()?);
    names.sort();
    names.dedup();
    let mut sinks = Vec::new();
    for name in names {
        let standing = spool.standing(&name)?;
        sinks.push(sink(name, standing));
    }
    Ok(Status {
        mode: config.mode.name(),
        spool: config.spool.display().to_string(),
        delivers: DrainLock::holder(&config.spool),
        unjudged,
        pending,
        dropped: spool.counter(Counter::Dropped)?,
        unreadable: spool.counter(Counter::Unreadable)?,
        sinks,
    })
}

fn sink(name: String, standing: Standing) -> SinkStatus {
    SinkStatus {
        name,
        pending: standing.pending,
        oldest: standing.oldest.map(|at| at.to_string()),
        failures: standing.failures,
        again: standing
            .due
            .filter(|_| standing.failures > 0)
            .map(|at| at.to_string()),
        reason: standing.reason,
        delivered: standing.delivered,
        repeated: standing.repeated,
        delivered_at: standing.delivered_at.map(|at| at.to_string()),
    }
}

/// Prints it. Exit code 1 where something waits because a sink fails.
pub(super) fn status(configs: &[Read], json: bool) -> Result<u8, VerbError> {
    let all = configs.iter().map(look).collect::<Result<Vec<_>, _>>()?;
    if json {
        say(&serde_json::to_string_pretty(&all).unwrap_or_default());
    } else {
        for status in &all {
            table(status);
        }
    }
    let failing = all.iter().flat_map(|status| &status.sinks);
    let failing = failing
        .filter(|sink| sink.failures > 0 && sink.pending > 0)
        .count();
    Ok(if failing == 0 { OK } else { LEFT })
}

fn table(status: &Status) {
    say(&format!(
        "{}  {}  waiting {}  dropped {}  {}",
        status.mode,
        status.spool,
        status.unjudged + status.pending,
        status.dropped,
        match status.delivers {
            Some(pid) => format!("delivered by process {pid}"),
            None if status.unjudged + status.pending == 0 => "nothing to deliver".to_owned(),
            None => "nobody delivers: eventilator drain".to_owned(),
        }
    ));
    for sink in &status.sinks {
        let why = match (&sink.reason, &sink.oldest) {
            (Some(reason), Some(oldest)) => {
                format!(
                    "failed {} times, waiting since {oldest}, next try {}: {reason}",
                    sink.failures,
                    sink.again.as_deref().unwrap_or("now")
                )
            }
            (Some(reason), None) => format!("failed {} times: {reason}", sink.failures),
            (None, Some(oldest)) => format!("waiting since {oldest}"),
            (None, None) => String::new(),
        };
        say(&format!(
            "  {:<20} waiting {:<6} delivered {:<6} repeated {:<6} {why}",
            sink.name, sink.pending, sink.delivered, sink.repeated
        ));
    }
}

/// Prints the counters in Prometheus' text format.
pub(super) fn metrics(configs: &[Read]) -> Result<u8, VerbError> {
    let all = configs.iter().map(look).collect::<Result<Vec<_>, _>>()?;
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, u64)>| {
        use std::fmt::Write;
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    };
    let by_mode = |of: fn(&Status) -> u64| {
        all.iter()
            .map(|status| (format!("mode=\"{}\"", status.mode), of(status)))
            .collect()
    };
    let by_sink = |of: fn(&SinkStatus) -> u64| {
        let sinks = all
            .iter()
            .flat_map(|status| status.sinks.iter().map(move |sink| (status.mode, sink)));
        sinks
            .map(|(mode, sink)| {
                let name = sink
                    .name
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', " ");
                (format!("mode=\"{mode}\",sink=\"{name}\""), of(sink))
            })
            .collect()
    };
    let prefix = "redis_zk_eventilator";
    family(
        &format!("{prefix}_spooled"),
        "gauge",
        "Events in the spool.",
        by_mode(|s| s.unjudged + s.pending),
    );
    family(
        &format!("{prefix}_dropped_total"),
        "counter",
        "Events dropped: too many, too old, or their sink was removed.",
        by_mode(|s| s.dropped),
    );
    family(
        &format!("{prefix}_sink_pending"),
        "gauge",
        "Events a sink lacks.",
        by_sink(|s| s.pending),
    );
    family(
        &format!("{prefix}_sink_failures"),
        "gauge",
        "Failures of a sink in a row.",
        by_sink(|s| s.failures.into()),
    );
    family(
        &format!("{prefix}_sink_delivered_total"),
        "counter",
        "Events a sink took.",
        by_sink(|s| s.delivered),
    );
    family(
        &format!("{prefix}_sink_repeated_total"),
        "counter",
        "Tellings of an event that a sink had already.",
        by_sink(|s| s.repeated),
    );
    say(text.trim_end());
    Ok(OK)
}
