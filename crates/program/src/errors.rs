//! Errors as one line.

use std::error::Error;
use std::fmt::Write;

use supervisor::Exit;
use tracing::error;

/// An error with all its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// Logs why the program cannot go on, once, and passes the exit code on.
pub fn refuse(reason: &dyn Error, exit: Exit) -> Exit {
    error!(reason = %chain(reason), code = exit.code(), "cannot start");
    exit
}
