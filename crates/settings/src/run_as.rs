//! Whom a wrapper started as root becomes. Only the text is checked here: who knows the host says whether the user exists.

use std::fmt;

use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::vars;

/// A user and perhaps a group, each by name or number, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// User name or uid.
    pub user: String,
    /// Group name or gid; without it, the user's own group.
    pub group: Option<String>,
}

impl RunAs {
    /// Reads `RUN_AS`. `known` says what is wrong with a user that is written well: this host may have none of that name.
    pub fn read(
        reader: &mut Reader<'_>,
        known: impl FnOnce(&Self) -> Result<(), String>,
    ) -> Outcome<Option<Self>> {
        let Some(run_as) = reader.optional(&vars::RUN_AS, parse)? else {
            return Ok(None);
        };
        match known(&run_as) {
            Ok(()) => Ok(Some(run_as)),
            Err(wrong) => Err(reader.problem(Problem::new(vars::RUN_AS.name, wrong))),
        }
    }
}

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => f.write_str(&self.user),
        }
    }
}

fn parse(text: &str) -> Result<RunAs, String> {
    let (user, group) = match text.trim().split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text.trim(), None),
    };
    if !is_account(user) || !group.is_none_or(is_account) {
        return Err("is not a user; write user, user:group, uid or uid:gid".to_owned());
    }
    Ok(RunAs {
        user: user.to_owned(),
        group: group.map(str::to_owned),
    })
}

/// A number that is a valid id, or a name in useradd's characters.
fn is_account(word: &str) -> bool {
    if word.bytes().all(|b| b.is_ascii_digit()) {
        // The highest value means "leave it" to chown and setresuid.
        return word.parse::<u32>().is_ok_and(|id| id != u32::MAX);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    word.len() <= 64 && !word.starts_with('-') && word.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_by_name_or_number() {
        for good in ["redis", "redis:redis", "999", "999:1000", "redis:0", " _redis "] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            ":",
            "redis:",
            ":redis",
            "a b",
            "-x",
            "4294967295",
            "99999999999",
            "a:b:c",
            "ré",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let both = parse("999:redis").unwrap();
        assert_eq!(
            (both.user.as_str(), both.group.as_deref()),
            ("999", Some("redis"))
        );
    }
}
