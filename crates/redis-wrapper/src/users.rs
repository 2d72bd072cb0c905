//! Whether the users that redis.conf or its aclfile define let the wrapper in. Pure, but for reading that file.
//!
//! A Redis that shuts its own wrapper out is found only once it runs, and by then the wrapper is recorded as the master to be. So
//! what can be read off the rules is read off before anything is claimed: that the user is there, is on and takes our password. A password
//! of which only the hash is written, and what the user may do then, Redis itself must say.

use std::path::PathBuf;

use settings::Secret;

use crate::config::Config;
use crate::includes;
use crate::template::{Placed, Template};
use crate::workdir::WorkDir;

/// The user that a connection is before it says who it is.
const DEFAULT: &str = "default";

/// What the wrapper connects with.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// `REDIS_USER`.
    pub user: Option<&'a str>,
    /// `REDIS_PASSWORD`, or what `requirepass` says.
    pub password: Option<&'a str>,
}

/// Why the wrapper would be shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Nobody of that name.
    #[error("is not defined; add it there, with the password in REDIS_PASSWORD, or correct REDIS_USER")]
    Missing,
    /// Not `on`.
    #[error("is off; write `on`, or set REDIS_USER and REDIS_PASSWORD to another one")]
    Off,
    /// There is a password that we do not have.
    #[error(
        "needs a password, and the wrapper has none; set REDIS_PASSWORD, and REDIS_USER for another user"
    )]
    Unknown,
    /// There is another password.
    #[error("does not take the password in REDIS_PASSWORD (or `requirepass`); make them the same")]
    Other,
    /// Redis refuses a password that it does not need.
    #[error(
        "needs no password, and Redis refuses one then; give it the one in REDIS_PASSWORD, or set REDIS_USER"
    )]
    None,
}

/// The users shut the wrapper out.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// By their rules.
    #[error("{place}: the user `{user}` {why}")]
    ShutOut {
        /// Where they stand.
        place: String,
        /// Who.
        user: String,
        /// What is wrong.
        why: Why,
    },
    /// The file with the users.
    #[error("{place}: {path} cannot be read; correct the name (relative names are relative to the data set)")]
    Unreadable {
        /// Who names it.
        place: String,
        /// The file.
        path: PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// Redis would end.
    #[error("{place}: Redis takes no `user` beside an `aclfile`; move it into {file}")]
    Both {
        /// Where the user stands.
        place: String,
        /// The file.
        file: String,
    },
}

/// Whether the wrapper gets in.
pub fn check(config: &Config, template: &Template, work: &WorkDir) -> Result<(), UsersError> {
    let credentials = &config.credentials;
    let password = credentials.redis_password.as_ref().map(Secret::expose);
    let ours = Credentials {
        user: credentials.redis_user.as_deref(),
        password: password.or_else(|| template.value("requirepass")),
    };
    let user = ours.user.unwrap_or(DEFAULT);
    let lines = template.settings();
    let last = |name| lines.iter().rfind(|line| line.setting.name == name);
    let (place, why) = if let (Some(named), Some(file)) = (last("aclfile"), template.value("aclfile")) {
        if let Some(user) = last("user") {
            return Err(UsersError::Both {
                place: user.place(),
                file: file.to_owned(),
            });
        }
        let path = work.data.join(file);
        let place = named.place();
        let text = match includes::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(UsersError::Unreadable { place, path, source }),
        };
        (format!("{place}, {}", path.display()), in_file(&text, ours))
    } else {
        // Whom the template does not define, the wrapper does.
        let Some(line) = template.user(user) else {
            return Ok(());
        };
        (line.place(), by_line(line, ours))
    };
    let user = user.to_owned();
    why.map_or(Ok(()), |why| Err(UsersError::ShutOut { place, user, why }))
}

fn by_line(line: &Placed, ours: Credentials<'_>) -> Option<Why> {
    let rules = line.setting.values.iter().skip(1).map(String::as_str);
    shut_out(rules, ours)
}

/// Words in an aclfile are not quoted (acl.c, `ACLLoadFromFile`).
fn in_file(text: &str, ours: Credentials<'_>) -> Option<Why> {
    let user = ours.user.unwrap_or(DEFAULT);
    let rules = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let defines = words.next() == Some("user") && words.next() == Some(user);
        defines.then_some(words)
    });
    match rules {
        Some(rules) => shut_out(rules, ours),
        // A default user that the file leaves out may do everything, whatever `requirepass` says.
        None if user == DEFAULT => shut_out(["on", "nopass"].into_iter(), ours),
        None => Some(Why::Missing),
    }
}

/// Follows the rules of one user, who begins as one without password that is off, also where `requirepass` says something.
fn shut_out<'a>(rules: impl Iterator<Item = &'a str>, ours: Credentials<'_>) -> Option<Why> {
    let (mut on, mut nopass, mut hashed) = (false, false, false);
    let mut passwords: Vec<&str> = Vec::new();
    for rule in rules {
        match rule.to_ascii_lowercase().as_str() {
            "on" => on = true,
            "off" => on = false,
            word @ ("nopass" | "resetpass" | "reset") => {
                (nopass, hashed) = (word == "nopass", false);
                passwords.clear();
                on &= word != "reset";
            }
            _ => {
                if let Some(password) = rule.strip_prefix('>') {
                    nopass = false;
                    passwords.push(password);
                } else if let Some(password) = rule.strip_prefix('<') {
                    passwords.retain(|known| *known != password);
                } else if rule.starts_with('#') {
                    (nopass, hashed) = (false, true);
                }
            }
        }
    }
    match ours.password {
        _ if !on => Some(Why::Off),
        None => (!nopass).then_some(Why::Unknown),
        // Redis takes any password of a user who needs none, unless only the password is said.
        Some(_) if nopass => ours.user.is_none().then_some(Why::None),
        Some(password) => (!hashed && !passwords.contains(&password)).then_some(Why::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours<'a>(user: Option<&'a str>, password: Option<&'a str>) -> Credentials<'a> {
        Credentials { user, password }
    }

    #[test]
    fn the_rules_of_a_user_are_followed_as_redis_does() {
        let (nobody, we, named) = (
            ours(None, None),
            ours(None, Some("x")),
            ours(Some("app"), Some("x")),
        );
        let table = [
            ("on >x ~* +@all", nobody, Some(Why::Unknown)),
            ("on >x ~* +@all", we, None),
            ("ON >y >x <y", we, None),
            ("on >y >x <x", we, Some(Why::Other)),
            ("on >x resetpass", we, Some(Why::Other)),
            ("on >x reset", we, Some(Why::Off)),
            (">x", we, Some(Why::Off)),
            ("on #2d71", we, None),
            ("on #2d71", nobody, Some(Why::Unknown)),
            ("on nopass", nobody, None),
            ("on >x nopass", we, Some(Why::None)),
            ("on nopass", named, None),
            ("on nopass >x", nobody, Some(Why::Unknown)),
            ("on ~* +@all", nobody, Some(Why::Unknown)),
        ];
        for (rules, ours, why) in table {
            assert_eq!(shut_out(rules.split(' '), ours), why, "{rules} {ours:?}");
        }
    }

    #[test]
    fn an_aclfile_says_all_about_its_users() {
        let text = "user app on >x ~* +@all\nuser other off\n";
        assert_eq!(in_file(text, ours(Some("app"), Some("x"))), None);
        assert_eq!(in_file(text, ours(Some("nobody"), Some("x"))), Some(Why::Missing));
        assert_eq!(in_file(text, ours(None, None)), None);
        assert_eq!(in_file(text, ours(None, Some("x"))), Some(Why::None));
    }
}
