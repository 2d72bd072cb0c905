//! `LEASE`: how long a master that is cut off goes on taking writes.
//!
//! It ends before stock Sentinels promote another only if their down-after is longer by the time that the fence and the clocks
//! need. So the length is checked against `DOWN_AFTER`, which belongs into the environment of both wrappers.

use std::time::Duration;

use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::{duration, vars};

/// Shorter leases end whenever a host is busy for a moment.
const LEAST: Duration = Duration::from_millis(500);
/// By how much Sentinels must wait longer: the fence's own deadline, drift, and the time until they notice.
const AHEAD: Duration = Duration::from_millis(500);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The lease of a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseSettings {
    /// How long each renewal holds; `None`: no lease is kept, and a master that is cut off takes writes for ever.
    pub length: Option<Duration>,
}

impl LeaseSettings {
    /// Reads `LEASE`, and `DOWN_AFTER` to compare it with.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        let said = reader.said(&vars::LEASE)?;
        let down_after = reader.duration(&vars::DOWN_AFTER, Duration::from_millis(1)..=DAY);
        let length = reader.required(&vars::LEASE, parse)?;
        let down_after = down_after?;
        let Some(length) = length.filter(|length| *length + AHEAD > down_after) else {
            return Ok(Self { length });
        };
        let [given, known] = [length, down_after].map(humantime::format_duration);
        let needed = humantime::format_duration(length + AHEAD);
        if let Some(said) = said {
            let wrong = format!(
                "is too long: Sentinels promote another master after DOWN_AFTER ({known}), and must wait 500ms longer than the lease; shorten it, or set DOWN_AFTER to {needed} for both wrappers"
            );
            return Err(reader.problem(Problem::with_value(said.name, &said.text, wrong)));
        }
        reader.warn(format!(
            "DOWN_AFTER ({known}) is less than LEASE ({given}) and 500ms: Sentinels may promote another master before one that is cut off stops taking writes"
        ));
        Ok(Self { length: Some(length) })
    }
}

/// A duration, or the wish to have none.
fn parse(text: &str) -> Result<Option<Duration>, String> {
    let off = text.trim().eq_ignore_ascii_case("off");
    if off || duration::parse_within(text, &(Duration::ZERO..=Duration::ZERO)).is_ok() {
        return Ok(None);
    }
    duration::parse_within(text, &(LEAST..=DAY))
        .map(Some)
        .map_err(|wrong| format!("{wrong}, or off"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::reader::{Parsed, read};
    use crate::{Problems, Program};

    fn reading(environment: &[(&str, &str)]) -> Result<(LeaseSettings, Vec<String>), Problems> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        };
        let args = [OsString::from("redis-wrapper")];
        match read(Program::RedisWrapper, args, lookup, LeaseSettings::read)? {
            Parsed::Run(settings, notes) => Ok((settings, notes.warnings)),
            Parsed::Show(text) => panic!("{text}"),
        }
    }

    #[test]
    fn a_length_is_safe_or_refused() {
        let ms = |ms| Some(Some(Duration::from_millis(ms)));
        for (lease, down_after, expected) in [
            (None, None, ms(1500)),
            (Some("off"), None, Some(None)),
            (Some("0"), Some("1"), Some(None)),
            (Some("500ms"), None, ms(500)),
            (Some("499ms"), None, None),
            (Some("1501ms"), None, None),
            (Some("3s"), Some("3500ms"), ms(3000)),
            (Some("3s"), Some("3499ms"), None),
            (Some("soon"), None, None),
            (None, Some("soon"), None),
        ] {
            let given: Vec<(&str, &str)> = [("LEASE", lease), ("DOWN_AFTER", down_after)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            let read = reading(&given).ok().map(|(settings, warnings)| {
                assert_eq!(warnings, Vec::<String>::new());
                settings.length
            });
            assert_eq!(read, expected, "{given:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_explained_and_what_nobody_asked_for_is_no_reason_to_refuse() {
        let text = reading(&[("LEASE", "5s")]).unwrap_err().to_string();
        assert!(
            text.contains("LEASE: `5s` is too long") && text.contains("DOWN_AFTER to 5s 500ms"),
            "{text}"
        );
        let (settings, warnings) = reading(&[("DOWN_AFTER", "1500ms")]).unwrap();
        assert_eq!(settings.length, Some(Duration::from_millis(1500)));
        assert!(warnings[0].contains("before one that is cut off"), "{warnings:?}");
    }
}
