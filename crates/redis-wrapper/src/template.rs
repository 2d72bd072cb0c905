//! What the user's own redis.conf, what it includes, and the arguments after `--` say that matters to supervision.
//!
//! The template is included by the generated file and never written to. Settings that would break supervision are
//! overridden by lines that come after the include; each is named in a warning.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use topology::conf_file::{Setting, settings};

/// Settings that the wrapper decides, with the reason that the warning gives.
const SUPERVISED: &[(&str, &str)] = &[
    ("daemonize", "the wrapper is the parent of redis-server"),
    ("supervised", "the wrapper speaks to systemd itself"),
    ("port", "PORT0 decides it"),
    ("tls-port", "PORT0 decides it"),
    ("bind", "BIND_IP, NET_IFACE or ANNOUNCE_IP decide it"),
    (
        "protected-mode",
        "peers connect from other hosts; REDIS_PASSWORD and the network decide who gets in",
    ),
    ("replicaof", "ZooKeeper and the Sentinels decide it"),
    ("slaveof", "ZooKeeper and the Sentinels decide it"),
    ("replica-announce-ip", "ANNOUNCE_IP decides it"),
    ("replica-announce-port", "ANNOUNCE_PORT decides it"),
    ("slave-announce-ip", "ANNOUNCE_IP decides it"),
    ("slave-announce-port", "ANNOUNCE_PORT decides it"),
    (
        "replica-announced",
        "Sentinels promote only replicas that they see",
    ),
    ("replica-read-only", "only the master takes writes"),
    ("slave-read-only", "only the master takes writes"),
    ("logfile", "the log goes to standard output"),
    ("syslog-enabled", "the log goes to standard output"),
];

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In REDIS_CONF itself, or in the built-in copy.
    Template,
    /// In a file that it includes; several, where a pattern names them.
    Included(Arc<Path>),
    /// In the arguments after `--`.
    Arguments,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template => f.write_str("REDIS_CONF"),
            Self::Included(path) => path.display().fmt(f),
            Self::Arguments => f.write_str("what stands after --"),
        }
    }
}

/// A setting and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The setting.
    pub setting: Setting,
    /// The text that it stands in.
    pub origin: Origin,
}

impl Placed {
    /// For a message.
    pub fn place(&self) -> String {
        match self.origin {
            Origin::Arguments => format!("argument `--{}`", self.setting.name),
            Origin::Template | Origin::Included(_) => format!("{} line {}", self.origin, self.setting.line),
        }
    }
}

/// A directory that a template names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Absolute, without symbolic links.
    pub path: PathBuf,
    /// Who names it, for a message.
    pub from: String,
}

/// What was read from a template, its includes and the arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// The settings in the order in which Redis reads them.
    settings: Vec<Placed>,
    directory: Option<Directory>,
}

impl Template {
    /// Reads the text of a redis.conf that includes nothing.
    pub fn parse(text: &str) -> Self {
        let mut template = Self::default();
        for setting in settings(text) {
            template.push(Placed {
                setting,
                origin: Origin::Template,
            });
        }
        template
    }

    /// One more setting.
    pub fn push(&mut self, placed: Placed) {
        self.settings.push(placed);
    }

    /// The directory that a `dir` line leads to.
    pub fn enter(&mut self, directory: Directory) {
        self.directory = Some(directory);
    }

    /// Where Redis would keep its data set; `None` where no `dir` line says.
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The last value of a setting, as Redis takes the last one.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self
            .settings
            .iter()
            .rev()
            .find(|placed| placed.setting.name == name)?;
        found
            .setting
            .values
            .first()
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether an ACL user of this name is defined, or users come from a file of their own.
    pub fn defines_user(&self, user: &str) -> bool {
        self.value("aclfile").is_some() || self.user(user).is_some()
    }

    /// The line that defines an ACL user; Redis takes one at most.
    pub fn user(&self, user: &str) -> Option<&Placed> {
        self.settings.iter().find(|Placed { setting, .. }| {
            setting.name == "user" && setting.values.first().is_some_and(|name| name == user)
        })
    }

    /// One warning for each setting that is overridden: where it stands, what it says, why it has no effect. A
    /// setting that asks for what the wrapper does anyway is not worth one.
    pub fn overridden(&self) -> Vec<String> {
        let warning = |placed: &Placed| {
            let setting = &placed.setting;
            // Redis takes its words in either case; the name is in lower case already.
            let harmless = matches!(
                (
                    setting.name.as_str(),
                    setting.values.join(" ").to_ascii_lowercase().as_str()
                ),
                (
                    "daemonize" | "supervised" | "syslog-enabled" | "protected-mode",
                    "no"
                ) | (
                    "replica-announced" | "replica-read-only" | "slave-read-only",
                    "yes"
                ) | ("logfile", "")
            );
            let (name, why) = SUPERVISED.iter().find(|(name, _)| *name == setting.name)?;
            let place = placed.place();
            (!harmless).then(|| format!("{place}: `{name}` is overridden: {why}"))
        };
        self.settings.iter().filter_map(warning).collect()
    }

    /// Whether a line makes a replica of somebody. A later `replicaof no one` does not take that back: Redis then connects to its own
    /// host at that port and copies whatever it finds there, over its own data (7.0, `repl_state` after `loadServerConfig`).
    pub fn names_a_master(&self) -> bool {
        self.settings.iter().any(|placed| {
            let Setting { name, values, .. } = &placed.setting;
            let nobody = values.join(" ").eq_ignore_ascii_case("no one");
            matches!(name.as_str(), "replicaof" | "slaveof") && !nobody
        })
    }

    /// Every line in the order in which Redis reads them, arguments included, with no include and nobody's replica left.
    pub fn without_a_master(&self) -> String {
        let mut text = String::new();
        for Placed { setting, .. } in &self.settings {
            if !matches!(setting.name.as_str(), "include" | "replicaof" | "slaveof") {
                text.push_str(&setting.text);
                text.push('\n');
            }
        }
        text
    }

    /// Whether the user says how many replicas a write needs; 0 is an answer too.
    pub fn sets_min_replicas(&self) -> bool {
        let names = ["min-replicas-to-write", "min-slaves-to-write"];
        names.iter().any(|name| self.value(name).is_some())
    }

    /// The settings in the order in which Redis reads them.
    pub fn settings(&self) -> &[Placed] {
        &self.settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_breaking_setting_is_named() {
        let template =
            Template::parse("port 1\nDaemonize yes\nlogfile \"\"\nslaveof 1.2.3.4 5\nmaxmemory 1gb\n");
        let warnings = template.overridden();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].starts_with("REDIS_CONF line 1: `port`") && warnings[2].contains("`slaveof`"));
    }

    #[test]
    fn what_says_as_we_do_is_not_warned_of() {
        let table = [
            ("protected-mode yes", true),
            ("protected-mode No", false),
            ("replica-read-only no", true),
            ("slave-read-only no", true),
            ("replica-read-only yes", false),
            ("replica-announced no", true),
            ("replica-announced yes", false),
            ("supervised systemd", true),
            ("supervised no", false),
            ("min-replicas-to-write 2", false),
        ];
        for (line, warned) in table {
            let warnings = Template::parse(line).overridden();
            assert_eq!(warnings.len(), usize::from(warned), "{line}: {warnings:?}");
        }
    }

    #[test]
    fn whoever_says_how_many_replicas_a_write_needs_has_said_it() {
        for (text, says) in [
            ("min-replicas-to-write 0", true),
            ("min-slaves-to-write 2", true),
            ("min-replicas-max-lag 7", false),
        ] {
            assert_eq!(Template::parse(text).sets_min_replicas(), says, "{text}");
        }
    }

    #[test]
    fn passwords_and_users_are_found() {
        let template = Template::parse(
            "requirepass first\nrequirepass \"se cond\"\nmasterauth \"\"\nuser app on >x ~* +@all\n",
        );
        assert_eq!(template.value("requirepass"), Some("se cond"));
        assert_eq!(template.value("masterauth"), None);
        assert!(template.defines_user("app") && !template.defines_user("default"));
    }
}
