//! Why a server could not be spoken to, as far as a caller acts on it.
//!
//! Each error names the address and the command. None carries an argument of the command: arguments may be passwords,
//! and Redis itself quotes them in "unknown command" answers, which are therefore cut.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use topology::Addr;

/// What went wrong with one server, or with the files every connection needs.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The host answered that nobody listens on the port: the process is gone, or not there yet.
    #[error("nothing listens at {addr}")]
    Refused {
        /// Whom we called.
        addr: Addr,
    },
    /// No answer: dead, cut off, hung or gone in the middle cannot be told apart.
    #[error("{addr} did not answer {command}: {silence}")]
    Unreachable {
        /// Whom we called.
        addr: Addr,
        /// What we asked.
        command: &'static str,
        /// How it failed to answer.
        silence: Silence,
    },
    /// Redis lives and reads its data set; it will answer later.
    #[error("{addr} is loading its data set and does not serve {command} yet")]
    Loading {
        /// Whom we called.
        addr: Addr,
        /// What we asked.
        command: &'static str,
    },
    /// Redis lives and is held by a script.
    #[error("{addr} runs a script and does not serve {command}; SCRIPT KILL ends one that has not written")]
    Busy {
        /// Whom we called.
        addr: Addr,
        /// What we asked.
        command: &'static str,
    },
    /// The server lives and does not let us in, or does not let us do this.
    #[error("{addr} refused {command}: {reason}; check the user, the password and its ACL")]
    Denied {
        /// Whom we called.
        addr: Addr,
        /// What we asked.
        command: &'static str,
        /// The server's words.
        reason: String,
    },
    /// A write was sent to a replica.
    #[error("{addr} is a read-only replica and did not execute {command}")]
    ReadOnly {
        /// Whom we called.
        addr: Addr,
        /// What we asked.
        command: &'static str,
    },
    /// The Sentinel knows no group of that name.
    #[error("the Sentinel at {addr} knows no master of the name given to {command}")]
    NoSuchMaster {
        /// Whom we called.
        addr: Addr,
        /// What we asked.
        command: &'static str,
    },
    /// An answer that is an error of another kind, or that cannot be read, or a failed TLS handshake.
    #[error("{addr} answered {command} with `{problem}`")]
    Protocol {
        /// Whom we called.
        addr: Addr,
        /// What we asked.
        command: &'static str,
        /// The answer, or what is wrong with it.
        problem: String,
    },
    /// A TLS file cannot be used; only at the start, from `Dialer::new`.
    #[error("{} is no usable {what}: {problem}", path.display())]
    TlsFile {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// How a server failed to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// Nothing came before the deadline. The command may still be executed.
    #[error("no answer before the deadline")]
    Deadline,
    /// The connection was closed, by the other side or by a CLIENT KILL.
    #[error("the connection was closed")]
    Closed,
    /// The network says so: no route, host down, unknown name.
    #[error("{0}")]
    Network(String),
}

impl InstanceError {
    /// Whether the connection is of no more use: the next call needs a new one.
    pub fn broke_the_connection(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable { .. })
    }

    pub(crate) fn silent(addr: &Addr, command: &'static str, silence: Silence) -> Self {
        let addr = addr.clone();
        Self::Unreachable {
            addr,
            command,
            silence,
        }
    }

    pub(crate) fn protocol(addr: &Addr, command: &'static str, problem: impl Into<String>) -> Self {
        let (addr, problem) = (addr.clone(), problem.into());
        Self::Protocol {
            addr,
            command,
            problem,
        }
    }

    /// Reads an error of connecting, of the TLS handshake or of the socket.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is the network's and grows with std"
    )]
    pub(crate) fn from_io(addr: &Addr, command: &'static str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { addr: addr.clone() },
            io::ErrorKind::TimedOut => Self::silent(addr, command, Silence::Deadline),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => Self::silent(addr, command, Silence::Closed),
            // What rustls reports: a certificate that is not trusted, a plain-text server.
            io::ErrorKind::InvalidData => Self::protocol(addr, command, format!("TLS: {error}")),
            _ => Self::silent(addr, command, Silence::Network(error.to_string())),
        }
    }

    /// Reads an error of the Redis client.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is not told apart and grows with the client"
    )]
    pub(crate) fn from_redis(addr: &Addr, command: &'static str, error: &RedisError) -> Self {
        let owned = || addr.clone();
        let text = || server_text(error);
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::silent(addr, command, Silence::Deadline),
            ErrorKind::Io => match io_cause(error) {
                Some(error) => Self::from_io(addr, command, error),
                None => Self::silent(addr, command, Silence::Closed),
            },
            ErrorKind::Server(ServerErrorKind::BusyLoading) => Self::Loading {
                addr: owned(),
                command,
            },
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly {
                addr: owned(),
                command,
            },
            ErrorKind::Server(ServerErrorKind::NoPerm) | ErrorKind::AuthenticationFailed => Self::Denied {
                addr: owned(),
                command,
                reason: text(),
            },
            ErrorKind::Server(ServerErrorKind::ResponseError)
                if error
                    .detail()
                    .is_some_and(|d| d.starts_with("No such master with that name")) =>
            {
                Self::NoSuchMaster {
                    addr: owned(),
                    command,
                }
            }
            ErrorKind::Extension => match error.code() {
                Some("BUSY") => Self::Busy {
                    addr: owned(),
                    command,
                },
                Some("NOAUTH" | "WRONGPASS" | "DENIED") => Self::Denied {
                    addr: owned(),
                    command,
                    reason: text(),
                },
                _ => Self::protocol(addr, command, text()),
            },
            _ => Self::protocol(addr, command, text()),
        }
    }
}

/// The socket's own error: the client keeps it in an `Arc`, and gives that as the source.
fn io_cause(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    shared.downcast_ref()
}

/// The server's words in one line, without the arguments it quotes.
fn server_text(error: &RedisError) -> String {
    let whole = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => error.to_string(),
    };
    let kept = whole
        .split(", with args beginning with")
        .next()
        .unwrap_or_default();
    kept.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> InstanceError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let addr = "10.0.0.7:6379".parse().unwrap();
        InstanceError::from_redis(&addr, "PING", &value.extract_error().unwrap_err())
    }

    #[test]
    fn what_a_caller_acts_on_has_its_own_variant() {
        assert!(matches!(
            read("LOADING Redis is loading"),
            InstanceError::Loading { .. }
        ));
        assert!(matches!(
            read("BUSY Redis is busy running a script"),
            InstanceError::Busy { .. }
        ));
        assert!(matches!(
            read("READONLY You can't write"),
            InstanceError::ReadOnly { .. }
        ));
        for line in ["NOAUTH x", "WRONGPASS x", "NOPERM x", "DENIED x"] {
            assert!(matches!(read(line), InstanceError::Denied { .. }), "{line}");
        }
        assert!(matches!(
            read("ERR No such master with that name"),
            InstanceError::NoSuchMaster { .. }
        ));
        assert!(matches!(read("ERR syntax error"), InstanceError::Protocol { .. }));
        assert!(matches!(read("MISCONF disk"), InstanceError::Protocol { .. }));
    }

    #[test]
    fn the_address_and_the_command_are_named_and_quoted_arguments_are_cut() {
        let text = read("ERR unknown command 'CONFIG', with args beginning with: 'SET' 'masterauth' 'hush'")
            .to_string();
        assert_eq!(
            text,
            "10.0.0.7:6379 answered PING with `ERR unknown command 'CONFIG'`"
        );
    }
}
