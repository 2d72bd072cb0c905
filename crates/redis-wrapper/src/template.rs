//! What the user's own redis.conf, or the arguments after `--`, say that matters to supervision.
//!
//! The template is included by the generated file and never written to. Settings that would break supervision are
//! overridden by lines that come after the include; each is named in a warning.

use topology::conf_file::{Setting, settings};

/// Settings that the wrapper decides, with the reason that the warning gives.
const SUPERVISED: &[(&str, &str)] = &[
    ("daemonize", "the wrapper is the parent of redis-server"),
    ("supervised", "the wrapper speaks to systemd itself"),
    ("port", "PORT0 decides it"),
    ("tls-port", "PORT0 decides it"),
    ("bind", "BIND_IP, NET_IFACE or ANNOUNCE_IP decide it"),
    ("replicaof", "ZooKeeper and the Sentinels decide it"),
    ("slaveof", "ZooKeeper and the Sentinels decide it"),
    ("replica-announce-ip", "ANNOUNCE_IP decides it"),
    ("replica-announce-port", "ANNOUNCE_PORT decides it"),
    ("slave-announce-ip", "ANNOUNCE_IP decides it"),
    ("slave-announce-port", "ANNOUNCE_PORT decides it"),
    ("logfile", "the log goes to standard output"),
    ("syslog-enabled", "the log goes to standard output"),
];

/// What was read from a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// Its settings in order.
    settings: Vec<Setting>,
}

impl Template {
    /// Reads the text of a redis.conf.
    pub fn parse(text: &str) -> Self {
        Self {
            settings: settings(text),
        }
    }

    /// The last value of a setting, as Redis takes the last one.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().rev().find(|setting| setting.name == name)?;
        found
            .values
            .first()
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether an ACL user of this name is defined, or users come from a file of their own.
    pub fn defines_user(&self, user: &str) -> bool {
        let defines = |setting: &Setting| match setting.name.as_str() {
            "user" => setting.values.first().is_some_and(|name| name == user),
            "aclfile" => true,
            _ => false,
        };
        self.settings.iter().any(defines)
    }

    /// One warning for each setting that is overridden: where it stands, what it says, why it has no effect. A
    /// setting that asks for what the wrapper does anyway is not worth one.
    pub fn overridden(&self) -> Vec<String> {
        let warning = |setting: &Setting| {
            let harmless = matches!(
                (setting.name.as_str(), setting.values.join(" ").as_str()),
                ("daemonize" | "supervised" | "syslog-enabled", "no") | ("logfile", "")
            );
            let (name, why) = SUPERVISED.iter().find(|(name, _)| *name == setting.name)?;
            (!harmless).then(|| format!("line {}: `{name}` is overridden: {why}", setting.line))
        };
        self.settings.iter().filter_map(warning).collect()
    }
}

/// Takes the supervised settings out of the arguments after `--`: what is left for redis-server, and a warning for each that
/// was dropped. Arguments are in redis-server's own form: `--name value value …`.
pub fn without_supervised(args: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut warnings) = (Vec::new(), Vec::new());
    let mut dropping = false;
    for arg in args {
        if let Some(name) = arg.strip_prefix("--") {
            let supervised = SUPERVISED
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            dropping = supervised.is_some();
            if let Some((name, why)) = supervised {
                warnings.push(format!("argument `--{name}` is dropped: {why}"));
            }
        }
        if !dropping {
            kept.push(arg.clone());
        }
    }
    (kept, warnings)
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
        assert!(warnings[0].starts_with("line 1: `port`") && warnings[2].contains("`slaveof`"));
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

    #[test]
    fn supervised_arguments_go_with_their_values() {
        let args = ["--maxmemory", "1gb", "--bind", "0.0.0.0", "::1", "--save", ""].map(str::to_owned);
        let (kept, warnings) = without_supervised(&args);
        assert_eq!(kept, ["--maxmemory", "1gb", "--save", ""]);
        assert_eq!(warnings.len(), 1);
    }
}
