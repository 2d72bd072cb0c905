//! The files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

/// One file, by its path from the workspace's root with `/` between its parts.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }

    /// The crate it belongs to: `crates/<name>/…` or `xtask/…`.
    pub(crate) fn package(&self) -> &str {
        let path = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        path.split('/').next().unwrap_or_default()
    }

    /// Whether it is part of what a crate ships, and not a test or an example.
    pub(crate) fn is_shipped(&self) -> bool {
        self.is_rust() && self.path.contains("/src/") && !self.is_test_module()
    }

    /// Whether it is a module of unit tests.
    pub(crate) fn is_test_module(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Its lines before the unit tests, counted from 1.
    pub(crate) fn body(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// Its body without comments on lines of their own.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.body()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Every text file of ours. What Cargo and git made is not.
pub(crate) fn all() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory of the workspace") {
            let entry = entry.expect("an entry");
            let name = entry.file_name();
            let kind = entry.file_type().expect("a kind of file");
            if kind.is_dir() && name != "target" && name != ".git" {
                open.push(entry.path());
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                let path = entry
                    .path()
                    .strip_prefix(&root)
                    .expect("a file below the root")
                    .display()
                    .to_string();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

pub(crate) fn rust() -> Vec<Source> {
    all().into_iter().filter(Source::is_rust).collect()
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}
