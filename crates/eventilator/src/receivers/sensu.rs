//! Sensu, by the socket of a local client: one check result for each of the five events that make one.
//!
//! The object is that of the program this one replaces, field by field, since handlers and filters are written upon it. Two things differ: the event that
//! clears says that the master has recovered, and it is made as JSON, so that a name is never taken for a format. The client's
//! answer is heard (`ok`, or `invalid`); a client that does not answer, but took it all, has it.

use std::fmt::Write;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::SetupError;
use super::tcp::Peer;
use super::wording::{TRIAL, one_line};
use crate::message::Message;
use crate::sink::{Sink, SinkError, Trigger};

/// The client waits half a second for the rest of what it cannot read, and then says `invalid`.
const PATIENCE: Duration = Duration::from_secs(1);
/// The port of Sensu's client.
const PORT: u16 = 3030;
/// So much of an answer or a name is told.
const LONGEST: usize = 200;

/// A Sensu client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SensuConfig {
    /// The sink's name.
    pub name: String,
    /// Where the client listens: an IP address or a name.
    pub ip: String,
    /// At which port.
    pub port: u16,
    /// For which events; only five of them have a check.
    pub trigger: Trigger,
    /// The `handler` of a failover that found no replica.
    pub handler_no_good_slave: String,
    /// The `handler` of a replica that was promoted.
    pub handler_promoted_slave: String,
    /// The `host` of the results: this host's full name.
    pub reporter: String,
    /// For one result, all in all.
    pub timeout: Duration,
}

/// Tells a Sensu client.
#[derive(Debug)]
pub struct Sensu {
    config: SensuConfig,
}

/// A check result.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check<'a> {
    name: &'static str,
    source: String,
    occurrences: u32,
    zd_set_tags: &'static str,
    zd_subject: String,
    zd_description: String,
    host: &'a str,
    status: u8,
    output: String,
    handler: &'a str,
}

/// What is said of one kind of event.
struct Row<'a> {
    name: &'static str,
    status: u8,
    tags: &'static str,
    subject: &'static str,
    says: fn(&str) -> String,
    handler: &'a str,
}

impl Sensu {
    /// Tells the client at this place.
    pub fn new(config: SensuConfig) -> Result<Self, SetupError> {
        if config.ip.is_empty() || config.port == 0 {
            return Err(SetupError::NoHost {
                name: config.name,
                example: PORT,
            });
        }
        Ok(Self { config })
    }

    fn check(&self, message: &Message) -> Option<Check<'_>> {
        let row = if message.trial {
            trial()
        } else {
            self.row(message.event())?
        };
        let pod = one_line(message.pod(), LONGEST);
        let says = (row.says)(&pod);
        Some(Check {
            name: row.name,
            source: format!("pod-{}", source(&pod)),
            occurrences: 1,
            zd_set_tags: row.tags,
            zd_subject: format!("Monitoring alert for {pod} {}", row.subject),
            zd_description: says.clone(),
            host: &self.config.reporter,
            status: row.status,
            output: says,
            handler: row.handler,
        })
    }

    /// Whether there is a check for this event.
    pub fn has_check(event: &str) -> bool {
        matches!(
            event,
            "+odown" | "-odown" | "-failover-abort-no-good-slave" | "+promoted-slave" | "+switch-master"
        )
    }

    fn row(&self, event: &str) -> Option<Row<'_>> {
        let down = Row {
            name: "redis-master-down",
            status: 1,
            tags: "monitoring redis_master_odown",
            subject: "Master Down",
            says: |pod| format!("The Redis master of {pod} does not respond"),
            handler: "",
        };
        let failover = Row {
            name: "sentinel-failover-status",
            status: 0,
            tags: "monitoring redis_failover_status",
            subject: "Failover status",
            says: |pod| format!("The failover of {pod} is complete"),
            handler: "",
        };
        match event {
            "+odown" => Some(down),
            "-odown" => Some(Row {
                status: 0,
                says: |pod| format!("The Redis master of {pod} has recovered"),
                ..down
            }),
            "-failover-abort-no-good-slave" => Some(Row {
                status: 2,
                tags: "monitoring redis_pod_down",
                subject: "Failover Failure",
                says: |pod| format!("The failover of {pod} was given up: no replica can be promoted"),
                handler: &self.config.handler_no_good_slave,
                ..failover
            }),
            "+promoted-slave" => Some(Row {
                handler: &self.config.handler_promoted_slave,
                ..failover
            }),
            "+switch-master" => Some(failover),
            _ => None,
        }
    }
}

/// A check of its own, so that no alert is cleared by it.
fn trial() -> Row<'static> {
    Row {
        name: "redis-eventilator-check",
        status: 0,
        tags: "monitoring redis_eventilator_check",
        subject: "Test",
        says: |pod| format!("{TRIAL}: the event relay for {pod} reaches Sensu"),
        handler: "",
    }
}

/// Sensu takes letters, digits, `_`, `.` and `-` for a source, as Sentinel does for a group's name.
fn source(pod: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-');
    pod.chars()
        .map(|sign| if plain(sign) { sign } else { '_' })
        .collect()
}

/// The client's socket takes nothing but ASCII, which JSON can say everything in. What is not ASCII can only stand within a string.
fn ascii_json(check: &Check<'_>) -> String {
    // Strings and numbers always have a form in JSON.
    let json = serde_json::to_string(check).unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for sign in json.chars() {
        if sign.is_ascii() {
            text.push(sign);
        } else {
            for unit in sign.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

impl Sink for Sensu {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn wants(&self, event: &str) -> bool {
        self.config.trigger.takes(event) && Self::has_check(event)
    }

    fn deadline(&self) -> Duration {
        self.config.timeout
    }

    /// An event without a check is nothing to deliver.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let Some(check) = self.check(message) else {
                return Ok(());
            };
            let bytes = ascii_json(&check);
            let peer = Peer {
                host: &self.config.ip,
                port: self.config.port,
                within: self.config.timeout,
                patience: PATIENCE,
            };
            let answer = peer.tell(bytes.as_bytes()).await?;
            let answer = String::from_utf8_lossy(&answer);
            let answer = answer.trim();
            // The client closes as soon as it has read all, which may cut its `ok`.
            if answer.starts_with("ok") || "ok".starts_with(answer) {
                return Ok(());
            }
            let answer = one_line(answer, LONGEST);
            Err(SinkError::Failed(format!("the Sensu client answered `{answer}`")))
        })
    }
}

#[cfg(test)]
mod tests;
