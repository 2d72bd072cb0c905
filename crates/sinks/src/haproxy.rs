//! HAProxy, in two ways.
//!
//! [`RuntimeSink`] speaks to a running HAProxy over its socket: no reload, a few milliseconds, and the connections to the old master
//! are cut. [`FileSink`] writes HAProxy's configuration whole from a template, as redishappy does, and has it reloaded.

mod file;
mod runtime;

pub use file::{File, FileSink};
pub use runtime::{BackendTemplate, Runtime, RuntimeSink, ServerTemplate, Socket, TemplateError};
