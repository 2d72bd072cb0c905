//! Reads a template with everything that it includes, in the order in which Redis reads it.
//!
//! Redis takes a relative name from its working directory, which a `dir` line changes from there on, and one with a
//! wildcard as glob(3) does, all that match as one text. What it would refuse is refused here, before anything is claimed:
//! a file that cannot be read, unbalanced quotes. Text that is not UTF-8 is read with replacements.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use topology::conf_file::{Unbalanced, checked_settings};

use crate::glob;
use crate::template::{Directory, Origin, Placed, Template};

/// Deeper is a circle, in which Redis would die.
const DEEPEST: usize = 16;
/// A circle of patterns has many ways to get that deep.
const MOST: usize = 1000;

/// A template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file cannot be read.
    #[error(
        "{from} cannot be used: {path} cannot be read; correct the name (relative names are relative to {cwd})"
    )]
    Unreadable {
        /// Who names it.
        from: String,
        /// The file.
        path: PathBuf,
        /// The working directory there.
        cwd: PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// A line that Redis refuses.
    #[error("{origin} cannot be used")]
    Line {
        /// The file.
        origin: String,
        /// The line.
        #[source]
        source: Unbalanced,
    },
    /// A file that includes itself.
    #[error("{from}: includes are {DEEPEST} deep or {MOST} in number; a file seems to include itself")]
    Circle {
        /// The last one.
        from: String,
    },
    /// A directory that Redis could not enter.
    #[error(
        "{from}: the directory {path} cannot be entered; create it, or leave `dir` out: DATA_DIR decides"
    )]
    Directory {
        /// Who names it.
        from: String,
        /// The directory.
        path: PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
}

/// Reads on from what the texts before have set.
#[derive(Debug)]
pub struct Reading {
    cwd: PathBuf,
    files: usize,
    template: Template,
}

impl Reading {
    /// Nothing read yet, in this working directory.
    pub fn new(cwd: &Path) -> Self {
        Self {
            cwd: cwd.to_owned(),
            files: 0,
            template: Template::default(),
        }
    }

    /// Reads a text and what it includes.
    pub fn text(&mut self, text: &str, origin: &Origin) -> Result<(), TemplateError> {
        self.text_at(text, origin, 0)
    }

    /// Everything that was read.
    pub fn end(self) -> Template {
        self.template
    }

    fn text_at(&mut self, text: &str, origin: &Origin, depth: usize) -> Result<(), TemplateError> {
        let settings = checked_settings(text).map_err(|source| TemplateError::Line {
            origin: origin.to_string(),
            source,
        })?;
        for setting in settings {
            let placed = Placed {
                setting,
                origin: origin.clone(),
            };
            match (placed.setting.name.as_str(), placed.setting.values.as_slice()) {
                ("include", [name]) => self.include(name, &placed, depth + 1)?,
                ("dir", [dir]) => self.enter(dir, &placed)?,
                _ => {}
            }
            self.template.push(placed);
        }
        Ok(())
    }

    fn enter(&mut self, dir: &str, placed: &Placed) -> Result<(), TemplateError> {
        let path = self.cwd.join(dir);
        let entered = path.canonicalize().and_then(|path| {
            // A canonical path may still be a file's.
            path.join(".").metadata().map(|_| path)
        });
        self.cwd = entered.map_err(|source| TemplateError::Directory {
            from: placed.place(),
            path,
            source,
        })?;
        self.template.enter(Directory {
            path: self.cwd.clone(),
            from: placed.place(),
        });
        Ok(())
    }

    fn include(&mut self, name: &str, placed: &Placed, depth: usize) -> Result<(), TemplateError> {
        let paths = if glob::is_pattern(name) {
            glob::expand(&self.cwd, name)
        } else {
            vec![self.cwd.join(name)]
        };
        self.files += paths.len();
        if depth > DEEPEST || self.files > MOST {
            return Err(TemplateError::Circle { from: placed.place() });
        }
        let mut text = String::new();
        for path in &paths {
            text.push_str(&read(path).map_err(|source| TemplateError::Unreadable {
                from: placed.place(),
                path: path.clone(),
                cwd: self.cwd.clone(),
                source,
            })?);
        }
        let origin = match paths.as_slice() {
            [path] => path.clone(),
            _ => self.cwd.join(name),
        };
        self.text_at(&text, &Origin::Included(Arc::from(origin)), depth)
    }
}

/// A file's text. Opening a FIFO would wait for its writer, so it is not opened.
pub fn read(path: &Path) -> std::io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

#[cfg(test)]
mod tests;
