//! A decision is a function of what it is given: it cannot wait, log, or read a clock.

use crate::{none, source};

const FORBIDDEN: &[(&str, &str)] = &[
    ("tokio", "a decision does not wait"),
    ("async fn", "a decision does not wait"),
    (".await", "a decision does not wait"),
    (
        "tracing",
        "a decision does not log; give the reason in the answer",
    ),
    ("Instant::now", "time is an argument"),
    ("SystemTime::now", "time is an argument"),
];

#[test]
fn decisions_are_pure() {
    let mut impure = Vec::new();
    for file in source::rust().iter().filter(|file| is_decision(&file.path)) {
        for (number, line) in file.code() {
            for (word, why) in FORBIDDEN {
                if line.contains(word) {
                    impure.push(format!("{}:{number}: {word}: {why}", file.path));
                }
            }
        }
    }
    none(&impure);
}

/// `decide.rs` and the files below `decide/`, but for their tests.
fn is_decision(path: &str) -> bool {
    path.contains("/src/")
        && !path.ends_with("/tests.rs")
        && (path.ends_with("/decide.rs") || path.contains("/decide/"))
}

#[test]
fn there_are_decisions() {
    assert!(source::rust().iter().any(|file| is_decision(&file.path)));
}
