//! The files that a pattern in an `include` line means: glob(3) as Redis calls it.
//!
//! `*`, `?` and `[…]` match within one component, a leading dot must be written, `\` takes a character's meaning away. The
//! order is by bytes. Nothing found, or a directory that cannot be read, is no file at all, so that an empty conf.d is allowed.

use std::path::{Component, Path, PathBuf};

/// Whether a name would be taken as a pattern.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The paths that exist and match, in order.
pub fn expand(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for component in Path::new(pattern).components() {
        found = match component {
            Component::Normal(part) => {
                let part = part.to_string_lossy();
                found.iter().flat_map(|dir| step(dir, &part)).collect()
            }
            other
            @ (Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir) => {
                found.iter().map(|dir| dir.join(other)).collect()
            }
        };
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    found.sort();
    found
}

fn step(dir: &Path, part: &str) -> Vec<PathBuf> {
    if !is_pattern(part) {
        return vec![dir.join(part.replace('\\', ""))];
    }
    let pattern: Vec<char> = part.chars().collect();
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let matching = entries.filter(|entry| {
        let name: Vec<char> = entry.file_name().to_string_lossy().chars().collect();
        (name.first() != Some(&'.') || pattern.first() == Some(&'.')) && matches(&pattern, &name)
    });
    matching.map(|entry| entry.path()).collect()
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    // The last `*`, and how much of the name it has taken so far: of several, only the last needs to be tried again.
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < name.len() {
        let one = pattern.get(at..).and_then(|rest| one(rest, name[of]));
        if pattern.get(at) == Some(&'*') {
            star = Some((at + 1, of));
            at += 1;
        } else if let Some(length) = one {
            at += length;
            of += 1;
        } else if let Some((behind, taken)) = star {
            star = Some((behind, taken + 1));
            (at, of) = (behind, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// How much of the pattern matches this one character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['?', ..] => Some(1),
        ['[', set @ ..] => match bracket(set, c) {
            Some((true, length)) => Some(length + 1),
            Some((false, _)) => None,
            // Never closed: a plain character.
            None => (c == '[').then_some(1),
        },
        ['\\', escaped, ..] => (*escaped == c).then_some(2),
        [plain, ..] => (*plain == c).then_some(1),
    }
}

/// Whether the set, read up to and with its `]`, holds the character.
fn bracket(set: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(set.first(), Some('!' | '^'));
    let start = usize::from(negated);
    let (mut at, mut holds) = (start, false);
    loop {
        match *set.get(at..)? {
            [']', ..] if at > start => return Some((holds != negated, at + 1)),
            [low, '-', high, ..] if high != ']' => {
                holds |= (low..=high).contains(&c);
                at += 3;
            }
            [plain, ..] => {
                holds |= plain == c;
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(dir: &Path, pattern: &str) -> Vec<String> {
        let relative = |path: PathBuf| {
            let path = path.strip_prefix(dir).unwrap_or(&path);
            path.to_string_lossy().into_owned()
        };
        expand(dir, pattern).into_iter().map(relative).collect()
    }

    #[test]
    fn patterns_mean_what_they_mean_in_a_shell() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("conf.d/sub")).unwrap();
        for name in ["b.conf", "a.conf", ".hidden.conf", "a-1", "a[1]", "sub/x.conf"] {
            std::fs::write(dir.path().join("conf.d").join(name), "").unwrap();
        }
        let table: &[(&str, &[&str])] = &[
            ("conf.d/*.conf", &["conf.d/a.conf", "conf.d/b.conf"]),
            ("./conf.d/[!a].conf", &["conf.d/b.conf"]),
            ("conf.d/.*.conf", &["conf.d/.hidden.conf"]),
            ("conf.d/*/*.conf", &["conf.d/sub/x.conf"]),
            ("c*/?.co*f", &["conf.d/a.conf", "conf.d/b.conf"]),
            ("conf.d/a\\[1\\]", &["conf.d/a[1]"]),
            ("conf.d/a[[]1*", &["conf.d/a[1]"]),
            ("conf.d/[a-b].conf", &["conf.d/a.conf", "conf.d/b.conf"]),
            ("conf.d/*.none", &[]),
            ("none/*", &[]),
        ];
        for (pattern, expected) in table {
            assert_eq!(names(dir.path(), pattern), *expected, "{pattern}");
        }
        let absolute = format!("{}/conf.d/a*.conf", dir.path().display());
        assert_eq!(names(dir.path(), &absolute), ["conf.d/a.conf"]);
    }

    proptest! {
        #[test]
        fn never_panics_and_a_star_matches_all(pattern in "[a-c*?\\[\\]!^\\\\-]{0,12}", name in "[a-c\\[\\]-]{0,12}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let _ = matches(&chars(&pattern), &chars(&name));
            prop_assert!(matches(&chars("*"), &chars(&name)));
            let pattern = format!("*{}*", name.replace('[', "\\[").replace(']', "\\]"));
            let found = matches(&chars(&pattern), &chars(&format!("x{name}y")));
            prop_assert!(found, "{}", pattern);
        }
    }
}
