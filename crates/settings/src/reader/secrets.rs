//! Values that nobody may see, and where they are kept.

use std::path::PathBuf;

use super::{Given, Outcome, Reader};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::vars::{Kind, Variable};

impl Reader<'_> {
    /// A secret. Whatever is wrong with it, its value is not in the problem.
    pub fn secret(&mut self, variable: &Variable) -> Outcome<Option<Secret>> {
        let Some(Given { name, value }) = self.given(variable)? else {
            return Ok(None);
        };
        match value.into_string() {
            Ok(text) if text.chars().any(char::is_control) => Err(self.problem(Problem::new(
                name,
                "holds more than one line, or a control character; write one line of text",
            ))),
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(_) => Err(self.problem(Problem::new(
                name,
                "is not valid UTF-8; write one line of plain text",
            ))),
        }
    }

    /// The file that holds this secret, where it came from one.
    pub fn secret_file(&self, variable: &Variable) -> Option<PathBuf> {
        debug_assert!(
            variable.kind == Kind::Secret,
            "only those have no flag of their own"
        );
        let name = variable.file_name()?;
        let file = self.flags.get(&name).or_else(|| self.environment(&name))?;
        std::path::absolute(file).ok()
    }
}
