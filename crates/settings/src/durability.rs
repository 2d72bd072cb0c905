//! `DURABILITY`: what a failover owes to the writes that were acknowledged.

use std::fmt;
use std::str::FromStr;

use crate::reader::{Outcome, Reader};
use crate::vars;

/// Which acknowledged writes a failover must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Those that the best reachable replica has: somebody is promoted whenever anybody can be.
    #[default]
    Async,
    /// Those that a majority of the members acknowledged (WAIT): nobody is promoted until enough members are seen to tell.
    Quorum,
}

impl Durability {
    /// Reads `DURABILITY`.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        reader.word(&vars::DURABILITY)
    }
}

impl FromStr for Durability {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "async" => Ok(Self::Async),
            "quorum" => Ok(Self::Quorum),
            _ => Err("is not async or quorum; write one of the two"),
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async => "async",
            Self::Quorum => "quorum",
        })
    }
}
