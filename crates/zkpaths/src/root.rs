//! Where a group's tree begins.

use std::fmt;
use std::str::FromStr;

/// An absolute ZooKeeper path, without a slash at its end: `/redis` unless the user says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZkRoot(String);

/// Why a text is no root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a ZooKeeper path; write an absolute one such as /redis, without `.`, `..` or empty parts"
)]
pub struct RootError(String);

impl ZkRoot {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ZkRoot {
    fn default() -> Self {
        Self("/redis".to_owned())
    }
}

impl FromStr for ZkRoot {
    type Err = RootError;

    fn from_str(text: &str) -> Result<Self, RootError> {
        let bad = || RootError(text.to_owned());
        let path = text.strip_suffix('/').unwrap_or(text);
        let parts = path.strip_prefix('/').ok_or_else(bad)?;
        let good = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| !c.is_control() && c != '\u{fffd}')
        };
        // ZooKeeper keeps `/zookeeper` for itself.
        if !parts.split('/').all(good) || parts.split('/').next() == Some("zookeeper") {
            return Err(bad());
        }
        Ok(Self(path.to_owned()))
    }
}

impl fmt::Display for ZkRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_are_roots() {
        for (text, root) in [("/redis", "/redis"), ("/a/b/", "/a/b")] {
            assert_eq!(text.parse::<ZkRoot>().unwrap().as_str(), root);
        }
        for bad in ["", "/", "redis", "/a//b", "/a/../b", "/zookeeper/x", "/a\nb"] {
            assert!(bad.parse::<ZkRoot>().is_err(), "{bad:?}");
        }
    }
}
