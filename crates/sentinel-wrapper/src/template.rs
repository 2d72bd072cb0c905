//! The user's own configuration text, line by line, with what it includes.
//!
//! Sentinel rewrites its main file whenever it learns something. Settings that came in by `include` are written out
//! a second time there, and the next start stops at `Duplicate master name` (tried on 7.0.15). So the text is copied
//! into the private file, its includes too, and the user's files are only ever opened for reading. The arguments after
//! `--` are lines behind it, for the reasons that `topology::arguments` tells.

mod pattern;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use topology::arguments::{ArgumentError, as_sentinel_lines};
use topology::conf_file::{self, Setting};

/// What is used where the user names no file: the same text that the repository ships.
pub const BUILT_IN: &str = include_str!("../../../conf/sentinel.conf");

/// Includes within includes; Redis itself would follow a circle until its stack ends.
const DEPTH: usize = 8;
/// Files in all: patterns within patterns multiply.
const FILES: usize = 1000;

/// The lines of a template, in the order in which Sentinel would read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    lines: Vec<Line>,
}

/// One line, and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file, for warnings.
    pub file: Arc<str>,
    /// Line number in that file, from 1.
    pub number: usize,
    /// The line as written.
    pub text: String,
    /// Its words; `None` for comments, blank lines, and lines that Sentinel will refuse by itself.
    pub setting: Option<Setting>,
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file could not be read.
    #[error("cannot read the template {path}; check SENTINEL_CONF, what it includes, and permissions", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A setting holds bytes that are no text; changing them unseen might change a password.
    #[error("{file}, line {line}: not UTF-8; write it anew in UTF-8")]
    NotText {
        /// Where.
        file: Arc<str>,
        /// Line number.
        line: usize,
    },
    /// `include` without exactly one path.
    #[error("{file}, line {line}: name one file, or one pattern, after `include`")]
    Include {
        /// Where.
        file: Arc<str>,
        /// Line number.
        line: usize,
    },
    /// A file that includes itself, perhaps through others.
    #[error("{file}, line {line}: {included} includes itself", included = included.display())]
    Circle {
        /// Where.
        file: Arc<str>,
        /// Line number.
        line: usize,
        /// What.
        included: PathBuf,
    },
    /// Arguments that are no settings.
    #[error(transparent)]
    Arguments(ArgumentError),
    /// Too many files, or too deep.
    #[error("{file}, line {line}: more than {DEPTH} includes within one another, or {FILES} files in all")]
    TooMuch {
        /// Where.
        file: Arc<str>,
        /// Line number.
        line: usize,
    },
}

impl Template {
    /// The template at `path`, or the built-in one, and behind it what the arguments say.
    pub fn read(path: Option<&Path>, args: &[OsString]) -> Result<Self, TemplateError> {
        let mut reading = Reading::new(&open);
        match path {
            None => reading.text(&Arc::from("the built-in sentinel.conf"), Path::new("/"), BUILT_IN)?,
            Some(path) => reading.file(path)?,
        }
        reading.arguments(args)?;
        Ok(reading.done())
    }

    /// The lines of `text`; `open` reads what it includes, relative to `dir`.
    #[cfg(test)]
    pub(crate) fn parse(file: &str, dir: &Path, text: &str, open: &Open) -> Result<Self, TemplateError> {
        let mut reading = Reading::new(open);
        reading.text(&Arc::from(file), dir, text)?;
        Ok(reading.done())
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

type Open<'a> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'a;

/// A pipe would be waited for, perhaps for ever.
fn open(path: &Path) -> io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_file() {
        std::fs::read(path)
    } else {
        Err(io::Error::other("it is not a file"))
    }
}

struct Reading<'a> {
    open: &'a Open<'a>,
    lines: Vec<Line>,
    /// The file being read, the one that includes it, and so on.
    within: Vec<PathBuf>,
    files: usize,
}

impl<'a> Reading<'a> {
    fn new(open: &'a Open<'a>) -> Self {
        Self {
            open,
            lines: Vec::new(),
            within: Vec::new(),
            files: 0,
        }
    }

    fn done(self) -> Template {
        Template { lines: self.lines }
    }

    fn file(&mut self, path: &Path) -> Result<(), TemplateError> {
        let bytes = (self.open)(path).map_err(|source| TemplateError::Read {
            path: path.to_owned(),
            source,
        })?;
        let name: Arc<str> = Arc::from(path.display().to_string());
        let text = text(&name, &bytes)?;
        self.files += 1;
        self.within.push(same(path));
        let dir = path.parent().unwrap_or(Path::new("."));
        self.text(&name, dir, &text)?;
        self.within.pop();
        Ok(())
    }

    /// Their files are relative to where the wrapper was started.
    fn arguments(&mut self, args: &[OsString]) -> Result<(), TemplateError> {
        let file: Arc<str> = Arc::from("arguments after --");
        let mut words = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            words.push(arg.clone().into_string().map_err(|_| TemplateError::NotText {
                file: file.clone(),
                line: index + 1,
            })?);
        }
        let lines = as_sentinel_lines(&words).map_err(TemplateError::Arguments)?;
        self.text(&file, Path::new("."), &lines)
    }

    fn text(&mut self, file: &Arc<str>, dir: &Path, text: &str) -> Result<(), TemplateError> {
        let mut settings = conf_file::settings(text).into_iter().peekable();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let setting = settings.next_if(|setting| setting.line == number);
            let include = setting.as_ref().filter(|setting| setting.name == "include");
            let included = match include {
                Some(include) => included(file, dir, include)?,
                None => Vec::new(),
            };
            // An include that names no file stays, to be warned of.
            if included.is_empty() {
                self.lines.push(Line {
                    file: file.clone(),
                    number,
                    text: line.to_owned(),
                    setting,
                });
            }
            for path in included {
                let (file, line) = (file.clone(), number);
                if self.within.contains(&same(&path)) {
                    let included = path;
                    return Err(TemplateError::Circle { file, line, included });
                }
                if self.within.len() > DEPTH || self.files >= FILES {
                    return Err(TemplateError::TooMuch { file, line });
                }
                self.file(&path)?;
            }
        }
        Ok(())
    }
}

/// The files that an `include` names.
fn included(file: &Arc<str>, dir: &Path, include: &Setting) -> Result<Vec<PathBuf>, TemplateError> {
    let [named] = &include.values[..] else {
        return Err(TemplateError::Include {
            file: file.clone(),
            line: include.line,
        });
    };
    if !pattern::is_pattern(named) {
        return Ok(vec![dir.join(named)]);
    }
    pattern::files(dir, named).map_err(|source| TemplateError::Read {
        path: dir.join(named),
        source,
    })
}

/// By whatever way it is reached.
fn same(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Comments are often older than UTF-8 and nobody reads them here; everything else must be text.
fn text(file: &Arc<str>, bytes: &[u8]) -> Result<String, TemplateError> {
    let mut text = String::with_capacity(bytes.len());
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let lossy = String::from_utf8_lossy(line);
        if std::str::from_utf8(line).is_err() && !lossy.trim_start().starts_with('#') {
            return Err(TemplateError::NotText {
                file: file.clone(),
                line: index + 1,
            });
        }
        text.push_str(&lossy);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
