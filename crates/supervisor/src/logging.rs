//! Logs to standard output, where containers, Marathon and systemd look for them.
//!
//! The ZooKeeper client tells of every reconnection at info, and warns of every attempt that fails, several times a second in an outage;
//! the session's owner logs each change itself, once. So that target is heard from error upwards unless the filter names it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

/// The target that is kept quiet.
const QUIET: &str = "zookeeper_client";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("`{filter}` is not a log filter; write a level or target=level, for example info,registry=debug")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging is on already.
    #[error("logging was started twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Starts logging, of panics too. `filter` is in the form of `RUST_LOG`; empty means `info`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LoggingError> {
    let filter = parse(filter)?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stdout);
    match format {
        LogFormat::Text => lines
            .with_ansi(std::io::stdout().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init(),
    }
    .map_err(LoggingError::Twice)?;
    log_panics();
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    let asked = if filter.trim().is_empty() { "info" } else { filter };
    let whole = if asked.contains(QUIET) {
        asked.to_owned()
    } else {
        format!("{asked},{QUIET}=error")
    };
    EnvFilter::builder()
        .parse(whole)
        .map_err(|source| LoggingError::Filter {
            filter: filter.to_owned(),
            source,
        })
}

/// A panic's own report goes to standard error as plain text, which breaks logs that are read line by line as JSON.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let reason = crate::tasks::panic_message(panic.payload());
        tracing::error!(place, reason, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zookeeper_client_is_quiet_unless_named() {
        let table = [
            ("", "zookeeper_client=error,info"),
            ("debug", "zookeeper_client=error,debug"),
            ("info,zookeeper_client=debug", "zookeeper_client=debug,info"),
            (
                "zookeeper_client::session=trace",
                "zookeeper_client::session=trace",
            ),
        ];
        for (given, effective) in table {
            assert_eq!(parse(given).unwrap().to_string(), effective, "{given}");
        }
    }

    #[test]
    fn a_wrong_filter_is_an_error_with_an_example() {
        let error = parse("info,registry=loud").unwrap_err().to_string();
        assert!(
            error.contains("`info,registry=loud`") && error.contains("registry=debug"),
            "{error}"
        );
    }
}
