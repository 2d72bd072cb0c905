//! How the program logs.

use tracing_subscriber::EnvFilter;

use crate::reader::{Outcome, Reader};
use crate::vars;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How the program logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The form.
    pub format: LogFormat,
    /// Which lines, in tracing's filter language; valid.
    pub filter: String,
}

impl LogSettings {
    /// Reads `LOG_FORMAT` and `RUST_LOG`.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        let format = reader.required(&vars::LOG_FORMAT, |text| {
            match text.trim().to_ascii_lowercase().as_str() {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err("is not a log format; write text or json".to_owned()),
            }
        });
        let filter = reader.required(&vars::RUST_LOG, |text| match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!(
                "is not a log filter ({error}); write error, warn, info, debug or trace, or crate=level pairs"
            )),
        });
        Ok(Self {
            format: format?,
            filter: filter?,
        })
    }
}
