//! Has redis-server read its configuration before anything is claimed.
//!
//! A server that refuses a line ends at once, and by then its wrapper would be recorded as the master to be. redis-server has no
//! option for this. But it reads its file line by line, stops at the first one that is wrong, and names it; so a last line that is
//! certainly wrong tells that all those before it are good. That takes a hundredth of a second: nothing is listened on, loaded or
//! written. What a server finds only later (a module that does not load, a data set it cannot read) this does not find.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use program::refuse;
use supervisor::{Exit, Output};
use tokio::time::timeout;
use tracing::debug;

use crate::launch::{Launch, LaunchError};

/// The line that no server knows.
const LAST_LINE: &str = "redis-zk-last-line";
/// Whoever takes longer is started all the same, and speaks for itself.
const DEADLINE: Duration = Duration::from_secs(1);
/// More than a server says about one line.
const KEPT: u64 = 16 * 1024;
/// Directives whose values may be passwords.
const SECRET: [&str; 5] = [
    "requirepass",
    "masterauth",
    "user",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
];

/// What the server thinks of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// It read everything.
    Accepted,
    /// It stopped before the end, and says why.
    Refused(String),
    /// It said something else, or nothing.
    Unclear,
}

/// The configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error(
    "redis-server refused its configuration: {0}; correct REDIS_CONF, what it includes, or the arguments after --"
)]
struct Refused(String);

/// Judges what the server said.
pub fn judge(said: &str) -> Judgement {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let stopped_at_the_last = |line: &&str| line.starts_with(">>>") && line.contains(LAST_LINE);
    if lines.iter().any(stopped_at_the_last) {
        return Judgement::Accepted;
    }
    let banner =
        |line: &&str| line.contains("FATAL CONFIG FILE ERROR") || line.contains("can't open config file");
    let Some(at) = lines.iter().position(banner) else {
        return Judgement::Unclear;
    };
    // The banner of a refused line says nothing; a file that cannot be opened is named in it.
    let from = if lines[at].contains("can't open") {
        at
    } else {
        at + 1
    };
    let why: Vec<String> = lines[from..].iter().map(|line| without_secrets(line)).collect();
    Judgement::Refused(why.join("; "))
}

/// The quoted line may hold a password.
fn without_secrets(line: &str) -> String {
    let Some(quoted) = line.strip_prefix(">>> '") else {
        return line.to_owned();
    };
    let word = quoted.split([' ', '\t', '\'']).next().unwrap_or_default();
    if SECRET.iter().any(|secret| word.eq_ignore_ascii_case(secret)) {
        format!(">>> '{word} ...'")
    } else {
        line.to_owned()
    }
}

/// Ends the program where the server would refuse.
pub(crate) async fn rehearse(launch: &Launch<'_>) -> Result<(), Exit> {
    match said(launch).await.map(|said| judge(&said)) {
        Ok(Judgement::Accepted) => Ok(()),
        Ok(Judgement::Refused(why)) => Err(refuse(&Refused(why), Exit::Configuration)),
        Ok(Judgement::Unclear) => {
            debug!("the configuration could not be rehearsed");
            Ok(())
        }
        Err(reason) => Err(refuse(&reason, Exit::CannotCreate)),
    }
}

/// What the server says to its configuration and one line more.
async fn said(launch: &Launch<'_>) -> Result<String, LaunchError> {
    let text = format!("{}\n{LAST_LINE}\n", launch.text(None));
    let conf = launch
        .work
        .write("rehearsal.conf", &text)
        .map_err(LaunchError::File)?;
    let log = launch
        .work
        .write("rehearsal.log", "")
        .map_err(LaunchError::File)?;
    let mut said = Vec::new();
    if let Ok(file) = File::options().append(true).open(&log) {
        let output = Output::File(Arc::new(file));
        let child = launch.spawn(&conf, output, Vec::new()).await?;
        if timeout(DEADLINE, child.exited()).await.is_err() {
            child.kill();
            child.exited().await;
        }
        let _ = File::open(&log).map(|file| file.take(KEPT).read_to_end(&mut said));
    }
    for file in [conf, log] {
        let _ = std::fs::remove_file(file);
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_that_the_server_names_is_refused() {
        let banner =
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 7\n";
        let refused = |why: &str| Judgement::Refused(why.to_owned());
        for (said, expected) in [
            (
                format!("{banner}>>> 'redis-zk-last-line'\nBad directive or wrong number of arguments\n"),
                Judgement::Accepted,
            ),
            (
                format!("{banner}>>> 'maxmemorrry 1gb'\nBad directive or wrong number of arguments\n"),
                refused("Reading the configuration file, at line 7; >>> 'maxmemorrry 1gb'; Bad directive or wrong number of arguments"),
            ),
            (
                format!("{banner}>>> 'requirepass hunter2 more'\nBad directive\n"),
                refused("Reading the configuration file, at line 7; >>> 'requirepass ...'; Bad directive"),
            ),
            (
                "1:C 1 Jan 00:00:00 # Fatal error, can't open config file '/x.conf': No such file or directory".to_owned(),
                refused("1:C 1 Jan 00:00:00 # Fatal error, can't open config file '/x.conf': No such file or directory"),
            ),
            (String::new(), Judgement::Unclear),
            ("sh: redis-server: not found".to_owned(), Judgement::Unclear),
        ] {
            assert_eq!(judge(&said), expected, "{said}");
        }
    }
}
