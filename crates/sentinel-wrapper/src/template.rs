//! The user's own configuration text, line by line, with what it includes.
//!
//! Sentinel rewrites its main file whenever it learns something. Settings that came in by `include` are written out
//! a second time there, and the next start stops at `Duplicate master name` (tried on 7.0.15). So the text is copied
//! into the private file, its includes too, and the user's files are only ever opened for reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use topology::conf_file::{self, Setting};

/// What is used where the user names no file: the same text that the repository ships.
pub const BUILT_IN: &str = include_str!("../../../conf/sentinel.conf");

/// Includes within includes; Redis itself would follow a circle until its stack ends.
const DEPTH: usize = 8;

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
    #[error("cannot read the template {path}; check SENTINEL_CONF and its permissions", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// `include` with a pattern, or without exactly one file.
    #[error("{file}, line {line}: name one file after `include`, without a pattern")]
    Include {
        /// Where.
        file: Arc<str>,
        /// Line number.
        line: usize,
    },
    /// Files that include one another.
    #[error("{file}, line {line}: more than {DEPTH} includes within one another; do they form a circle?")]
    Depth {
        /// Where.
        file: Arc<str>,
        /// Line number.
        line: usize,
    },
}

impl Template {
    /// The template at `path`, or the built-in one.
    pub fn read(path: Option<&Path>) -> Result<Self, TemplateError> {
        let open = |path: &Path| std::fs::read_to_string(path);
        match path {
            None => Self::parse("the built-in sentinel.conf", Path::new("/"), BUILT_IN, &open),
            Some(path) => {
                let text = read(path, &open)?;
                let dir = path.parent().unwrap_or(Path::new("."));
                Self::parse(&path.display().to_string(), dir, &text, &open)
            }
        }
    }

    /// The lines of `text`; `open` reads what it includes, relative to `dir`.
    pub(crate) fn parse(file: &str, dir: &Path, text: &str, open: &Open) -> Result<Self, TemplateError> {
        let mut lines = Vec::new();
        flatten(&Arc::from(file), dir, text, open, DEPTH, &mut lines)?;
        Ok(Self { lines })
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

type Open<'a> = dyn Fn(&Path) -> std::io::Result<String> + 'a;

fn read(path: &Path, open: &Open) -> Result<String, TemplateError> {
    open(path).map_err(|source| TemplateError::Read {
        path: path.to_owned(),
        source,
    })
}

fn flatten(
    file: &Arc<str>,
    dir: &Path,
    text: &str,
    open: &Open,
    depth: usize,
    into: &mut Vec<Line>,
) -> Result<(), TemplateError> {
    let mut settings = conf_file::settings(text).into_iter().peekable();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let setting = settings.next_if(|setting| setting.line == number);
        let Some(include) = setting.as_ref().filter(|s| s.name == "include") else {
            into.push(Line {
                file: file.clone(),
                number,
                text: line.to_owned(),
                setting,
            });
            continue;
        };
        let [named] = &include.values[..] else {
            return Err(TemplateError::Include {
                file: file.clone(),
                line: number,
            });
        };
        if named.contains(['*', '?', '[']) {
            return Err(TemplateError::Include {
                file: file.clone(),
                line: number,
            });
        }
        if depth == 0 {
            return Err(TemplateError::Depth {
                file: file.clone(),
                line: number,
            });
        }
        let path = dir.join(named);
        let text = read(&path, open)?;
        let below = path.parent().unwrap_or(dir).to_owned();
        flatten(
            &Arc::from(path.display().to_string()),
            &below,
            &text,
            open,
            depth - 1,
            into,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
