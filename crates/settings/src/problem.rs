//! What is wrong with the settings, and what to do about it: all of it at once.

use std::fmt;

/// One thing that a person must change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    name: String,
    text: String,
}

impl Problem {
    /// `name` is where the value came from (`ZK_HOSTS`, `--zk-hosts`), `wrong` what is wrong with the value and what to
    /// write instead. Not for secrets: the value is shown.
    pub fn with_value(name: impl Into<String>, value: &str, wrong: impl fmt::Display) -> Self {
        Self::new(name, format!("`{}` {wrong}", shortened(value)))
    }

    /// A problem that shows no value.
    pub fn new(name: impl Into<String>, text: impl fmt::Display) -> Self {
        Self {
            name: name.into(),
            text: text.to_string(),
        }
    }

    /// Where the value came from: a variable or a flag.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn shortened(value: &str) -> String {
    let short: String = value.chars().take(80).collect();
    if short.len() < value.len() {
        format!("{short}…")
    } else {
        short
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        for c in self.text.chars() {
            // A value must not be able to forge lines or to colour the terminal.
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// Every problem found; never empty. The program starts nothing and ends with exit code 64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// All of these; `None` where there is none.
    pub fn new(problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self(problems))
    }

    pub(crate) fn single(problem: Problem) -> Self {
        Self(vec![problem])
    }

    pub(crate) fn both(first: Problem, second: Problem) -> Self {
        Self(vec![first, second])
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// The problems, in the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "one problem with the settings (--help explains them all):")?,
            count => write!(
                f,
                "{count} problems with the settings (--help explains them all):"
            )?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Stands for a value that is missing because a [`Problem`] has been recorded. Only recording one makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported(());

impl Reported {
    pub(crate) fn recorded(_by: &Problem) -> Self {
        Self(())
    }

    pub(crate) fn all_recorded(_by: &Problems) -> Self {
        Self(())
    }
}
