//! The lines of a `redis.conf` or `sentinel.conf`, as Redis itself reads them.
//!
//! Words are split as `sdssplitargs` in Redis' sds.c does: white space between them, double quotes with escapes, single
//! quotes without. A value is quoted in the same language when a file is written.

use std::fmt::Write;

/// One setting of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Line number, from 1.
    pub line: usize,
    /// The setting's name, in lower case.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
    /// The line as written.
    pub text: String,
}

/// The settings of a file, in order; comments, blank lines and lines that Redis could not split are left out.
pub fn settings(text: &str) -> Vec<Setting> {
    lines(text).filter_map(Result::ok).collect()
}

/// As [`settings`], with each line that Redis would refuse to split as an error.
pub fn checked_settings(text: &str) -> Result<Vec<Setting>, Unbalanced> {
    lines(text).collect()
}

/// A line with a quote that is not closed, or with something right behind a closing one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: unbalanced quotes, which Redis refuses")]
pub struct Unbalanced {
    /// Line number, from 1.
    pub line: usize,
}

fn lines(text: &str) -> impl Iterator<Item = Result<Setting, Unbalanced>> + '_ {
    text.split('\n').enumerate().filter_map(|(index, line)| {
        let line_text = line.trim_matches([' ', '\t', '\r']);
        if line_text.is_empty() || line_text.starts_with('#') {
            return None;
        }
        let line = index + 1;
        let Some(words) = split_words(line_text) else {
            return Some(Err(Unbalanced { line }));
        };
        let mut words = words.into_iter();
        let name = words.next()?.to_ascii_lowercase();
        Some(Ok(Setting {
            line,
            name,
            values: words.collect(),
            text: line_text.to_owned(),
        }))
    })
}

/// The words of one line; `None` where a quote is not closed or something follows a closing one, which Redis refuses too.
pub fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.as_bytes();
    loop {
        while let [c, after @ ..] = rest
            && is_space(*c)
        {
            rest = after;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let (word, after) = word(rest)?;
        words.push(String::from_utf8_lossy(&word).into_owned());
        rest = after;
    }
}

/// One word and what is behind it. Bytes, since an escape may be half of a character.
fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some((word, rest)),
            [b'"', after @ ..] => {
                let after = double_quoted(after, &mut word)?;
                return Some((word, after));
            }
            [b'\'', after @ ..] => {
                let after = single_quoted(after, &mut word)?;
                return Some((word, after));
            }
            [plain, after @ ..] => {
                word.push(*plain);
                rest = after;
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'"', after @ ..] => return closed(after),
            [b'\\', b'x', high, low, after @ ..] if hex(*high).and(hex(*low)).is_some() => {
                (hex(*high)? * 16 + hex(*low)?, after)
            }
            [b'\\', escaped, after @ ..] => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                };
                (byte, after)
            }
            [plain, after @ ..] => (*plain, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'\'', after @ ..] => return closed(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [plain, after @ ..] => (*plain, after),
        };
        word.push(byte);
        rest = after;
    }
}

/// What is behind a closing quote, which nothing but space may follow.
fn closed(after: &[u8]) -> Option<&[u8]> {
    after.first().is_none_or(|c| is_space(*c)).then_some(after)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

/// The C locale's white space: a no-break space is part of a password.
fn is_space(c: u8) -> bool {
    c.is_ascii_whitespace() || c == 0x0b
}

/// A value as one word of a configuration line, quoted where it must be.
pub fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_as_redis_reads_them() {
        let text = "# comment\n\n Requirepass \"a \\\"b\\\"\"\nsave 900 1\nbroken \"open\n";
        let read = settings(text);
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].name.as_str(), read[0].line, read[0].values.join("|")),
            ("requirepass", 3, "a \"b\"".into())
        );
        assert_eq!(read[1].values, ["900", "1"]);
    }

    #[test]
    fn words_are_split_as_sdssplitargs_does() {
        let table: &[(&str, Option<&[&str]>)] = &[
            (r#"a"b c""#, Some(&["ab c"])),
            (r#""a"b"#, None),
            (r#"'a'"b""#, None),
            (r#""\xc3\xa9" \x41"#, Some(&["é", r"\x41"])),
            (r#""\xg1\a\b""#, Some(&["xg1\x07\x08"])),
            (r"'it\'s' 'a\n'", Some(&["it's", r"a\n"])),
            ("pass\u{a0}word \u{0b}x", Some(&["pass\u{a0}word", "x"])),
            (r#""open"#, None),
            (r#""open\"#, None),
            ("", Some(&[])),
        ];
        for (line, words) in table {
            let expected = words.map(|words| words.iter().map(|w| (*w).to_owned()).collect());
            assert_eq!(split_words(line), expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_redis_refuses_is_named() {
        assert_eq!(
            checked_settings("port 1\r\n\nbroken \"open\n"),
            Err(Unbalanced { line: 3 })
        );
        assert_eq!(checked_settings("port 1\r\n").unwrap()[0].values, ["1"]);
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(value in "[ -~\\t\\n\\r\\x01]{0,20}") {
            prop_assert_eq!(split_words(&quote(&value)), Some(vec![value]));
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = settings(&text);
        }
    }
}
