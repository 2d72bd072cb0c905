//! What a text says of metrics: their names, the labels it selects by, and the labels it groups by. Enough for our own files, whose syntax
//! promtool checks.

use std::collections::BTreeSet;

const PREFIX: &str = "redis_zk_";

/// A metric as it is selected, or as a page shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
}

/// `state="fenced"`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub(crate) op: String,
    pub(crate) value: String,
}

fn is_word(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// Every metric's name in a text.
pub(crate) fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !is_word(c));
    let metric = |word: &&str| word.starts_with(PREFIX) && !word.ends_with('_');
    words.filter(metric).map(str::to_owned).collect()
}

/// Every metric in a text, with what stands in the braces behind it.
pub(crate) fn selectors(text: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        rest = &rest[at..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let metric = rest[..end].to_owned();
        rest = &rest[end..];
        let matchers = match rest.strip_prefix('{') {
            Some(inside) => {
                let (matchers, length) = braces(inside);
                rest = &inside[length..];
                matchers
            }
            None => Vec::new(),
        };
        found.push(Selector { metric, matchers });
    }
    found
}

/// The matchers up to the closing brace, and how long the text is up to there.
fn braces(text: &str) -> (Vec<Matcher>, usize) {
    let (mut quoted, mut begin, mut matchers) = (false, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' | '}' if !quoted => {
                matchers.extend(matcher(&text[begin..at]));
                begin = at + 1;
                if c == '}' {
                    return (matchers, begin);
                }
            }
            _ => {}
        }
    }
    (matchers, text.len())
}

fn matcher(text: &str) -> Option<Matcher> {
    let (left, value) = text.trim().split_once('"')?;
    let end = left.find(|c| !is_word(c))?;
    Some(Matcher {
        label: left[..end].to_owned(),
        op: left[end..].trim().to_owned(),
        value: value.trim_end_matches('"').to_owned(),
    })
}

/// The labels in `by (...)`, `on (...)` and their like.
pub(crate) fn groupings(text: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for keyword in [
        "by (",
        "on (",
        "without (",
        "ignoring (",
        "group_left (",
        "group_right (",
    ] {
        for (at, _) in text.match_indices(keyword) {
            let inside = text[at + keyword.len()..].split(')').next().unwrap_or_default();
            let found = inside.split(',').map(str::trim).filter(|label| !label.is_empty());
            labels.extend(found.map(str::to_owned));
        }
    }
    labels
}

/// The words that follow this: the labels of `{{x}}`, or of `$labels.x`.
pub(crate) fn words_after(text: &str, before: &str) -> BTreeSet<String> {
    let tails = text
        .match_indices(before)
        .map(|(at, _)| text[at + before.len()..].trim_start());
    let words = tails.map(|tail| tail.split(|c| !is_word(c)).next().unwrap_or_default());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn reads_what_our_files_and_pages_write() {
    let text = r#"sum by (le, phase) (increase(redis_zk_a_bucket{group=~"$g,}", le="0.1"}[1h])) > redis_zk_b and on (group) redis_zk_"#;
    let matcher = |label: &str, op: &str, value: &str| Matcher {
        label: label.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    };
    let read = selectors(text);
    assert_eq!(read[0].metric, "redis_zk_a_bucket");
    assert_eq!(
        read[0].matchers,
        [matcher("group", "=~", "$g,}"), matcher("le", "=", "0.1")]
    );
    assert_eq!(
        (read[1].metric.as_str(), read[1].matchers.len()),
        ("redis_zk_b", 0)
    );
    assert_eq!(
        named(text),
        ["redis_zk_a_bucket", "redis_zk_b"].map(str::to_owned).into()
    );
    assert_eq!(
        groupings(text),
        ["group", "le", "phase"].map(str::to_owned).into()
    );
    assert_eq!(
        words_after("{{x}} {{ y }} {{ $labels.z }}", "{{"),
        ["x", "y"].map(str::to_owned).into()
    );
}
