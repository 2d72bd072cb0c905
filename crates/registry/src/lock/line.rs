//! Who is before whom.

/// Length of ZooKeeper's sequence numbers.
const SEQUENCE_DIGITS: usize = 10;

/// Our name among those in a lock's directory, and the name of the one right before us.
pub(super) fn line<'a>(names: &'a [String], prefix: &str) -> (Option<&'a str>, Option<&'a str>) {
    let numbered = numbered(names);
    let Some(at) = numbered.iter().position(|(_, name)| name.starts_with(prefix)) else {
        return (None, None);
    };
    let before = at.checked_sub(1).map(|before| numbered[before].1);
    (Some(numbered[at].1), before)
}

/// The name of the one who holds the lock.
pub(super) fn first(names: &[String]) -> Option<&str> {
    numbered(names).first().map(|(_, name)| *name)
}

/// In the order of the line.
fn numbered(names: &[String]) -> Vec<(i32, &str)> {
    let sequence = |name: &str| {
        let digits = name.get(name.len().checked_sub(SEQUENCE_DIGITS)?..)?;
        digits.parse::<i32>().ok()
    };
    let mut numbered: Vec<(i32, &str)> = names
        .iter()
        .filter_map(|name| Some((sequence(name)?, name.as_str())))
        .collect();
    numbered.sort_unstable();
    numbered
}

#[cfg(test)]
mod tests {
    use super::{first, line};

    #[test]
    fn the_line_goes_by_sequence_number_not_by_name() {
        let names = [
            "_c_z-lock-0000000001",
            "_c_a-lock-0000000003",
            "_c_b-lock-0000000002",
            "other",
        ];
        let names = names.map(str::to_owned);
        for (prefix, expected) in [
            ("_c_z-lock-", (Some(names[0].as_str()), None)),
            ("_c_b-lock-", (Some(names[2].as_str()), Some(names[0].as_str()))),
            ("_c_a-lock-", (Some(names[1].as_str()), Some(names[2].as_str()))),
            ("_c_x-lock-", (None, None)),
        ] {
            assert_eq!(line(&names, prefix), expected, "{prefix}");
        }
        assert_eq!(first(&names), Some(names[0].as_str()));
        assert_eq!(first(&names[3..]), None);
    }
}
