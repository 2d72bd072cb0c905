//! The files that a pattern after `include` names, as glob(3) has it: `*`, `?` and `[a-z]`, within one name at a time.
//!
//! Redis has read patterns there since 7.0. A pattern that no file matches is no error, for an empty `conf.d` is none.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Whether this path is a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The files it stands for, sorted. A relative pattern is meant below `dir`.
pub(super) fn files(dir: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    // The directory of a path without one.
    let mut found = vec![Path::new(".").join(dir)];
    for part in Path::new(pattern).components() {
        let name = match part {
            Component::Normal(name) => name.to_string_lossy(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
                for path in &mut found {
                    path.push(part);
                }
                continue;
            }
        };
        let mut next = Vec::new();
        for path in found {
            if is_pattern(&name) {
                next.extend(children(&path, &name)?);
            } else {
                next.push(path.join(&*name));
            }
        }
        found = next;
    }
    found.retain(|path| path.is_file());
    found.sort();
    Ok(found)
}

/// What matches directly below `dir`; nothing where there is no such directory.
fn children(dir: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match dir.read_dir() {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if matches(pattern, &name.to_string_lossy()) {
            found.push(dir.join(name));
        }
    }
    Ok(found)
}

/// Whether a name matches. As in a shell, a leading dot must be written.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last `*`, and how much of the name it has taken: where to go on when the rest does not fit.
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(width) = pattern.get(p..).and_then(|rest| one(rest, name[n])) {
            (p, n) = (p + width, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How much of the pattern stands for this one character, if it does.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => class(pattern, c),
        plain => (*plain == c).then_some(1),
    }
}

/// `[abc]`, `[a-z]`, `[!a]`; a bracket that nobody closes stands for itself.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let negated = usize::from(matches!(pattern.get(1), Some('!' | '^')));
    let first = 1 + negated;
    // A `]` at the beginning is one of the characters.
    let Some(end) = (first + 1..pattern.len()).find(|at| pattern[*at] == ']') else {
        return (c == '[').then_some(1);
    };
    let mut rest = &pattern[first..end];
    let mut inside = false;
    while let Some(from) = rest.first() {
        if let [_, '-', to, ..] = rest {
            inside |= (*from..=*to).contains(&c);
            rest = &rest[3..];
        } else {
            inside |= *from == c;
            rest = &rest[1..];
        }
    }
    (inside != (negated == 1)).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        let table = [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            ("*.conf", "a.conf.bak", false),
            (".*", ".hidden", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("?.conf", "ab.conf", false),
            ("[0-9][!a].conf", "1b.conf", true),
            ("[0-9][!a].conf", "1a.conf", false),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("[a-]", "-", true),
            ("", "", true),
            ("", "a", false),
            ("**", "anything", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} and {name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_a_plain_name_matches_itself(pattern in "\\PC{0,12}", name in "[a-z]{0,8}") {
            let _ = matches(&pattern, &name);
            prop_assert!(matches(&name, &name));
            prop_assert!(matches("*", &name));
        }
    }

    #[test]
    fn directories_on_the_way_may_be_patterns_too() {
        let root = tempfile::TempDir::new().unwrap();
        for file in [
            "b/2.conf",
            "b/1.conf",
            "a/1.conf",
            "a/.hidden.conf",
            "a/1.txt",
            "c/dir.conf/x",
        ] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let seen = |pattern: &str| -> Vec<String> {
            let found = files(root.path(), pattern).unwrap();
            let below = found.iter().map(|path| path.strip_prefix(root.path()).unwrap());
            below.map(|path| path.display().to_string()).collect()
        };
        assert_eq!(seen("*/*.conf"), ["a/1.conf", "b/1.conf", "b/2.conf"]);
        assert_eq!(seen("[!a]/*.conf"), ["b/1.conf", "b/2.conf"]);
        assert!(seen("gone/*.conf").is_empty() && seen("a/*.none").is_empty());
        let absolute = root.path().join("a/*.conf").display().to_string();
        assert_eq!(seen(&absolute), ["a/1.conf"]);
    }
}
