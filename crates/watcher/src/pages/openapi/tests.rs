//! The description is committed as it is served, and every name in it leads somewhere.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

use httpd::{Health, Readiness};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::*;
use crate::feed::{Feed, Picture};
use crate::known::Clock;
use crate::pages::guard::Guard;
use crate::pages::table::{Sources, table};

fn routes() -> Vec<Route> {
    let reason = String::new();
    let health = watch::channel(Health::Alive {
        reason: reason.clone(),
    })
    .1;
    let readiness = watch::channel(Readiness::Ready { reason }).1;
    let numbers = Registry::default();
    let sources = Sources {
        health,
        readiness,
        numbers,
        happy: None,
    };
    table(sources, &Guard::new(None), &Arc::new(OnceLock::new()))
}

/// `UPDATE=1 cargo nextest run -p watcher openapi` writes it anew.
#[test]
fn the_committed_description_is_the_one_that_is_served() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = text(&routes());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/openapi.json is old; write it anew with UPDATE=1 cargo nextest run -p watcher openapi"
    );
}

#[test]
fn every_schema_that_is_referred_to_exists() {
    let document = document(&routes());
    let text = document.to_string();
    let mut seen = 0;
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

/// What a schema of the description finds wrong with a value.
fn problems(name: &str, value: &Value) -> Vec<String> {
    let schema = json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": document(&routes())["components"],
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect()
}

#[test]
fn the_event_of_a_sink_is_as_it_is_described() {
    let began = Instant::now();
    let mut standing = sinks::Standing::idle("consul");
    standing.step = sinks::Step::Behind {
        since: began,
        tries: 1,
        reason: "refused".to_owned(),
    };
    standing.last_took = Some(Duration::from_millis(3));
    standing.remark = Some("the agent is away".to_owned());
    standing
        .confirmed
        .insert("sessions".parse().unwrap(), topology::Epoch(4));
    let told = Feed::new(1).show(Picture {
        sinks: vec![crate::pages::sink(&standing, Clock::starting(began, UNIX_EPOCH))],
        ..Picture::default()
    });
    let event: Value = serde_json::from_str(&told[0].json).unwrap();
    assert_eq!(problems("SinkEvent", &event), [""; 0], "{event}");
    assert_ne!(problems("Event", &event), [""; 0], "that is for groups");
}

#[test]
fn refusals_are_described_where_they_can_be() {
    let document = document(&routes());
    let meaning = |path: &str, code: &str| {
        let answers = &document["paths"][path]["get"]["responses"];
        answers[code]["description"].as_str().map(str::to_owned)
    };
    assert!(meaning("/v1/master", "503").unwrap().contains("too many wait"));
    assert!(
        meaning("/v1/master", "404")
            .unwrap()
            .contains("no master is recorded")
    );
    assert_eq!(meaning("/ui", "401"), None);
    assert!(meaning("/v1/groups", "401").is_some());
    assert_eq!(meaning("/v1/status", "503"), None);
}

#[test]
fn every_question_and_every_answer_is_described() {
    for route in routes() {
        assert!(!route.about.answers.is_empty(), "{}", route.path);
        for question in &route.about.questions {
            assert!(
                serde_json::from_str::<Value>(question.schema)
                    .unwrap()
                    .is_object()
            );
        }
        if let Some(post) = route.about.post {
            assert!(serde_json::from_str::<Value>(post).unwrap().is_object());
        }
    }
}
