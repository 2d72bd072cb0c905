//! The settings as they take effect, for one line in the log: what was said, and what holds where nobody said anything.
//!
//! A secret is only ever shown as set.

use std::ffi::OsStr;
use std::fmt;

use crate::vars::{Kind, Program, Variable};

/// The settings that a program has read, in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective(Vec<(&'static str, String)>);

impl Effective {
    /// What somebody said, or else the table's default. Nothing where the default is found out later.
    pub(crate) fn note(&mut self, variable: &Variable, program: Program, said: Option<&OsStr>) {
        let shown = match (variable.kind, said) {
            (Kind::Secret, Some(_)) => Some("(set)".to_owned()),
            (Kind::Plain | Kind::PlainOrFile | Kind::File, Some(said)) => {
                Some(said.to_string_lossy().into_owned())
            }
            (_, None) => variable.default_value(program).map(str::to_owned),
        };
        self.put(variable, shown);
    }

    /// What holds after all; `None` leaves it out.
    pub(crate) fn put(&mut self, variable: &Variable, shown: Option<String>) {
        let known = self.0.iter().position(|(name, _)| *name == variable.name);
        match (known, shown) {
            (Some(at), Some(shown)) => self.0[at].1 = shown,
            (Some(at), None) => drop(self.0.remove(at)),
            (None, Some(shown)) => self.0.push((variable.name, shown)),
            (None, None) => {}
        }
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, shown)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            // Quotes also keep a value from forging a line.
            if shown.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') {
                write!(f, "{space}{name}={shown:?}")?;
            } else {
                write!(f, "{space}{name}={shown}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vars;

    #[test]
    fn secrets_are_not_shown_and_the_last_word_counts() {
        let mut effective = Effective::default();
        let mut note = |variable: &Variable, said: Option<&str>| {
            effective.note(variable, Program::RedisWrapper, said.map(OsStr::new));
        };
        note(&vars::ZK_ROOT, None);
        note(&vars::REDIS_PASSWORD, Some("hunter2"));
        note(&vars::ZK_AUTH, None);
        note(&vars::PORT0, Some("7000"));
        note(&vars::NET_IFACE, None);
        note(&vars::DATA_DIR, Some("/a b\nc"));
        effective.put(&vars::NET_IFACE, None);
        effective.put(&vars::ANNOUNCE_IP, Some("10.0.0.7".to_owned()));
        assert_eq!(
            effective.to_string(),
            r#"ZK_ROOT=/redis REDIS_PASSWORD=(set) PORT0=7000 DATA_DIR="/a b\nc" ANNOUNCE_IP=10.0.0.7"#
        );
    }
}
