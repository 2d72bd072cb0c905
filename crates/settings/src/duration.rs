//! Durations as people write them: `2s`, `1500ms`, or a bare number of seconds.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads a duration that must lie within `allowed`; the error says what the text is not.
pub(crate) fn parse_within(text: &str, allowed: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let text = text.trim();
    let seconds = text.parse().ok().map(Duration::from_secs);
    let Some(duration) = seconds.or_else(|| humantime::parse_duration(text).ok()) else {
        return Err("is not a duration; write 2s, 1500ms or a number of seconds".to_owned());
    };
    if allowed.contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [allowed.start(), allowed.end()].map(|end| humantime::format_duration(*end));
    Err(format!(
        "is out of range; write a duration from {least} to {most}"
    ))
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
            ("61", None),
            ("-1", None),
            ("s", None),
            ("99999999999999999999", None),
            ("1.5", None),
        ] {
            let read = parse_within(text, &any).ok();
            assert_eq!(read, expected.map(Duration::from_millis), "{text}");
        }
    }
}
