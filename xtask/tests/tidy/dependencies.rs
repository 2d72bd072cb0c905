//! Crates depend downwards only. A new edge is a decision: it is written into this table first.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;

use crate::{none, source};

/// What each crate may use in what it ships. Tests may use testkit besides, and testkit's tests of the whole anything.
const ALLOWED: &[(&str, &[&str])] = &[
    // what is true
    ("topology", &[]),
    ("zkpaths", &["topology"]),
    // the edges
    ("settings", &["topology", "zkpaths"]),
    ("registry", &["topology", "zkpaths"]),
    ("instance", &["topology"]),
    ("supervisor", &[]),
    ("httpd", &[]),
    ("sinks", &["topology", "supervisor"]),
    // what we do
    ("failover", &["topology", "zkpaths", "registry", "instance"]),
    ("eventilator", &["topology", "instance", "sinks", "supervisor"]),
    // the programs
    ("program", &["settings", "registry", "instance", "supervisor"]),
    ("redis-wrapper", EVERYTHING_BELOW),
    ("sentinel-wrapper", EVERYTHING_BELOW),
    ("watcher", WATCHER),
    // the proof
    ("testkit", &["topology", "zkpaths"]),
    ("xtask", &["topology", "zkpaths", "settings", "testkit"]),
];

const EVERYTHING_BELOW: &[&str] = &[
    "topology",
    "zkpaths",
    "settings",
    "registry",
    "instance",
    "supervisor",
    "httpd",
    "failover",
    "program",
];

/// As the others, and the outside world.
const WATCHER: &[&str] = &[
    "topology",
    "zkpaths",
    "settings",
    "registry",
    "instance",
    "supervisor",
    "httpd",
    "program",
    "sinks",
];

#[test]
fn crates_depend_downwards() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut complaints = Vec::new();
    for package in packages() {
        let name = package.name.as_str();
        let Some(allowed) = allowed.get(name) else {
            complaints.push(format!(
                "{name}: not in the table of xtask/tests/tidy/dependencies.rs"
            ));
            continue;
        };
        for edge in package.dependencies.iter().filter(|edge| edge.path.is_some()) {
            let for_tests =
                edge.kind.as_deref() == Some("dev") && (edge.name == "testkit" || name == "testkit");
            if !for_tests && !allowed.contains(&edge.name.as_str()) {
                complaints.push(format!("{name} depends on {}, which is no step down", edge.name));
            }
        }
    }
    none(&complaints);
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    name: String,
    kind: Option<String>,
    /// Only crates of ours have one.
    path: Option<String>,
}

/// The workspace's crates, with what each depends on.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(source::root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    metadata.packages
}
