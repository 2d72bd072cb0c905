//! Which group the program belongs to.

use topology::MasterName;

use crate::reader::{Outcome, Reader};
use crate::vars;

/// The group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// The name under which Sentinels know it.
    pub name: MasterName,
}

impl GroupSettings {
    /// Reads `MASTER_NAME`.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        reader.word(&vars::MASTER_NAME).map(|name| Self { name })
    }
}
