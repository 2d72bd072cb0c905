//! What the program is to do: by the name it is called under, or by its first argument.

use std::path::PathBuf;

/// The names it may have, each with what it then does.
pub const NAMES: [&str; 4] = [
    "eventilator",
    "reconfigurator",
    "registrator",
    "sentinel-scriptify",
];

/// Which of Sentinel's scripts it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// The notification script.
    Eventilator,
    /// The client-reconfiguration script.
    Reconfigurator,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Eventilator, Self::Reconfigurator];

    /// Its name, which its files have as well.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eventilator => "eventilator",
            Self::Reconfigurator => "reconfigurator",
        }
    }

    /// So many arguments Sentinel gives it.
    pub fn arguments(self) -> usize {
        match self {
            Self::Eventilator => 2,
            Self::Reconfigurator => 7,
        }
    }

    /// Where its configuration may be; the first that exists is read. The documentation of the program that this one replaces, and its code,
    /// did not agree on the second name.
    pub fn files(self) -> Vec<PathBuf> {
        let names: &[&str] = match self {
            Self::Eventilator => &["eventilator"],
            Self::Reconfigurator => &["reconfigurator", "registrator"],
        };
        names
            .iter()
            .map(|name| PathBuf::from(format!("/etc/redis/{name}.conf")))
            .collect()
    }

    /// What the names of its variables may begin with: its own first.
    pub(crate) fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Eventilator => &["EVENTILATOR_"],
            Self::Reconfigurator => &["RECONFIGURATOR_", "EVENTILATOR_"],
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A call of Sentinel's, with its arguments.
    Call(Mode, Vec<String>),
    /// Something a person or a service manager types, with the mode that it is about if that was said.
    Verb(Option<Mode>, Vec<String>),
    /// `sentinel-scriptify`, with its flags.
    Scriptify(Vec<String>),
    /// Nothing that is known.
    Unknown(String),
}

/// Reads the name and the arguments. Where both readings are possible it is a call of Sentinel's: a person can type it another way.
pub fn asked(name: &str, arguments: Vec<String>) -> Asked {
    let mode = match name {
        "eventilator" => Mode::Eventilator,
        "reconfigurator" | "registrator" => Mode::Reconfigurator,
        "sentinel-scriptify" => return Asked::Scriptify(arguments),
        other => {
            return Asked::Unknown(format!(
                "`{other}` is no name of this program; call it by one of: {} (a link under that name will do)",
                NAMES.join(", ")
            ));
        }
    };
    if is_call(mode, &arguments) {
        return Asked::Call(mode, arguments);
    }
    match arguments.first().map(String::as_str) {
        // By a sub-command, whatever the name.
        Some("scriptify") => Asked::Scriptify(arguments[1..].to_vec()),
        Some("notify") => Asked::Call(Mode::Eventilator, arguments[1..].to_vec()),
        Some("reconfigure") => Asked::Call(Mode::Reconfigurator, arguments[1..].to_vec()),
        Some(_) | None => {
            let mode = (mode == Mode::Reconfigurator).then_some(mode);
            Asked::Verb(mode, arguments)
        }
    }
}

/// Whether Sentinel calls, or somebody who would be told best what a call looks like.
fn is_call(mode: Mode, arguments: &[String]) -> bool {
    let Some(first) = arguments.first() else {
        return false;
    };
    if mode == Mode::Reconfigurator && arguments.len() == mode.arguments() {
        // A group may have any name, that of a verb too.
        return true;
    }
    if is_event(first) {
        return true;
    }
    // Several words, and none is a flag or a verb: a call that lacks its sign, or some of its seven words. A single one is a verb mistyped.
    let plain = !is_verb(first) && !arguments.iter().any(|word| is_flag(word));
    plain
        && match mode {
            Mode::Eventilator => arguments.len() == mode.arguments(),
            Mode::Reconfigurator => arguments.len() > 1,
        }
}

/// Whether it is an event's name: each of Sentinel's begins with a sign. `-h` is a flag, and so is all that begins with two signs.
pub(crate) fn is_event(word: &str) -> bool {
    word.starts_with('+') || (word.starts_with('-') && !is_flag(word))
}

fn is_flag(word: &str) -> bool {
    word.starts_with("--") || (word.starts_with('-') && word.chars().count() <= 2)
}

/// What a person types first.
fn is_verb(word: &str) -> bool {
    matches!(
        word,
        "drain" | "serve" | "status" | "check" | "metrics" | "help" | "scriptify" | "notify" | "reconfigure"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, words: &[&str]) -> Asked {
        asked(name, words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    const TEXT: &str = "master m1 10.0.0.1 6379";

    #[test]
    fn sentinels_calls() {
        use Mode::{Eventilator, Reconfigurator};
        let table: &[(&str, &[&str], Mode)] = &[
            ("eventilator", &["+odown", TEXT], Eventilator),
            ("eventilator", &["-sdown", TEXT], Eventilator),
            // Events that nobody has heard of.
            ("eventilator", &["+x", TEXT], Eventilator),
            ("eventilator", &["+", ""], Eventilator),
            ("eventilator", &["+odown", "--check"], Eventilator),
            (
                "reconfigurator",
                &["m1", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            (
                "registrator",
                &["m1", "observer", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            // A group may be called anything.
            (
                "reconfigurator",
                &["status", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            (
                "reconfigurator",
                &["notify", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            (
                "reconfigurator",
                &["drain", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            (
                "reconfigurator",
                &["scriptify", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            (
                "reconfigurator",
                &["reconfigure", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            (
                "registrator",
                &["--mode", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"],
                Reconfigurator,
            ),
            // Not good ones; they get a call's error and exit code.
            ("eventilator", &["+odown"], Eventilator),
            ("eventilator", &["+odown", "a", "b"], Eventilator),
            ("eventilator", &["odown", TEXT], Eventilator),
            ("eventilator", &["m1", "leader"], Eventilator),
            ("reconfigurator", &["m1", "leader"], Reconfigurator),
            ("reconfigurator", &["+odown", TEXT], Reconfigurator),
        ];
        for (name, arguments, mode) in table {
            assert_eq!(
                ask(name, arguments),
                Asked::Call(*mode, words(arguments)),
                "{name} {arguments:?}"
            );
        }
    }

    #[test]
    fn calls_by_sub_command() {
        let seven = ["status", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"];
        for name in ["eventilator", "reconfigurator", "registrator"] {
            assert_eq!(
                ask(name, &["notify", "+odown", TEXT]),
                Asked::Call(Mode::Eventilator, words(&["+odown", TEXT]))
            );
            assert_eq!(
                ask(name, &[&["reconfigure"][..], &seven].concat()),
                Asked::Call(Mode::Reconfigurator, words(&seven))
            );
            assert_eq!(ask(name, &["scriptify", "-b"]), Asked::Scriptify(words(&["-b"])));
        }
        assert_eq!(
            ask("eventilator", &["notify", TEXT]),
            Asked::Call(Mode::Eventilator, words(&[TEXT]))
        );
        assert_eq!(
            ask("sentinel-scriptify", &["-b"]),
            Asked::Scriptify(words(&["-b"]))
        );
    }

    /// None of these is ever an event.
    #[test]
    fn what_a_person_types() {
        let table: &[&[&str]] = &[
            &[],
            &["-h"],
            &["-V"],
            &["-h", "drain"],
            &["-c", "/x"],
            &["--check"],
            &["--config=/x", "--check"],
            &["--mode=eventilator", "status"],
            &["--mode", "eventilator"],
            &["--json", "status"],
            &["--json", TEXT],
            &["status", "--json"],
            &["help", "drain"],
            &["check"],
            &["drain", "--wait", "5m"],
            &["drain", "--left-behind", "--mode", "eventilator"],
            // Mistyped ones, which are told what was meant.
            &["stauts"],
            &["stauts", "--json"],
            &["stauts", "--mode", "reconfigurator"],
        ];
        for arguments in table {
            assert_eq!(
                ask("eventilator", arguments),
                Asked::Verb(None, words(arguments)),
                "{arguments:?}"
            );
            assert_eq!(
                ask("reconfigurator", arguments),
                Asked::Verb(Some(Mode::Reconfigurator), words(arguments)),
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn a_wrong_name_is_told_the_right_ones() {
        let Asked::Unknown(told) = ask("eventilater", &["+odown", "x"]) else {
            panic!("known")
        };
        for name in NAMES {
            assert!(told.contains(name), "{told}");
        }
    }
}
