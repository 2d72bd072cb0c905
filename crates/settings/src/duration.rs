//! Durations as people write them: `2s`, `1500ms`, or a small bare number of seconds.
//!
//! Redis itself counts many of its times in milliseconds, so a large bare number is more likely a slip than a wish:
//! `DOWN_AFTER=2000` would be 33 minutes without a failover.

use std::ops::RangeInclusive;
use std::time::Duration;

/// From this number on a bare one is no duration.
const UNIT_NEEDED: u64 = 100;

/// Reads a duration that must lie within `allowed`; the error says what the text is not.
pub(crate) fn parse_within(text: &str, allowed: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let text = text.trim();
    let bare: Option<u64> = text.parse().ok();
    if let Some(number) = bare.filter(|number| *number >= UNIT_NEEDED) {
        return Err(without_unit(number));
    }
    let seconds = bare.map(Duration::from_secs);
    let Some(duration) = seconds.or_else(|| humantime::parse_duration(text).ok()) else {
        return Err("is not a duration; write 2s, 1500ms or, below 100, a number of seconds".to_owned());
    };
    if allowed.contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [allowed.start(), allowed.end()].map(|end| humantime::format_duration(*end));
    Err(format!(
        "is out of range; write a duration from {least} to {most}"
    ))
}

fn without_unit(number: u64) -> String {
    let as_seconds = match number {
        1000.. if number.is_multiple_of(1000) => number / 1000,
        _ => number,
    };
    format!("has no unit: write {number}ms or {as_seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_durations_in_three_ways() {
        let any = Duration::ZERO..=Duration::from_secs(60);
        for (text, expected) in [
            ("2s", Some(2000)),
            ("1500ms", Some(1500)),
            (" 3 ", Some(3000)),
            ("1m", Some(60_000)),
            ("0", Some(0)),
            ("59", Some(59_000)),
            ("61", None),
            ("100", None),
            ("2000", None),
            ("-1", None),
            ("s", None),
            ("99999999999999999999", None),
            ("1.5", None),
        ] {
            let read = parse_within(text, &any).ok();
            assert_eq!(read, expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_number_too_large_for_seconds_is_asked_for_its_unit() {
        let day = Duration::ZERO..=Duration::from_secs(86_400);
        for (text, remedy) in [
            ("2000", "write 2000ms or 2s"),
            ("1500", "write 1500ms or 1500s"),
            ("120", "write 120ms or 120s"),
        ] {
            let wrong = parse_within(text, &day).unwrap_err();
            assert_eq!(wrong, format!("has no unit: {remedy}"));
        }
        assert_eq!(parse_within("99", &day), Ok(Duration::from_secs(99)));
    }
}
