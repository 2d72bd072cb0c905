//! The dashboard is one that Grafana 9 and later takes: its version, its identifiers, a grid without overlaps, a data source that the reader
//! chooses, and queries that Prometheus can read.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;
use testkit::{Need, require};

use crate::queries::words_after;
use crate::rules::promtool;
use crate::{Query, text};

/// Grafana 9.0's.
const SCHEMA: u64 = 36;

fn dashboard() -> Value {
    serde_json::from_str(&text("conf/grafana/redis-zk.json")).expect("JSON")
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().expect("panels")
}

/// Every expression, with the labels that its legend shows.
pub(crate) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(Query {
                place: format!("dashboard: {}", panel["title"]),
                expression: target["expr"].as_str().expect("an expression").to_owned(),
                shown: words_after(target["legendFormat"].as_str().unwrap_or_default(), "{{")
                    .into_iter()
                    .collect(),
            });
        }
    }
    for note in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
        queries.push(Query {
            place: format!("dashboard: {}", note["name"]),
            expression: note["expr"].as_str().expect("an expression").to_owned(),
            shown: words_after(note["titleFormat"].as_str().unwrap_or_default(), "{{")
                .into_iter()
                .collect(),
        });
    }
    queries
}

/// As Grafana sends it, with its variables filled in: all groups, and times that a short test has data for.
pub(crate) fn without_variables(expression: &str) -> String {
    let filled = [("$__rate_interval", "10s"), ("$__range", "1m"), ("$group", ".*")];
    let fill = |text: String, (name, value): &(&str, &str)| text.replace(name, value);
    filled.iter().fold(expression.to_owned(), fill)
}

/// Every data source that is named below a value.
fn sources<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("datasource"));
            fields.values().for_each(|value| sources(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| sources(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], SCHEMA);
    assert_eq!(dashboard["uid"], "redis-zk");
    assert!(dashboard.get("id").is_none(), "an id is of one Grafana alone");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(names, ["datasource", "group"]);

    let mut named = Vec::new();
    sources(&dashboard, &mut named);
    assert!(named.len() > 50, "the data sources are not found");
    assert!(
        named.iter().all(|source| source["uid"] == "${datasource}"),
        "{named:?}"
    );

    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().expect("a title");
        assert!(
            ids.insert(panel["id"].as_u64().expect("an id")),
            "{title}: its id is there twice"
        );
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a number"));
        assert!(w > 0 && x + w <= 24, "{title} is wider than the page");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title} lies over another panel");
        }
        if panel["type"] != "row" {
            assert!(
                panel["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{title} says nothing"
            );
            let targets = panel["targets"].as_array().expect("targets");
            let ids: BTreeSet<&str> = targets
                .iter()
                .filter_map(|target| target["refId"].as_str())
                .collect();
            assert!(
                !targets.is_empty() && ids.len() == targets.len(),
                "{title}: its targets"
            );
        }
    }
}

#[test]
fn prometheus_can_read_every_query() {
    if !require(&[Need::Prometheus]) {
        return;
    }
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (at, query) in queries().iter().enumerate() {
        let Query {
            place, expression, ..
        } = query;
        assert!(expression.contains("redis_zk_"), "{place}");
        let expression = without_variables(expression);
        assert!(!expression.contains('$'), "{place}: {expression}");
        let quoted = Value::String(expression).to_string();
        writeln!(rules, "  - record: query_{at}\n    expr: {quoted}").expect("a string");
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dashboard.yml"), rules).unwrap();
    promtool(dir.path(), &["check", "rules", "dashboard.yml"]);
}
