//! What the description says of the pages is true of the answers of a watcher that follows a real group.

use serde_json::{Value, json};
use testkit::events::Events;
use testkit::eventually;

use crate::group::{DEADLINE, Group, Watching, servers};

/// What a schema of the description finds wrong with a value.
pub(crate) fn problems(description: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut whole = schema.clone();
    whole["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect()
}

/// The schema of this name.
pub(crate) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Registers what wrappers would: a member of each role, and a failover that is over.
async fn furnish(group: &Group) {
    let zeros = "0".repeat(40);
    let (master, replica) = (group.nodes[0].addr(), group.nodes[1].addr());
    let member = |addr: &topology::Addr, role: &str, offset: u64| {
        format!(
            r#"{{"id":"00000000-0000-0000-0000-000000000001","addr":"{addr}",{role},"run_id":"{zeros}","replication_id":"{zeros}","second_replication_id":"{zeros}","second_offset":-1,"offset":{offset},"priority":100,"server_version":"7.0.15","version":"0.1.0","at_ms":5}}"#
        )
    };
    let of = format!(r#""role":"replica","of":"{master}","link":"up""#);
    let failover = format!(
        r#"{{"epoch":3,"cause":"died","warrant":"the process is gone","from":"{replica}","to":"{master}","by":"{master}","candidates":[{{"addr":"{master}","offset":7,"verdict":"chosen"}}],"votes":[2,3],"timings":{{"locked_ms":1,"elected_ms":2,"recorded_ms":3,"promoted_ms":4,"announced_ms":6,"published_ms":5}},"at_ms":5}}"#
    );
    let zk = group.zk.client();
    let registered = [
        ("/redis/members/a", member(master, r#""role":"master""#, 300_000)),
        ("/redis/members/b", member(replica, &of, 14)),
        ("/redis/history/0000000001", failover.clone()),
        ("/redis/history/0000000002", failover),
    ];
    for (path, data) in registered {
        zk.create(path, &data).await;
    }
}

/// Until the watcher knows all of it.
async fn informed(watching: &Watching) {
    eventually("the watcher to know everything", DEADLINE, async || {
        let status = watching.get("/v1/status").await.json();
        let history = watching.get("/v1/history").await.json();
        let sentinels = status["sentinels"].as_array()?;
        let heard = sentinels
            .iter()
            .all(|sentinel| sentinel["last_report"]["master"].is_string());
        let known = status["members"].as_array()?.len() == 2 && history["history"].as_array()?.len() == 2;
        (heard && known && status["master"]["epoch"].is_number()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_page_answers_as_it_is_described() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let watching = group.watcher().await;
    furnish(&group).await;
    informed(&watching).await;
    let description = watching.get("/v1/openapi.json").await.json();
    assert_eq!(description["openapi"], "3.1.0");

    let mut validated = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        if path == "/v1/events" {
            continue;
        }
        let answer = watching.get(path).await;
        let described = &methods["get"]["responses"][answer.status.to_string()];
        assert!(
            described.is_object(),
            "{path} answers {}, which is not described",
            answer.status
        );
        let Some(content) = described["content"].as_object() else {
            continue;
        };
        let media = answer.header("content-type").unwrap().split(';').next().unwrap();
        assert!(
            content.contains_key(media),
            "{path} is {media}, which is not described"
        );
        if media == "application/json" {
            let found = problems(&description, &content[media]["schema"], &answer.json());
            assert!(found.is_empty(), "{path}: {found:#?} in {}", answer.body);
            validated += 1;
        }
    }
    assert!(validated >= 9, "{validated}");

    // What is refused is described as well.
    for (path, code) in [
        ("/v1/master?epoch=x", 400),
        ("/v1/master?group=typo", 404),
        ("/v1/events?group=typo", 404),
    ] {
        let answer = watching.get(path).await;
        assert_eq!(answer.status, code, "{path}");
        assert_eq!(problems(&description, &named("Error"), &answer.json()), [""; 0]);
    }
}

#[tokio::test]
async fn every_event_is_as_it_is_described() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let watching = group.watcher().await;
    furnish(&group).await;
    informed(&watching).await;
    let description = watching.get("/v1/openapi.json").await.json();
    let mut events = Events::listen(&watching.page, "/v1/events", None).await.unwrap();
    let snapshot = events.next_named("snapshot").await.json();
    assert_eq!(problems(&description, &named("Snapshot"), &snapshot), [""; 0]);
    let lag = &snapshot["groups"][0]["members"][1]["lag_bytes"];
    assert_eq!(lag, 1 << 18, "{snapshot}");

    let before = group.nodes[0].addr().clone();
    group.zk.client().create("/redis/history/0000000003", "{}").await;
    group.begin_failover("master1").await;
    let moved = loop {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(
            problems(&description, &named("Event"), &event.json()),
            [""; 0],
            "{event:?}"
        );
        if event.name == "master" {
            break event.json();
        }
    };
    let master = &moved["master"];
    assert_ne!(
        (&master["host"], &master["port"]),
        (&before.host().into(), &before.port().into())
    );
}

/// Each phase of a failover that ends while the watcher runs is counted, and none of those before.
#[tokio::test]
async fn failovers_are_counted_once_from_the_start_on() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    furnish(&group).await;
    let watching = group.watcher().await;
    informed(&watching).await;
    let promoted = r#"redis_zk_watcher_failover_seconds_count{group="master1",phase="promoted"}"#;
    assert_eq!(watching.number(promoted).await, Some(0.0));
    let one = group.zk.client().get("/redis/history/0000000001").await.unwrap();
    group.zk.client().create("/redis/history/0000000003", &one).await;
    eventually("one failover in the numbers", DEADLINE, async || {
        watching.number(promoted).await == Some(1.0)
    })
    .await;
    let sum = r#"redis_zk_watcher_failover_seconds_sum{group="master1",phase="announced"}"#;
    assert_eq!(watching.number(sum).await, Some(0.002));
}
