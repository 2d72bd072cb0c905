//! The configuration's values: the script's own environment over the file's, and under those the other script's environment.
//!
//! A table that is there does not wipe the defaults of what it leaves out. A key that nobody knows is a warning. Whatever is wrong is collected, and
//! reported at once; no problem repeats what may be a secret.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sinks::Secret;

use super::file;
use super::section::{Raw, Section};

/// An example of a time, where it is a possible one.
const USUAL_TIME: Duration = Duration::from_secs(10);

/// Where values come from, and what was wrong with them.
pub(super) struct Source<'a> {
    /// `EVENTILATOR_`, and for a reconfigurator `RECONFIGURATOR_` before it. What begins with the first wins over the file, and the file over the others.
    prefixes: &'static [&'static str],
    env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Whether the file itself holds a secret.
    pub(super) holds_secret: bool,
}

/// A value that was said, and where.
struct Said {
    place: String,
    raw: Raw,
    by: Speaker,
}

/// Who said a value. The later one is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Speaker {
    /// A variable of the other script's, which was meant for that one. Both inherit one environment, so this one hears it where nobody else speaks.
    OtherScript,
    File,
    Environment,
}

/// `RedisAddress` as part of a variable's name: `REDIS_ADDRESS`.
pub(super) fn variable(name: &str) -> String {
    let mut text = String::new();
    let mut before_lower = false;
    for sign in name.chars() {
        if sign.is_ascii_uppercase() && before_lower {
            text.push('_');
        }
        before_lower = sign.is_ascii_lowercase();
        text.push(sign.to_ascii_uppercase());
    }
    text
}

impl<'a> Source<'a> {
    pub(super) fn new(prefixes: &'static [&'static str], env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            prefixes,
            env,
            problems: Vec::new(),
            warnings: Vec::new(),
            holds_secret: false,
        }
    }

    /// The file that a variable names.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let named = |prefix: &&str| (self.env)(&format!("{prefix}CONFIG")).filter(|file| !file.is_empty());
        // Another script's file would say something else.
        self.prefixes.first().and_then(named).map(PathBuf::from)
    }

    /// What is wrong with the file, told with where it is; what is wrong with the environment is elsewhere.
    pub(super) fn placed(&self, from: Option<&Path>) -> Vec<String> {
        let place = from.map_or_else(String::new, |from| format!("{}: ", from.display()));
        let placed = |problem: &String| {
            if self.is_of_environment(problem) {
                problem.clone()
            } else {
                format!("{place}{problem}")
            }
        };
        self.problems.iter().map(placed).collect()
    }

    /// Whatever was not asked for is nothing anybody knows.
    pub(super) fn finish(&mut self, section: &Section) {
        for key in section.left() {
            let place = section.place(key);
            self.warnings
                .push(format!("{place} is no key that is known; it is left aside"));
        }
    }

    /// Whether a problem is about the environment, and not about the file.
    fn is_of_environment(&self, problem: &str) -> bool {
        self.prefixes.iter().any(|prefix| problem.starts_with(prefix))
    }

    fn said(&mut self, section: &mut Section, name: &str) -> Option<Said> {
        let in_file = section.take(name);
        let (own, others) = self.prefixes.split_at(1.min(self.prefixes.len()));
        if let Some(said) = self.in_environment(own, section, name, Speaker::Environment) {
            return Some(said);
        }
        let Some((key, raw)) = in_file else {
            return self.in_environment(others, section, name, Speaker::OtherScript);
        };
        let place = section.place(&key);
        if let Raw::Odd(kind) = raw {
            self.problems
                .push(format!("{place}: a {kind} is nothing it can be"));
            return None;
        }
        Some(Said {
            place,
            raw,
            by: Speaker::File,
        })
    }

    fn in_environment(&self, prefixes: &[&str], section: &Section, name: &str, by: Speaker) -> Option<Said> {
        if !section.is_first() {
            return None;
        }
        let title = match section.title() {
            "" => String::new(),
            title => format!("{}_", title.to_ascii_uppercase()),
        };
        prefixes.iter().find_map(|prefix| {
            let place = format!("{prefix}{title}{}", variable(name));
            let raw = Raw::One((self.env)(&place).filter(|value| !value.is_empty())?);
            Some(Said { place, raw, by })
        })
    }

    fn one(&mut self, section: &mut Section, name: &str) -> Option<(String, String)> {
        let said = self.said(section, name)?;
        self.single(said).map(|(place, text, _)| (place, text))
    }

    fn single(&mut self, said: Said) -> Option<(String, String, Speaker)> {
        let Said { place, raw, by } = said;
        if let Raw::One(text) = raw {
            return Some((place, text, by));
        }
        self.problems
            .push(format!("{place}: one value is wanted, not a list"));
        None
    }

    pub(super) fn text(&mut self, section: &mut Section, name: &str) -> Option<String> {
        self.one(section, name).map(|(_, text)| text)
    }

    /// A value of another type; `example` is a valid one.
    pub(super) fn parsed<T: FromStr>(
        &mut self,
        section: &mut Section,
        name: &str,
        example: &str,
    ) -> Option<T> {
        let (place, text) = self.one(section, name)?;
        let value = text.trim().parse().ok();
        if value.is_none() {
            self.problems.push(format!(
                "{place}: `{text}` cannot be used; write for example {example}"
            ));
        }
        value
    }

    pub(super) fn flag(&mut self, section: &mut Section, name: &str) -> Option<bool> {
        let (place, text) = self.one(section, name)?;
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => {
                self.problems
                    .push(format!("{place}: `{text}` is neither true nor false"));
                None
            }
        }
    }

    pub(super) fn duration(
        &mut self,
        section: &mut Section,
        name: &str,
        within: (Duration, Duration),
    ) -> Option<Duration> {
        let (place, text) = self.one(section, name)?;
        let (least, most) = within;
        match humantime::parse_duration(text.trim()) {
            Ok(value) if least <= value && value <= most => Some(value),
            _ => {
                self.problems.push(format!(
                    "{place}: `{text}` is no time between {} and {}; write for example {}",
                    humantime::format_duration(least),
                    humantime::format_duration(most),
                    humantime::format_duration(USUAL_TIME.clamp(least, most))
                ));
                None
            }
        }
    }

    /// A list: an array in the file, words between blanks or commas in the environment.
    pub(super) fn list(&mut self, section: &mut Section, name: &str) -> Option<Vec<String>> {
        Some(match self.said(section, name)?.raw {
            Raw::Many(words) => words,
            Raw::One(text) => text
                .split([',', ' ', '\t', '\n'])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            // It was a problem already.
            Raw::Odd(_) => return None,
        })
    }

    /// A secret: itself, or what is in the file that `<name>File` names. Of the two the environment's; of two in one place itself.
    pub(super) fn secret(&mut self, section: &mut Section, name: &str) -> Option<Secret> {
        let said = self.said(section, &format!("{name}File"));
        let named = said.and_then(|said| self.single(said));
        let in_file = section.holds(name);
        let said = self.said(section, name);
        let itself = said.and_then(|said| self.single(said));
        self.holds_secret |= in_file;
        match (itself, named) {
            (None, None) => None,
            (Some((_, text, _)), None) => Some(Secret::new(text)),
            (None, Some((place, file, _))) => self.secret_in(&place, Path::new(&file)),
            (Some((place, _, by)), Some((place_of_file, file, by_file))) if by < by_file => {
                self.unheard(&place, by, &place_of_file);
                self.secret_in(&place_of_file, Path::new(&file))
            }
            (Some((place, text, _)), Some((place_of_file, _, by_file))) => {
                self.unheard(&place_of_file, by_file, &place);
                Some(Secret::new(text))
            }
        }
    }

    /// What was meant for the other script need not be heard.
    fn unheard(&mut self, place: &str, by: Speaker, winner: &str) {
        if by != Speaker::OtherScript {
            self.warnings.push(format!("{winner} wins over {place}"));
        }
    }

    fn secret_in(&mut self, place: &str, file: &Path) -> Option<Secret> {
        let shown = file.display();
        match file::text(file) {
            Ok(text) if !text.trim().is_empty() => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Ok(_) => {
                self.problems.push(format!("{place}: the file {shown} is empty"));
                None
            }
            Err(error) => {
                self.problems
                    .push(format!("{place}: the file {shown} cannot be read: {error}"));
                None
            }
        }
    }
}
