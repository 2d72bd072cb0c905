//! A Sensu client is told what its handlers know.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::receivers::tests::{Mood, PATIENCE, Plain, any_message, failure, message, nobody, odown, trial};

fn config(port: u16) -> SensuConfig {
    SensuConfig {
        name: "sensu".to_owned(),
        ip: "127.0.0.1".to_owned(),
        port,
        trigger: Trigger::Every,
        handler_no_good_slave: "pager".to_owned(),
        handler_promoted_slave: "mail".to_owned(),
        reporter: "node-a.example.com".to_owned(),
        timeout: PATIENCE,
    }
}

fn sensu(port: u16) -> Sensu {
    Sensu::new(config(port)).unwrap()
}

fn json(message: &Message) -> String {
    ascii_json(&sensu(3030).check(message).unwrap())
}

#[tokio::test]
async fn an_alert_is_exactly_what_it_always_was() {
    let client = Plain::new(Mood::Hears("ok")).await;
    let began = Instant::now();
    sensu(client.at.port()).send(&odown()).await.unwrap();
    assert!(began.elapsed() < PATIENCE / 2, "the answer ends the wait");
    assert_eq!(
        client.heard().await,
        concat!(
            r#"{"name":"redis-master-down","source":"pod-m1","occurrences":1,"#,
            r#""zd_set_tags":"monitoring redis_master_odown","zd_subject":"Monitoring alert for m1 Master Down","#,
            r#""zd_description":"The Redis master of m1 does not respond","host":"node-a.example.com","status":1,"#,
            r#""output":"The Redis master of m1 does not respond","handler":""}"#
        )
    );
}

#[test]
fn every_event_has_its_row() {
    let master = "master m1 10.0.0.1 6379";
    let replica = "slave 10.0.0.2:6379 10.0.0.2 6379 @ m1 10.0.0.1 6379";
    let switch = "m1 10.0.0.1 6379 10.0.0.2 6379";
    for (event, text, name, status, tags, subject, says, handler) in [
        (
            "-odown",
            master,
            "redis-master-down",
            0,
            "redis_master_odown",
            "Master Down",
            "The Redis master of m1 has recovered",
            "",
        ),
        (
            "-failover-abort-no-good-slave",
            master,
            "sentinel-failover-status",
            2,
            "redis_pod_down",
            "Failover Failure",
            "The failover of m1 was given up: no replica can be promoted",
            "pager",
        ),
        (
            "+promoted-slave",
            replica,
            "sentinel-failover-status",
            0,
            "redis_failover_status",
            "Failover status",
            "The failover of m1 is complete",
            "mail",
        ),
        (
            "+switch-master",
            switch,
            "sentinel-failover-status",
            0,
            "redis_failover_status",
            "Failover status",
            "The failover of m1 is complete",
            "",
        ),
    ] {
        let wanted = format!(
            r#"{{"name":"{name}","source":"pod-m1","occurrences":1,"zd_set_tags":"monitoring {tags}","zd_subject":"Monitoring alert for m1 {subject}","zd_description":"{says}","host":"node-a.example.com","status":{status},"output":"{says}","handler":"{handler}"}}"#
        );
        assert_eq!(json(&message(event, text)), wanted, "{event}");
    }
}

#[test]
fn a_test_clears_no_alert() {
    assert_eq!(
        json(&trial()),
        concat!(
            r#"{"name":"redis-eventilator-check","source":"pod-m1","occurrences":1,"#,
            r#""zd_set_tags":"monitoring redis_eventilator_check","zd_subject":"Monitoring alert for m1 Test","#,
            r#""zd_description":"This is a test, nothing is wrong: the event relay for m1 reaches Sensu","#,
            r#""host":"node-a.example.com","status":0,"#,
            r#""output":"This is a test, nothing is wrong: the event relay for m1 reaches Sensu","handler":""}"#
        )
    );
}

#[test]
fn a_name_is_no_format_and_always_ascii() {
    let text = json(&message("+odown", "master 100%s\"ü🦀 10.0.0.1 6379"));
    assert!(text.contains(r#""source":"pod-100_s___""#), "{text}");
    assert!(
        text.contains(r#"The Redis master of 100%s\"\u00fc\ud83e\udd80 does"#),
        "{text}"
    );
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["output"], "The Redis master of 100%s\"ü🦀 does not respond");
}

#[test]
fn it_wants_five_events_and_of_them_those_that_are_asked_for() {
    let all = sensu(3030);
    for event in [
        "+odown",
        "-odown",
        "-failover-abort-no-good-slave",
        "+promoted-slave",
        "+switch-master",
    ] {
        assert!(all.wants(event), "{event}");
    }
    for event in ["+sdown", "failover", "+slave", ""] {
        assert!(!all.wants(event), "{event}");
    }
    let trigger = Trigger::On(vec!["+odown".to_owned(), "+sdown".to_owned()]);
    let some = Sensu::new(SensuConfig {
        trigger,
        ..config(3030)
    })
    .unwrap();
    assert!(some.wants("+odown") && !some.wants("-odown") && !some.wants("+sdown"));
}

#[tokio::test]
async fn an_event_without_a_check_is_nothing_to_deliver() {
    let at = nobody().await;
    sensu(at.port()).send(&message("+slave", "x")).await.unwrap();
}

#[tokio::test]
async fn a_client_that_refuses_is_heard() {
    let client = Plain::new(Mood::Hears("invalid")).await;
    let why = failure(&sensu(client.at.port()), &odown()).await;
    assert_eq!(why, "the Sensu client answered `invalid`");
}

#[tokio::test]
async fn a_client_that_took_it_all_has_it() {
    // Its answer is cut, or never comes, or it closes without one.
    for mood in [Mood::Hears("o"), Mood::Hears(""), Mood::Hangs] {
        let client = Plain::new(mood).await;
        sensu(client.at.port()).send(&odown()).await.unwrap();
    }
    let client = Plain::new(Mood::Hangs).await;
    let short = SensuConfig {
        timeout: Duration::from_millis(200),
        ..config(client.at.port())
    };
    let began = Instant::now();
    Sensu::new(short).unwrap().send(&odown()).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_did_not_read_it_has_it_not() {
    let client = Plain::new(Mood::Resets).await;
    let why = failure(&sensu(client.at.port()), &odown()).await;
    assert!(why.contains("broke the connection"), "{why}");
}

#[tokio::test]
async fn nobody_there_is_told() {
    let at = nobody().await;
    let why = failure(&sensu(at.port()), &odown()).await;
    assert!(why.starts_with(&format!("no connection to {at}: ")), "{why}");
}

#[test]
fn a_place_is_needed() {
    let error = Sensu::new(config(0)).unwrap_err().to_string();
    assert!(error.starts_with("sensu: no host is set, or no port"), "{error}");
}

proptest! {
    #[test]
    fn no_event_breaks_it(message in any_message()) {
        let sensu = sensu(3030);
        if let Some(check) = sensu.check(&message) {
            let text = ascii_json(&check);
            prop_assert!(text.is_ascii());
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read["output"].as_str(), Some(check.output.as_str()));
            prop_assert_eq!(read.as_object().map(serde_json::Map::len), Some(10));
        }
    }
}
