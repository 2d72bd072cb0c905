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
    let read = |(index, line): (usize, &str)| {
        let line_text = line.trim();
        if line_text.is_empty() || line_text.starts_with('#') {
            return None;
        }
        let mut words = split_words(line_text)?.into_iter();
        let name = words.next()?.to_ascii_lowercase();
        Some(Setting {
            line: index + 1,
            name,
            values: words.collect(),
            text: line_text.to_owned(),
        })
    };
    text.lines().enumerate().filter_map(read).collect()
}

/// The words of one line; `None` where a quote is not closed, which Redis refuses too.
pub fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Some(words);
        }
        let mut word = String::new();
        while let Some(c) = rest.next_if(|c| !c.is_whitespace()) {
            match c {
                '"' => double_quoted(&mut rest, &mut word)?,
                '\'' => single_quoted(&mut rest, &mut word)?,
                plain => word.push(plain),
            }
        }
        words.push(word);
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn double_quoted(rest: &mut Rest, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '\\' => match rest.next()? {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                'x' => {
                    let digits: String = [rest.next()?, rest.next()?].iter().collect();
                    word.push(char::from(u8::from_str_radix(&digits, 16).ok()?));
                }
                other => word.push(other),
            },
            plain => word.push(plain),
        }
    }
}

fn single_quoted(rest: &mut Rest, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' => return Some(()),
            '\\' if rest.peek() == Some(&'\'') => word.extend(rest.next()),
            plain => word.push(plain),
        }
    }
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
