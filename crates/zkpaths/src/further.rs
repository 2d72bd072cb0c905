//! What a record holds beside what this version knows of: fields that a newer version has written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Fields that this version does not know, with their values. They speak of the record they stand in: whoever completes or repairs
/// that record keeps them (`..before`), and a record of another epoch begins without any (`Further::default()`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Further(BTreeMap<String, Value>);

impl Further {
    /// The names of the fields, for logs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
