//! `STOP_GRACE`, which every program has.

use std::time::Duration;

use crate::reader::{Outcome, Reader};
use crate::vars;

/// Reads `STOP_GRACE`: how long a stop may take before it is forced.
pub fn stop_grace(reader: &mut Reader<'_>) -> Outcome<Duration> {
    reader.duration(
        &vars::STOP_GRACE,
        Duration::ZERO..=Duration::from_secs(24 * 60 * 60),
    )
}
