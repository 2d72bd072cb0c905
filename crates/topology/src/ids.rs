//! Names and numbers that must not be confused with one another.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no such name or number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a Sentinel master name.
    #[error("`{0}` is not a master name; use letters, digits, `.`, `-` and `_`, for example master1")]
    MasterName(String),
    /// Not 40 hexadecimal digits.
    #[error("`{0}` is not a run id of 40 hexadecimal digits")]
    RunId(String),
    /// Not a positive number.
    #[error("`{0}` is not a quorum; write the number of Sentinels that must agree, for example 2")]
    Quorum(String),
}

/// The name under which Sentinels know a group. Characters as in Redis' `sentinel monitor` (sentinel.c,
/// `createSentinelRedisInstance` refuses others).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MasterName(String);

impl MasterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MasterName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let dots = text.chars().all(|c| c == '.');
        if text.is_empty() || text.len() > 128 || dots || !text.chars().all(plain) {
            return Err(IdError::MasterName(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for MasterName {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<MasterName> for String {
    fn from(name: MasterName) -> Self {
        name.0
    }
}

impl fmt::Display for MasterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The 40 hexadecimal digits by which a Redis process, or a Sentinel (`myid`), is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// The replication id of a data set's lineage: same form as a run id.
pub type ReplicationId = RunId;

impl RunId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A run id from 20 random bytes.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        use std::fmt::Write;
        let mut text = String::with_capacity(40);
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl FromStr for RunId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 40 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(IdError::RunId(text.to_owned()));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl TryFrom<String> for RunId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sentinel's config epoch: it orders two answers to "who is master". The higher one is right, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The next epoch.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many Sentinels must agree that the master is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum(NonZeroU32);

impl Quorum {
    /// The number, at least 1.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl FromStr for Quorum {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse()
            .map(Self)
            .map_err(|_| IdError::Quorum(text.to_owned()))
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_checked_at_the_door() {
        assert!("master1".parse::<MasterName>().is_ok());
        for bad in ["", "a b", "a/b", "..", "."] {
            assert!(bad.parse::<MasterName>().is_err(), "{bad:?}");
        }
        assert!("2".parse::<Quorum>().is_ok());
        for bad in ["0", "-1", "two", ""] {
            assert!(bad.parse::<Quorum>().is_err(), "{bad:?}");
        }
        assert!("z".repeat(40).parse::<RunId>().is_err());
        assert_eq!(RunId::from_bytes([0xab; 20]).as_str(), "ab".repeat(20));
        assert!(Epoch(3).next() > Epoch(3));
    }
}
