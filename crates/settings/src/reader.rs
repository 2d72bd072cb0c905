//! Looks values up: flag, then environment, then `X_FILE`, then the table. Empty counts as unset at each step.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, ops::RangeInclusive};

use crate::effective::Effective;
use crate::flags::{self, CommandLine, Flags};
use crate::problem::{Problem, Problems, Reported};
use crate::vars::{Kind, Program, Variable, flag};
use crate::{duration, value_file, vars};

/// What a reading comes to: the value, or a problem that is already recorded.
pub type Outcome<T> = Result<T, Reported>;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<T> {
    /// Run with this, after logging the notes.
    Run(T, Notes),
    /// Print this (help or version) and end with exit code 0.
    Show(String),
}

/// What an operator should know of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// What works, and may not be meant.
    pub warnings: Vec<String>,
    /// What holds.
    pub effective: Effective,
}

/// A text that was said, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `BIND_IP`, `--bind-ip` or `BIND_IP_FILE`.
    pub name: String,
    /// The value.
    pub text: String,
}

/// A value with its origin. It may be a secret, so it has no `Debug`.
struct Given {
    name: String,
    value: OsString,
}

/// Reads one program's settings and remembers every problem.
pub struct Reader<'a> {
    program: Program,
    flags: Flags,
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
    problems: Vec<Problem>,
    notes: Notes,
    afterwards: Vec<Afterwards>,
}

/// Done once all settings are known to be good.
type Afterwards = Box<dyn FnOnce() -> Result<(), Problem>>;

/// Reads the settings of `program`. `args` is the command line with the program's name first, `lookup` the
/// environment. `build` must read every setting before it gives up, so that every problem is found.
pub fn read<T>(
    program: Program,
    args: impl IntoIterator<Item = OsString>,
    lookup: impl Fn(&str) -> Option<OsString>,
    build: impl FnOnce(&mut Reader<'_>) -> Outcome<T>,
) -> Result<Parsed<T>, Problems> {
    let (flags, problems) = match flags::parse(program, args) {
        CommandLine::Show(text) => return Ok(Parsed::Show(text)),
        CommandLine::Unusable(problems) => return Err(problems),
        CommandLine::Flags(flags, problems) => (flags, problems),
    };
    let mut reader = Reader {
        program,
        flags,
        lookup: &lookup,
        problems,
        notes: Notes::default(),
        afterwards: Vec::new(),
    };
    let settings = build(&mut reader);
    if reader.problems.is_empty() {
        let made = reader.afterwards.drain(..).map(|make| make());
        reader.problems = made.filter_map(Result::err).collect();
    }
    match (Problems::new(reader.problems), settings) {
        (Some(problems), _) => Err(problems),
        (None, Ok(settings)) => Ok(Parsed::Run(settings, reader.notes)),
        (None, Err(Reported { .. })) => Err(Problems::single(Problem::new(
            program.name(),
            "the settings were refused without a reason; please report this",
        ))),
    }
}

impl Reader<'_> {
    /// Which program reads.
    pub fn program(&self) -> Program {
        self.program
    }

    /// The arguments after `--`, for the server that the program starts.
    pub fn child_args(&self) -> Vec<OsString> {
        self.flags.child_args.clone()
    }

    /// Records a problem.
    pub fn problem(&mut self, problem: Problem) -> Reported {
        let reported = Reported::recorded(&problem);
        self.problems.push(problem);
        reported
    }

    /// Records several problems.
    pub fn problems(&mut self, problems: Problems) -> Reported {
        let reported = Reported::all_recorded(&problems);
        self.problems.extend(problems.into_vec());
        reported
    }

    /// Records something that works, but that an operator should know.
    pub fn warn(&mut self, warning: impl fmt::Display) {
        self.notes.warnings.push(warning.to_string());
    }

    /// Records what holds after all, for the first line of the log; `None` where the variable has no effect.
    pub fn holds(&mut self, variable: &Variable, value: Option<impl fmt::Display>) {
        let shown = value.map(|value| value.to_string());
        self.notes.effective.put(variable, shown);
    }

    /// Does this once all settings have turned out to be good: who has something to correct finds nothing made.
    pub(crate) fn afterwards(&mut self, make: impl FnOnce() -> Result<(), Problem> + 'static) {
        self.afterwards.push(Box::new(make));
    }

    /// A variable that is no setting of ours, such as `PATH`.
    pub fn environment(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// What somebody said, without the table's default.
    pub fn said(&mut self, variable: &Variable) -> Outcome<Option<Said>> {
        let Some(given) = self.given(variable)? else {
            return Ok(None);
        };
        let Given { name, value } = given;
        match value.into_string() {
            Ok(text) => Ok(Some(Said { name, text })),
            Err(_) => Err(self.problem(Problem::new(
                name,
                format!(
                    "the value is not valid UTF-8; write plain text, {}",
                    example(variable)
                ),
            ))),
        }
    }

    /// The value, read by `parse`, whose error says what the value is not and what to write instead.
    pub fn optional<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Outcome<Option<T>> {
        let said = match (self.said(variable)?, variable.default_value(self.program)) {
            (Some(said), _) => said,
            (None, Some(default)) => Said {
                name: variable.name.to_owned(),
                text: default.to_owned(),
            },
            (None, None) => return Ok(None),
        };
        parse(&said.text)
            .map(Some)
            .map_err(|wrong| self.refused(variable, &said, &wrong))
    }

    /// As [`Self::optional`], for a variable that always has a value.
    pub fn required<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Outcome<T> {
        match self.optional(variable, parse)? {
            Some(value) => Ok(value),
            None => Err(self.problem(Problem::new(
                variable.name,
                format!("is not set; write {}", example(variable)),
            ))),
        }
    }

    /// A value whose type says itself what is wrong.
    pub fn word<T>(&mut self, variable: &Variable) -> Outcome<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.required(variable, |text| {
            text.trim().parse().map_err(|error: T::Err| {
                let error = error.to_string();
                let quoted = format!("`{}` ", text.trim());
                error.strip_prefix(&quoted).map(str::to_owned).unwrap_or(error)
            })
        })
    }

    /// A duration: `2s`, `1500ms`, or seconds.
    pub fn duration(&mut self, variable: &Variable, allowed: RangeInclusive<Duration>) -> Outcome<Duration> {
        self.required(variable, |text| duration::parse_within(text, &allowed))
    }

    /// A port.
    pub fn port(&mut self, variable: &Variable) -> Outcome<Option<u16>> {
        self.optional(variable, |text| match text.trim().parse() {
            Ok(0) | Err(_) => Err("is not a port; write a number from 1 to 65535".to_owned()),
            Ok(port) => Ok(port),
        })
    }

    /// A path, with the name it was given under. Relative ones are made absolute, as children run elsewhere.
    pub fn path(&mut self, variable: &Variable) -> Outcome<Option<(String, PathBuf)>> {
        let Some(Given { name, value }) = self.given(variable)? else {
            return Ok(None);
        };
        match std::path::absolute(&value) {
            Ok(path) => Ok(Some((name, path))),
            Err(error) => Err(self.problem(Problem::with_value(
                name,
                &value.to_string_lossy(),
                format!(
                    "is not a usable path ({error}); write an absolute one, {}",
                    example(variable)
                ),
            ))),
        }
    }

    fn refused(&mut self, variable: &Variable, said: &Said, wrong: &str) -> Reported {
        let wrong = if wrong.contains("for example") {
            wrong.to_owned()
        } else {
            format!("{wrong}, {}", example(variable))
        };
        self.problem(match variable.kind {
            Kind::Secret => Problem::new(&said.name, wrong),
            Kind::Plain | Kind::PlainOrFile | Kind::File => {
                Problem::with_value(&said.name, &said.text, wrong)
            }
        })
    }

    fn given(&mut self, variable: &Variable) -> Outcome<Option<Given>> {
        let given = self.look_up(variable)?;
        let said = given.as_ref().map(|given| given.value.as_os_str());
        self.notes.effective.note(variable, self.program, said);
        Ok(given)
    }

    /// What somebody said, by the first place that says anything.
    fn look_up(&mut self, variable: &Variable) -> Outcome<Option<Given>> {
        debug_assert!(vars::TABLE.contains(variable), "a variable outside the table");
        let name = variable.name;
        let file_name = variable.file_name();
        let by_flag = self.flags.get(name);
        let file_by_flag = file_name.as_deref().and_then(|name| self.flags.get(name));
        match (by_flag, file_by_flag, &file_name) {
            (Some(_), Some(_), Some(file_name)) => return Err(self.both(&flag(name), &flag(file_name))),
            (Some(value), _, _) => {
                return Ok(Some(Given {
                    name: flag(name),
                    value,
                }));
            }
            (None, Some(value), Some(file_name)) => return self.by_file(variable, flag(file_name), value),
            (None, _, _) => {}
        }
        let in_file = file_name.as_deref().and_then(|name| self.environment(name));
        match (self.environment(name), in_file, file_name) {
            (Some(_), Some(_), Some(file_name)) => Err(self.both(name, &file_name)),
            (Some(value), _, _) => Ok(Some(Given {
                name: name.to_owned(),
                value,
            })),
            (None, Some(value), Some(file_name)) => self.by_file(variable, file_name, value),
            (None, _, _) => Ok(None),
        }
    }

    fn both(&mut self, name: &str, file_name: &str) -> Reported {
        self.problem(Problem::new(
            name,
            format!("is set, and so is {file_name}; keep one of the two"),
        ))
    }

    fn by_file(&mut self, variable: &Variable, name: String, file: OsString) -> Outcome<Option<Given>> {
        if variable.kind == Kind::File {
            return Ok(Some(Given { name, value: file }));
        }
        match value_file::first_line(Path::new(&file)) {
            Ok(value) => Ok(Some(Given {
                name,
                value: value.into(),
            })),
            Err(wrong) => Err(self.problem(Problem::with_value(
                name,
                &file.to_string_lossy(),
                format!("{wrong}; name a readable file that holds the value on one line"),
            ))),
        }
    }
}

fn example(variable: &Variable) -> String {
    format!("for example {}", variable.example)
}

mod secrets;
#[cfg(test)]
mod tests;
