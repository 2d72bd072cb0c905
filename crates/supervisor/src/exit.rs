//! What a program's exit code tells the one who started it.
//!
//! Marathon, systemd and people act on the code, so each is documented and none is chosen elsewhere. 64 and above are the
//! codes of `sysexits.h`, so that they cannot be mistaken for the child's own small numbers.

use std::fmt;
use std::process::ExitCode;

use crate::child::ChildExit;

/// Why the program ends.
///
/// | code | meaning |
/// |---|---|
/// | 0 | clean end, also after a requested stop |
/// | 1 | gave up waiting for something that a restart may bring |
/// | 64 | configuration or usage: a restart changes nothing |
/// | 69 | a service it needs is unavailable (ZooKeeper) |
/// | 70 | an internal error: a bug |
/// | 73 | a file or directory cannot be created, or is in use |
/// | the child's | the child ended by itself with that code |
/// | 128 + n | the child was ended by signal n |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Exit {
    /// 0: what was asked for is done.
    Clean,
    /// 1: waited as long as configured.
    GaveUp,
    /// 64: the configuration is wrong.
    Configuration,
    /// 69: a service that is needed does not answer.
    Unavailable,
    /// 70: a bug.
    Internal,
    /// 73: a file or directory cannot be created or written, or others use it.
    CannotCreate,
    /// The child ended by itself: its code, or 128 + its signal.
    Child(ChildExit),
}

impl Exit {
    /// The number the operating system is given.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::GaveUp => 1,
            Self::Configuration => 64,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::CannotCreate => 73,
            Self::Child(exit) => exit.code(),
        }
    }

    /// The exit after a stop that somebody asked for: a child that ended with 0, or of the very signal that asks to
    /// end, did as told. A child that had to be killed, or complained, is reported.
    pub fn after_stop(child: ChildExit) -> Self {
        match child {
            ChildExit::Code(0) => Self::Clean,
            ChildExit::Signal(signal) if signal == nix::libc::SIGTERM => Self::Clean,
            ChildExit::Code(_) | ChildExit::Signal(_) => Self::Child(child),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean end"),
            Self::GaveUp => f.write_str("gave up waiting"),
            Self::Configuration => f.write_str("wrong configuration"),
            Self::Unavailable => f.write_str("a needed service is unavailable"),
            Self::Internal => f.write_str("internal error"),
            Self::CannotCreate => f.write_str("cannot create a file"),
            Self::Child(exit) => write!(f, "child {exit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_its_documented_code() {
        let table = [
            (Exit::Clean, 0),
            (Exit::GaveUp, 1),
            (Exit::Configuration, 64),
            (Exit::Unavailable, 69),
            (Exit::Internal, 70),
            (Exit::CannotCreate, 73),
            (Exit::Child(ChildExit::Code(0)), 0),
            (Exit::Child(ChildExit::Code(42)), 42),
            (Exit::Child(ChildExit::Code(255)), 255),
            (Exit::Child(ChildExit::Signal(9)), 137),
            (Exit::Child(ChildExit::Signal(64)), 192),
        ];
        for (exit, code) in table {
            assert_eq!(exit.code(), code, "{exit}");
        }
    }

    #[test]
    fn a_requested_stop_is_clean_unless_the_child_had_to_be_killed() {
        let table = [
            (ChildExit::Code(0), 0),
            (ChildExit::Signal(15), 0),
            (ChildExit::Code(3), 3),
            (ChildExit::Signal(9), 137),
            (ChildExit::Signal(11), 139),
        ];
        for (child, code) in table {
            assert_eq!(Exit::after_stop(child).code(), code, "{child}");
        }
    }
}
