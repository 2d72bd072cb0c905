//! Only one crate names each foreign client, so that its surprises are met in one place.

use crate::{none, source};

/// The name in a path, and who may write it. Tests need the real thing beside ours.
const EDGES: &[(&str, &[&str])] = &[
    ("zookeeper_client", &["registry", "testkit"]),
    ("redis", &["instance", "testkit"]),
    ("nix", &["supervisor", "testkit", "xtask"]),
];

#[test]
fn foreign_clients_are_named_in_one_crate() {
    let mut named = Vec::new();
    for file in source::rust().iter().filter(|file| file.is_shipped()) {
        for (client, allowed) in EDGES {
            if allowed.contains(&file.package()) {
                continue;
            }
            for (number, line) in file.code().filter(|(_, line)| names(line, client)) {
                named.push(format!(
                    "{}:{number}: only {} may name {client}: {}",
                    file.path,
                    allowed[0],
                    line.trim()
                ));
            }
        }
    }
    none(&named);
}

/// Whether the line uses the crate: `name::…` that does not follow another path or word.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let starts = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '"'))
            || line[..start].ends_with(" ::");
        starts && line[start + name.len()..].starts_with("::")
    })
}

#[test]
fn a_use_of_a_crate_is_told_from_a_word() {
    for (line, named) in [
        ("use redis::Value;", true),
        ("    let x: redis::Value = y;", true),
        ("use ::redis::Value;", true),
        ("use crate::redis::Value;", false),
        ("my_redis::Value", false),
        ("let redis = 1;", false),
    ] {
        assert_eq!(names(line, "redis"), named, "{line}");
    }
}
