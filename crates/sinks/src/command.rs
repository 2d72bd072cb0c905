//! A shell command of the operator's, run once for each new master (`ON_MASTER`).
//!
//! It is told the level: after a start it is run for the master that is, and of several moves during a run only for the last.
//! Exit code 0 is the confirmation; with any other (75, EX_TEMPFAIL, says it best) it is run again, ever more rarely.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use tokio::time::Instant;
use topology::{Addr, Epoch, MasterName};

use crate::picture::{Group, Picture};
use crate::shell::{Shell, ShellError};
use crate::sink::{Brought, Sink, SinkError};
use crate::told::{Failure, Told};

/// So many groups' commands run at once.
const AT_ONCE: usize = 8;
/// A cause is cut here.
const LONGEST_CAUSE: usize = 64;

/// Runs a command for each new master, once per epoch, group and process.
pub struct CommandSink {
    command: String,
    shell: Shell,
    deadline: Duration,
    told: Told,
}

impl CommandSink {
    /// Runs `command` with `sh -c`; after `deadline` it is killed with what it has started. The deadline of [`crate::Terms`] must
    /// be longer, or it ends the command first and nobody hears what the command said.
    pub fn new(command: String, shell: Shell, deadline: Duration) -> Self {
        Self {
            command,
            shell,
            deadline,
            told: Told::default(),
        }
    }

    /// For pages and logs. The command itself may hold what nobody should read there.
    pub fn name(&self) -> String {
        "command".to_owned()
    }
}

impl Sink for CommandSink {
    async fn bring(&mut self, picture: &Picture) -> Result<Brought, SinkError> {
        let began = Instant::now();
        let runs: Vec<_> = self
            .told
            .due(picture, began)
            .into_iter()
            .map(|group| {
                let variables = variables(&group, self.told.previous(&group.name));
                let (shell, command, deadline) = (self.shell.clone(), self.command.clone(), self.deadline);
                async move {
                    let ran = shell.run(&command, &variables, deadline).await;
                    (group, ran)
                }
            })
            .collect();
        let mut runs = iter(runs).buffer_unordered(AT_ONCE);
        let mut brought = Brought::default();
        while let Some((group, ran)) = runs.next().await {
            match ran {
                Ok(_) => {
                    self.told.confirm(group.name.clone(), &group.master);
                    brought.told.push(group.name);
                }
                Err(error) => {
                    let failure = Failure::Local(whole(&error));
                    self.told
                        .fail(group.name, group.master.epoch, failure, Instant::now());
                }
            }
        }
        self.told.outcome("the command", picture, brought, began)
    }

    fn confirmed(&self) -> BTreeMap<MasterName, Epoch> {
        self.told.epochs()
    }
}

/// What the command is told. Each variable is always set, an empty one says that there is nothing to say: the environment it inherits
/// may have some of them already.
fn variables(group: &Group, previous: Option<&Addr>) -> Vec<(&'static str, String)> {
    let replicas: Vec<String> = group.replicas.keys().map(Addr::to_string).collect();
    vec![
        ("REDIS_MASTER_NAME", group.name.to_string()),
        ("REDIS_MASTER_HOST", group.master.addr.host().to_owned()),
        ("REDIS_MASTER_PORT", group.master.addr.port().to_string()),
        ("REDIS_MASTER_EPOCH", group.master.epoch.to_string()),
        ("REDIS_MASTER_CAUSE", word(&group.master.cause)),
        (
            "REDIS_MASTER_PREVIOUS_HOST",
            previous.map_or_else(String::new, |addr| addr.host().to_owned()),
        ),
        (
            "REDIS_MASTER_PREVIOUS_PORT",
            previous.map_or_else(String::new, |addr| addr.port().to_string()),
        ),
        ("REDIS_REPLICAS", replicas.join(" ")),
    ]
}

/// A cause is read from a znode, which anybody may write: a shell is given no more of it than a word may have.
fn word(cause: &str) -> String {
    cause
        .chars()
        .filter(|sign| matches!(sign, ' '..='~'))
        .take(LONGEST_CAUSE)
        .collect()
}

fn whole(error: &ShellError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::testing::group;
    use crate::picture::{Fitness, Replica};

    #[test]
    fn a_cause_is_plain_and_short_whatever_a_znode_holds() {
        let mut group = group("sessions", 7);
        for (cause, told) in [
            ("failover", "failover".to_owned()),
            ("a\0b\nc\x1b[2J\u{e9} d", "abc[2J d".to_owned()),
            (&"x".repeat(9000), "x".repeat(64)),
        ] {
            group.master.cause = cause.to_owned();
            assert!(
                variables(&group, None).contains(&("REDIS_MASTER_CAUSE", told)),
                "{cause:?}"
            );
        }
    }

    #[test]
    fn a_command_is_told_all_that_is_known() {
        let mut group = group("sessions", 7);
        for port in [6380, 6381] {
            let addr = Addr::new("10.0.0.1", port).unwrap();
            let fitness = Fitness::Fit;
            group.replicas.insert(addr.clone(), Replica { addr, fitness });
        }
        let previous = Addr::new("10.0.0.9", 6379).unwrap();
        let told: Vec<String> = variables(&group, Some(&previous))
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            told,
            [
                "REDIS_MASTER_NAME=sessions",
                "REDIS_MASTER_HOST=10.0.0.1",
                "REDIS_MASTER_PORT=6379",
                "REDIS_MASTER_EPOCH=7",
                "REDIS_MASTER_CAUSE=failover",
                "REDIS_MASTER_PREVIOUS_HOST=10.0.0.9",
                "REDIS_MASTER_PREVIOUS_PORT=6379",
                "REDIS_REPLICAS=10.0.0.1:6380 10.0.0.1:6381",
            ]
        );
        assert!(variables(&group, None).contains(&("REDIS_MASTER_PREVIOUS_HOST", String::new())));
    }
}
