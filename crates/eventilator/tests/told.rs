//! What a person is told who looks: why something waits, and what is wrong with the configuration.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use testkit::{Collector, Redis, Relay, eventually, ports};

const DEADLINE: Duration = Duration::from_secs(30);
const ODOWN: [&str; 2] = ["+odown", "master m1 10.0.0.1 6379 #quorum 2/2"];

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is said of one receiver of eventilator.
fn standing(relay: &Relay, sink: &str) -> Value {
    let status = relay.call("eventilator", &["status", "--json", "--mode", "eventilator"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let sinks = status[0]["sinks"].as_array().unwrap();
    sinks.iter().find(|found| found["name"] == sink).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_store_lacks_events_is_told_and_the_others_have_theirs() {
    let collector = Collector::start().await;
    let port = ports::free();
    let relay = Relay::new()
        .env("EVENTILATOR_HTTP_URL", collector.url())
        .env("EVENTILATOR_REDIS_ENABLED", "true")
        .env("EVENTILATOR_REDIS_PORT", port.to_string())
        .env("EVENTILATOR_STORE_PATIENCE", "100ms");
    assert_eq!(code(&relay.call("eventilator", &ODOWN)), Some(0));
    eventually("the event to arrive", DEADLINE, async || {
        !collector.keys().is_empty()
    })
    .await;
    let lacking = eventually("a reason", DEADLINE, async || {
        let store = standing(&relay, "store");
        if store["reason"].is_string() {
            Ok(store)
        } else {
            Err(store)
        }
    })
    .await;
    assert!(
        lacking["reason"].as_str().unwrap().contains("nothing listens"),
        "{lacking}"
    );
    assert_eq!(lacking["pending"], 1);
    let status = relay.call("eventilator", &["status"]);
    assert_eq!(code(&status), Some(1), "{}", out(&status));
    assert!(out(&status).contains("nothing listens"), "{}", out(&status));
    let metrics = out(&relay.call("eventilator", &["metrics"]));
    let pending = r#"redis_zk_eventilator_sink_pending{mode="eventilator",sink="store"} 1"#;
    assert!(metrics.contains(pending), "{metrics}");

    let redis = Redis::builder().port(port).start().await;
    eventually("the event to be counted", DEADLINE, async || {
        let _ = relay.call("eventilator", &["drain", "--wait", "1s"]);
        standing(&relay, "store")["delivered"] == 1
    })
    .await;
    drop(redis);
    let status = relay.call("eventilator", &["status"]);
    assert_eq!(code(&status), Some(0), "{}", out(&status));
}

/// A receiver that cannot be set up is found out only by who delivers, whom nobody sees.
#[tokio::test(flavor = "multi_thread")]
async fn what_stops_a_drainer_that_was_left_behind_is_in_the_log() {
    let relay = Relay::new()
        .env("EVENTILATOR_HTTP_URL", "https://alerts.example/")
        .env("EVENTILATOR_HTTP_CA", "/nowhere/ca.pem");
    assert_eq!(code(&relay.call("eventilator", &ODOWN)), Some(0));
    eventually("a line in the log", DEADLINE, async || {
        let log = relay.log();
        if log.contains("nothing is delivered") && log.contains("/nowhere/ca.pem") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let check = relay.call("eventilator", &["--check"]);
    assert_eq!(code(&check), Some(64));
    assert!(err(&check).contains("/nowhere/ca.pem"), "{}", err(&check));
    // It waits until that is mended.
    let status = relay.call("eventilator", &["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status[0]["unjudged"], 1, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_before_the_verb_is_no_event() {
    let relay = Relay::new();
    let status = relay.call("eventilator", &["--json", "status"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status[0]["unjudged"], 0);
    let wrong = relay.call("eventilator", &["--nonsense", "status"]);
    assert_eq!(code(&wrong), Some(64));
}

/// The documentation says which rights the store's user needs.
#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_in_the_store_are_enough() {
    let page = include_str!("../../../docs/eventilator.md");
    let rights = page.split("An ACL user of the store needs").nth(1).unwrap();
    let rights = rights.split('`').nth(1).unwrap();
    let redis = Redis::start().await;
    let words: Vec<&str> = ["ACL", "SETUSER", "events", "on", ">hush"]
        .into_iter()
        .chain(rights.split_ascii_whitespace())
        .collect();
    redis.command(&words).await.unwrap();
    let relay = Relay::new()
        .env("EVENTILATOR_REDIS_ENABLED", "true")
        .env("EVENTILATOR_REDIS_PORT", redis.addr().port().to_string())
        .env("EVENTILATOR_REDIS_USER", "events")
        .env("EVENTILATOR_REDIS_AUTH", "hush");
    let check = relay.call("eventilator", &["--check"]);
    assert_eq!(code(&check), Some(0), "{}", out(&check));
    let moved = ["m1", "leader", "start", "10.0.0.1", "6379", "10.0.0.2", "6379"];
    let failed = ["-failover-abort-no-good-slave", "master m1 10.0.0.1 6379"];
    relay.call("eventilator", &ODOWN);
    relay.call("eventilator", &failed);
    relay.call("reconfigurator", &moved);
    let drained = relay.call("eventilator", &["drain", "--wait", "20s"]);
    assert_eq!(code(&drained), Some(0), "{}", err(&drained));
    // No Sentinel listens here, and that is told.
    let log = relay.log();
    let warned = log
        .lines()
        .filter(|line| line.contains("WARN") && !line.contains("did not tell the epoch"));
    assert_eq!(warned.count(), 0, "{log}");
}
