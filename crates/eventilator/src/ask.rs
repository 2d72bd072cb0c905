//! Asks the Sentinel that called which epoch this is. It may stay unknown: an alert never waits for the answer.

use std::time::Duration;

use instance::{Credentials, DialSettings, Dialer, InstanceError};
use topology::{Addr, MasterName};
use tracing::warn;

use crate::call::chain;
use crate::config::SentinelConfig;
use crate::event::Content;
use crate::identity::Seen;
use crate::message::Call;

/// For all questions together. The Sentinel is on this host, and answers within a millisecond or is busy.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a Sentinel answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who called: the run id, or where it listens.
    pub sentinel: String,
    /// What it knows of the group.
    pub seen: Option<Seen>,
}

/// Asks the Sentinel that started this process.
pub fn ask(config: &SentinelConfig, call: &Call) -> Answer {
    let addr = config.addr.clone().or_else(parent).unwrap_or_else(usual);
    let unknown = Answer {
        // Loopback is another Sentinel on another host.
        sentinel: format!("{}/{addr}", crate::config::host_name()),
        seen: None,
    };
    // Before the time runs: with TLS the first random number of a process takes as long as a Sentinel may.
    let dialer = match dialer(config) {
        Ok(dialer) => dialer,
        Err(problem) => {
            let reason = chain(&problem);
            warn!(
                reason,
                "the Sentinel cannot be asked for the epoch; check [Sentinel]"
            );
            return unknown;
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return unknown;
    };
    let answer =
        runtime.block_on(async { tokio::time::timeout(PATIENCE, questions(&dialer, &addr, call)).await });
    runtime.shutdown_background();
    let reason = match answer {
        Ok(Ok(answer)) => return answer,
        Ok(Err(problem)) => chain(&problem),
        Err(_) => format!("{addr} did not answer within {} ms", PATIENCE.as_millis()),
    };
    warn!(
        reason,
        "the Sentinel did not tell the epoch; if that is no accident, check [Sentinel]"
    );
    unknown
}

fn dialer(config: &SentinelConfig) -> Result<Dialer, InstanceError> {
    Dialer::new(DialSettings {
        redis: Credentials::default(),
        sentinel: Credentials {
            user: config.user.clone(),
            password: config
                .password
                .as_ref()
                .map(|password| password.reveal().to_owned()),
        },
        tls: config.tls.clone(),
        connect_deadline: PATIENCE,
        response_deadline: PATIENCE,
        keep_alive: None,
    })
}

async fn questions(dialer: &Dialer, addr: &Addr, call: &Call) -> Result<Answer, InstanceError> {
    let sentinel = dialer.sentinel(addr).await?;
    let group: Option<MasterName> = call.pod().and_then(|pod| pod.parse().ok());
    // One way there and back for both.
    let report = async {
        match &group {
            Some(group) => sentinel.report(group).await.ok().flatten(),
            None => None,
        }
    };
    let (id, report) = tokio::join!(sentinel.my_id(), report);
    let mut answer = Answer {
        sentinel: id?.to_string(),
        seen: None,
    };
    if let Some(report) = report {
        let vote = match voted_about(call) {
            Some(master) => sentinel.last_vote(master).await.ok().map(|epoch| epoch.0),
            None => None,
        };
        answer.seen = Some(Seen {
            master: report.record.addr.to_string(),
            epoch: report.record.epoch.0,
            vote,
        });
    }
    Ok(answer)
}

/// The master whose failover the event is a step of.
fn voted_about(call: &Call) -> Option<&Addr> {
    match call {
        Call::Notice(notice) => match &notice.content {
            Content::Instance(instance)
                if notice.event.contains("failover")
                    || notice.event.contains("elected")
                    || notice.event == "+selected-slave" =>
            {
                Some(&instance.master)
            }
            Content::Instance(_)
            | Content::Switch(_)
            | Content::Epoch(_)
            | Content::Vote { .. }
            | Content::Text => None,
        },
        Call::Reconfiguration(_) => None,
    }
}

fn usual() -> Addr {
    "127.0.0.1:26379".parse().expect("an address")
}

/// A Sentinel's process says where it listens: `redis-sentinel *:26379 [sentinel]` (`proc-title-template`).
fn parent() -> Option<Addr> {
    let title = std::fs::read(format!("/proc/{}/cmdline", std::os::unix::process::parent_id())).ok()?;
    listening(&String::from_utf8_lossy(&title))
}

fn listening(title: &str) -> Option<Addr> {
    let words = title.split(['\0', ' ']).filter(|word| !word.is_empty());
    if !title.contains("[sentinel]") {
        return None;
    }
    words
        .filter_map(|word| word.rsplit_once(':'))
        .find_map(|(host, port)| {
            let host = if host == "*" { "127.0.0.1" } else { host };
            Addr::new(host, port.parse().ok()?).ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_says_in_its_title_where_it_listens() {
        let at = |title| listening(title).map(|addr| addr.to_string());
        assert_eq!(
            at("redis-sentinel *:26379 [sentinel]\0\0"),
            Some("127.0.0.1:26379".into())
        );
        assert_eq!(
            at("/usr/bin/redis-sentinel 10.0.0.7:5000 [sentinel]"),
            Some("10.0.0.7:5000".into())
        );
        assert_eq!(
            at("/usr/bin/redis-server ::1:5000 [sentinel]"),
            Some("[::1]:5000".into())
        );
        assert_eq!(at("/bin/sh\0-c\0eventilator +odown x:1"), None);
        assert_eq!(at("redis-server *:6379"), None);
        assert_eq!(at(""), None);
    }
}
