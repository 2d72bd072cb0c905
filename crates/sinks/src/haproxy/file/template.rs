//! A Go-style template, as redishappy's users have them, rendered with the groups of a picture.
//!
//! The language is that of Go's `text/template`, by `gtmpl-ng`. A template may be wrong in any way: what it may consume is bounded, and
//! what would exhaust the stack is refused before it is parsed.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use gtmpl_ng::{Context, ExecError, Limits, ParseError, Template, Value};

use crate::picture::{Group, Picture};

const LONGEST: usize = 256 * 1024;
const LONGEST_OUTPUT: usize = 4 * 1024 * 1024;
/// More than a person writes. The parser goes one call deeper with each of these, and has no bound of its own for them.
const MOST_PARENTHESES: usize = 32;
const MOST_ELSES: usize = 512;
/// So much stack holds that and more, in a build for tests too.
const STACK: usize = 32 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);
const LONGEST_REASON: usize = 300;

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The line, where it is known.
    line: Option<usize>,
    what: String,
}

impl Wrong {
    fn at(line: usize, what: &str) -> Self {
        Self {
            line: Some(line),
            what: what.chars().take(LONGEST_REASON).collect(),
        }
    }

    fn somewhere(what: &str) -> Self {
        Self {
            line: None,
            what: what.chars().take(LONGEST_REASON).collect(),
        }
    }

    /// For the standing.
    pub(super) fn in_file(&self, file: &Path) -> String {
        match self.line {
            Some(line) => format!("{}, line {line}: {}", file.display(), self.what),
            None => format!("{}: {}", file.display(), self.what),
        }
    }
}

/// The template's text with the picture's groups in it.
pub(super) fn render(template: &str, picture: &Picture) -> Result<String, Wrong> {
    bounded(template)?;
    let values = object([("Clusters", list(picture.groups.values().map(cluster)))]);
    let text = template.to_owned();
    let work = std::thread::Builder::new()
        .name("template".to_owned())
        .stack_size(STACK)
        .spawn(move || evaluate(text, values));
    let work = work.map_err(|error| Wrong::somewhere(&format!("no thread to render it: {error}")))?;
    work.join()
        .unwrap_or_else(|_| Err(Wrong::somewhere("the template engine cannot cope with it")))
}

fn evaluate(text: String, values: Value) -> Result<String, Wrong> {
    let limits = Limits::default()
        .with_output_bytes(LONGEST_OUTPUT)
        .with_deadline(DEADLINE);
    let mut template = Template::with_limits(limits);
    template.parse(text).map_err(|error| {
        if let ParseError::WithContext(at, what) = &error {
            return Wrong::at(at.line, what);
        }
        Wrong::somewhere(&error.to_string())
    })?;
    template.render(&Context::from(values)).map_err(|error| {
        if let ExecError::Structured(error) = &error {
            return Wrong::at(error.context.line, &error.message);
        }
        Wrong::somewhere(&error.to_string())
    })
}

/// Refuses what nobody writes and the parser would not survive.
fn bounded(template: &str) -> Result<(), Wrong> {
    if template.len() > LONGEST {
        return Err(Wrong::somewhere(&format!("it is longer than {LONGEST} bytes")));
    }
    if template.matches("else").count() > MOST_ELSES {
        return Err(Wrong::somewhere(&format!(
            "it has more than {MOST_ELSES} times `else`"
        )));
    }
    let mut line = 1;
    let mut rest = template;
    while let Some((text, action)) = rest.split_once("{{") {
        line += text.matches('\n').count();
        let (length, depth) = parentheses(action);
        if depth > MOST_PARENTHESES {
            let what = format!("more than {MOST_PARENTHESES} parentheses inside each other");
            return Err(Wrong::at(line, &what));
        }
        line += action[..length].matches('\n').count();
        rest = &action[length..];
    }
    Ok(())
}

/// How long an action is, up to its `}}`, and how deep the parentheses in it are. Those in quotes do not count.
fn parentheses(action: &str) -> (usize, usize) {
    let inside = action.trim_start_matches('-').trim_start();
    if inside.starts_with("/*") {
        // A comment: an apostrophe in it opens no quote.
        return (action.find("*/").map_or(action.len(), |at| at + 2), 0);
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut quote = None;
    let mut signs = action.char_indices();
    while let Some((at, sign)) = signs.next() {
        match (quote, sign) {
            // What follows a backslash ends nothing, but for raw quotes.
            (Some('"' | '\''), '\\') => drop(signs.next()),
            (Some(open), _) if open == sign => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(sign),
            (None, '}') if action[at..].starts_with("}}") => return (at, deepest),
            (None, '(') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (None, ')') => depth = depth.saturating_sub(1),
            (Some(_) | None, _) => {}
        }
    }
    (action.len(), deepest)
}

/// redishappy's fields, and ours.
fn cluster(group: &Group) -> Value {
    let replicas = group.fit().filter(|addr| **addr != group.master.addr);
    let replicas = replicas.enumerate().map(|(index, addr)| {
        object([
            ("Name", Value::from(format!("{}_{}", group.name, index + 1))),
            ("Index", number(index as u64 + 1)),
            ("Ip", Value::from(addr.host())),
            ("Port", number(addr.port().into())),
        ])
    });
    object([
        ("Name", Value::from(group.name.as_str())),
        ("Ip", Value::from(group.master.addr.host())),
        ("Port", number(group.master.addr.port().into())),
        ("ExternalPort", number(group.external_port.unwrap_or(0).into())),
        ("Epoch", number(group.master.epoch.0)),
        ("Replicas", list(replicas)),
    ])
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::Array(values.collect())
}

fn number(number: u64) -> Value {
    Value::from(number)
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect::<HashMap<_, _>>(),
    )
}

#[cfg(test)]
mod tests;
