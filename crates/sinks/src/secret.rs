//! A word that nobody may read in a log.

use std::fmt;

/// A token or a key. Its Debug does not show it, and there is no Display.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides this.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The word itself, for those who must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
