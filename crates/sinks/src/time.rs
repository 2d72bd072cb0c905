//! Times as receivers read them: RFC 3339 in UTC.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time that no calendar has (somebody wrote it into the record) is the beginning of all times.
pub(crate) fn rfc3339(time: Option<SystemTime>) -> String {
    let mut text = String::new();
    let written = time.map(|time| write!(text, "{}", humantime::format_rfc3339_millis(time)));
    if !matches!(written, Some(Ok(()))) {
        "1970-01-01T00:00:00.000Z".clone_into(&mut text);
    }
    text
}

/// The same, of milliseconds since 1970.
pub(crate) fn rfc3339_ms(since_ms: u64) -> String {
    rfc3339(UNIX_EPOCH.checked_add(Duration::from_millis(since_ms)))
}
