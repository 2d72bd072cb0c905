//! The alert rules and the sample configuration are ones that Prometheus takes, each alert says what to do, and fires when it should.

use std::path::Path;
use std::process::Command;

use testkit::{Need, require};

use crate::queries::words_after;
use crate::{Query, root, text};

/// Runs promtool there, and fails the test with what it says.
pub(crate) fn promtool(dir: &Path, words: &[&str]) {
    let output = Command::new("promtool")
        .args(words)
        .current_dir(dir)
        .output()
        .expect("promtool runs");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "promtool {words:?}: {}", said.join("\n"));
}

/// Each alert's name and text.
fn alerts() -> Vec<(String, String)> {
    let rules = text("conf/prometheus/redis-zk.rules.yml");
    let alerts = rules.split("- alert: ").skip(1);
    alerts
        .map(|alert| {
            (
                alert.lines().next().unwrap_or_default().to_owned(),
                alert.to_owned(),
            )
        })
        .collect()
}

/// Each alert's expression, with the labels that its words show.
pub(crate) fn queries() -> Vec<Query> {
    let expression = |alert: &str| {
        let from = alert.find("expr:").expect("an expression");
        let to = ["\n        for:", "\n        labels:"]
            .iter()
            .filter_map(|end| alert.find(end))
            .min();
        alert[from..to.expect("labels")].to_owned()
    };
    let query = |(name, alert): (String, String)| Query {
        place: name,
        expression: expression(&alert),
        shown: words_after(&alert, "$labels.").into_iter().collect(),
    };
    alerts().into_iter().map(query).collect()
}

#[test]
fn every_alert_says_what_happened_how_bad_it_is_and_what_to_do() {
    let alerts = alerts();
    for (name, alert) in &alerts {
        assert!(name.starts_with("RedisZk"), "{name}");
        for key in ["summary: ", "description: "] {
            assert_eq!(alert.matches(key).count(), 1, "{name}: {key}");
        }
        let severity = alert
            .split("severity: ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        assert!(
            matches!(severity, Some("critical" | "warning" | "info")),
            "{name}: {severity:?}"
        );
    }
    let mut names: Vec<&String> = alerts.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), alerts.len(), "an alert is there twice");
}

#[test]
fn prometheus_takes_the_rules_and_they_fire_when_they_should() {
    if !require(&[Need::Prometheus]) {
        return;
    }
    let dir = root().join("conf/prometheus");
    promtool(&dir, &["check", "config", "prometheus.yml"]);
    promtool(&dir, &["check", "rules", "redis-zk.rules.yml"]);
    promtool(&dir, &["test", "rules", "redis-zk.rules.test.yml"]);
}
