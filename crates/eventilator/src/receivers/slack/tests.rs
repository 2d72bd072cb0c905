//! Slack is told once, in the right channel, and what it answers becomes advice.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::receivers::tests::{
    Heard, Mood, PATIENCE, Plain, SHORT, Says, Web, any_message, failure, message, nobody, odown, trial,
};

fn config(api: &str) -> SlackConfig {
    SlackConfig {
        name: "slack".to_owned(),
        token: Some(Secret::new("xoxb-s3cr3t")),
        webhook: None,
        channel: "sentinel-events".to_owned(),
        author_name: "eventilator".to_owned(),
        author_subname: "node-a".to_owned(),
        username: "redis".to_owned(),
        trigger: Trigger::Every,
        api: api.to_owned(),
        reporter: "node-a.example.com".to_owned(),
        ca: None,
        timeout: PATIENCE,
    }
}

fn slack(api: &str) -> Slack {
    Slack::new(config(api)).unwrap()
}

fn webhook(url: &str) -> Slack {
    let (token, webhook) = (None, Some(Secret::new(url)));
    Slack::new(SlackConfig {
        token,
        webhook,
        ..config(DEFAULT_API)
    })
    .unwrap()
}

fn says(text: &str) -> Says {
    (200, None, text.to_owned())
}

const TEXT: &str = "m1: broken: +odown, master 10.0.0.1:6379, 2 of 3 Sentinels agree (epoch 7)";
const ATTACHMENTS: &str = concat!(
    r#""attachments":[{"color":"danger","fallback":"m1: broken: +odown, master 10.0.0.1:6379, 2 of 3 Sentinels agree (epoch 7)","#,
    r#""author_name":"eventilator","author_subname":"node-a","title":"Sentinel event","fields":["#,
    r#"{"title":"Event Name","value":"+odown","short":true},{"title":"Pod Name","value":"m1","short":true},"#,
    r#"{"title":"Role","value":"master","short":true},{"title":"Reporter","value":"node-a.example.com","short":true}]}]"#
);

#[tokio::test]
async fn a_post_is_what_the_api_of_today_wants() {
    let web = Web::new(|_| says(r#"{"ok":true,"channel":"C1","ts":"1.2"}"#)).await;
    slack(&web.url("/api/")).send(&odown()).await.unwrap();
    let [heard] = &web.heard()[..] else { panic!() };
    assert_eq!(
        (heard.method.as_str(), heard.uri.to_string().as_str()),
        ("POST", "/api/chat.postMessage")
    );
    assert_eq!(heard.header("authorization"), Some("Bearer xoxb-s3cr3t"));
    assert_eq!(
        heard.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let wanted = format!(
        r#"{{"channel":"sentinel-events","username":"redis","text":"{TEXT}",{ATTACHMENTS},"metadata":{{"event_type":"redis_sentinel_event","event_payload":{{"id":"m1/7/+odown"}}}}}}"#
    );
    assert_eq!(heard.body, wanted);
}

#[tokio::test]
async fn a_webhook_gets_the_same_without_what_it_knows() {
    let web = Web::new(|_| says("ok")).await;
    webhook(&web.url("/services/T0/B0/s3cr3t"))
        .send(&odown())
        .await
        .unwrap();
    let [heard] = &web.heard()[..] else { panic!() };
    assert_eq!(heard.uri, "/services/T0/B0/s3cr3t");
    assert_eq!(heard.header("authorization"), None);
    assert_eq!(heard.body, format!(r#"{{"text":"{TEXT}",{ATTACHMENTS}}}"#));
}

#[test]
fn a_test_says_so() {
    let post = Post::new(&config(DEFAULT_API), &trial()).json();
    let post: Value = serde_json::from_slice(&post).unwrap();
    assert!(
        post["text"]
            .as_str()
            .unwrap()
            .starts_with("This is a test, nothing is wrong: m1: ")
    );
    assert_eq!(post["attachments"][0]["title"], "Sentinel event (test)");
    assert_eq!(post["attachments"][0]["color"], "good");
}

#[test]
fn a_name_calls_nobody() {
    let event = message("+sdown", "master <!channel>&co 10.0.0.1 6379");
    let (config, event) = (config(DEFAULT_API), event);
    let post: Value = serde_json::from_slice(&Post::new(&config, &event).json()).unwrap();
    assert!(
        post["text"]
            .as_str()
            .unwrap()
            .starts_with("&lt;!channel&gt;&amp;co: something"),
        "{post}"
    );
    assert_eq!(
        post["attachments"][0]["fields"][1]["value"],
        "&lt;!channel&gt;&amp;co"
    );
    assert_eq!(post["attachments"][0]["color"], "warning");
}

/// A workspace in which names are not taken, with the channel on the second page.
fn workspace(heard: &Heard) -> Says {
    match (heard.uri.path(), heard.uri.query().unwrap_or_default()) {
        ("/chat.postMessage", _) if heard.body.contains(r#""channel":"C2""#) => says(r#"{"ok":true}"#),
        ("/chat.postMessage", _) => says(r#"{"ok":false,"error":"channel_not_found"}"#),
        ("/conversations.list", query) if query.ends_with("cursor=dGVhbQ%3D%3D") => says(
            r#"{"ok":true,"channels":[{"id":"C2","name":"sentinel-events"}],"response_metadata":{"next_cursor":""}}"#,
        ),
        ("/conversations.list", _) => says(
            r#"{"ok":true,"channels":[{"id":"C1","name":"general"}],"response_metadata":{"next_cursor":"dGVhbQ=="}}"#,
        ),
        _ => (404, None, String::new()),
    }
}

fn paths(web: &Web) -> Vec<String> {
    web.heard()
        .iter()
        .map(|heard| heard.uri.path().to_owned())
        .collect()
}

#[tokio::test]
async fn a_channel_that_is_not_known_by_its_name_is_looked_up_once() {
    let web = Web::new(workspace).await;
    let slack = Slack::new(SlackConfig {
        channel: "#sentinel-events".to_owned(),
        ..config(&web.url(""))
    })
    .unwrap();
    slack.send(&odown()).await.unwrap();
    let heard = web.heard();
    let asked: Vec<String> = heard.iter().map(|heard| heard.uri.to_string()).collect();
    let list =
        "/conversations.list?limit=1000&exclude_archived=true&types=public_channel,private_channel&cursor=";
    assert_eq!(
        asked,
        [
            "/chat.postMessage".to_owned(),
            list.to_owned(),
            format!("{list}dGVhbQ%3D%3D"),
            "/chat.postMessage".to_owned()
        ]
    );
    assert!(
        heard
            .iter()
            .all(|heard| heard.header("authorization") == Some("Bearer xoxb-s3cr3t"))
    );
    slack.send(&odown()).await.unwrap();
    assert_eq!(paths(&web), ["/chat.postMessage"]);
}

#[tokio::test]
async fn a_channel_that_was_replaced_is_looked_up_anew() {
    let web = Web::new(workspace).await;
    let slack = slack(&web.url(""));
    *slack.found() = Some("C9".to_owned());
    slack.send(&odown()).await.unwrap();
    assert_eq!(slack.found().as_deref(), Some("C2"));
}

#[tokio::test]
async fn a_channel_that_is_none_is_said() {
    let web = Web::new(|heard: &Heard| match heard.uri.path() {
        "/chat.postMessage" => says(r#"{"ok":false,"error":"channel_not_found"}"#),
        _ if heard.uri.query().unwrap().contains("private") => {
            says(r#"{"ok":false,"error":"missing_scope","needed":"groups:read"}"#)
        }
        _ => says(r#"{"ok":true,"channels":[{"id":"C1","name":"general"}]}"#),
    })
    .await;
    let why = failure(&slack(&web.url("")), &odown()).await;
    assert!(
        why.starts_with("Slack knows no channel `sentinel-events`"),
        "{why}"
    );
    assert_eq!(
        paths(&web),
        ["/chat.postMessage", "/conversations.list", "/conversations.list"]
    );
}

#[tokio::test]
async fn what_slack_answers_becomes_advice() {
    for (answer, wanted) in [
        (
            r#"{"ok":false,"error":"invalid_auth"}"#,
            "Slack answered `invalid_auth`: the token is not",
        ),
        (
            r#"{"ok":false,"error":"not_in_channel"}"#,
            "the app is not in `sentinel-events`: invite it there",
        ),
        (
            r#"{"ok":false,"error":"missing_scope","needed":"chat:write"}"#,
            "give the app chat:write and install it anew",
        ),
        (
            r#"{"ok":false,"error":"is_archived"}"#,
            "`sentinel-events` is archived",
        ),
        (
            r#"{"ok":false,"error":"fatal_\nerror"}"#,
            "Slack answered `fatal_\\nerror`",
        ),
        (r#"{"ok":false}"#, "Slack answered ``"),
        (
            "<html>a proxy's xoxb-s3cr3t</html>",
            "answered 200 OK: <html>a proxy's ***</html>",
        ),
        (r#"{"ok":tr"#, "answered 200 OK: {\"ok\":tr"),
    ] {
        let web = Web::new(move |_| says(answer)).await;
        let why = failure(&slack(&web.url("")), &odown()).await;
        assert!(why.contains(wanted), "{why}");
    }
}

#[tokio::test]
async fn a_webhook_that_was_removed_is_said_without_its_url() {
    for (status, text, wanted) in [
        (
            404,
            "no_service",
            "404 Not Found: no_service: the webhook was removed",
        ),
        (
            400,
            "invalid_payload of /services/T0/s3cr3t",
            "400 Bad Request: invalid_payload of ***",
        ),
        (500, "", "500 Internal Server Error"),
    ] {
        let web = Web::new(move |_| (status, None, text.to_owned())).await;
        let why = failure(&webhook(&web.url("/services/T0/s3cr3t")), &odown()).await;
        assert!(why.contains(wanted) && !why.contains("s3cr3t"), "{why}");
    }
}

#[tokio::test]
async fn a_limit_is_kept_to() {
    let limited = || r#"{"ok":false,"error":"ratelimited"}"#.to_owned();
    let web = Web::new(move |_| (429, Some("7"), limited())).await;
    for slack in [slack(&web.url("")), webhook(&web.url("/hook"))] {
        let sent = slack.send(&odown()).await;
        assert!(
            matches!(&sent, Err(SinkError::Busy { after, .. }) if *after == Duration::from_secs(7)),
            "{sent:?}"
        );
    }
    let web = Web::new(move |_| (200, None, limited())).await;
    let sent = slack(&web.url("")).send(&odown()).await;
    assert!(
        matches!(&sent, Err(SinkError::Busy { after, .. }) if *after == Duration::from_secs(30)),
        "{sent:?}"
    );
}

#[tokio::test]
async fn who_hangs_or_breaks_off_is_left_in_time() {
    let hangs = Plain::new(Mood::Hangs).await;
    let short = SlackConfig {
        timeout: SHORT,
        ..config(&format!("http://{}", hangs.at))
    };
    let why = failure(&Slack::new(short).unwrap(), &odown()).await;
    assert!(why.contains("within 300 ms"), "{why}");
    let cut = Plain::new(Mood::Says(
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true",
    ))
    .await;
    let why = failure(&slack(&format!("http://{}", cut.at)), &odown()).await;
    assert!(why.starts_with("the answer is cut off"), "{why}");
    let at = nobody().await;
    let why = failure(&slack(&format!("http://{at}")), &odown()).await;
    assert!(why.starts_with(&format!("no connection to {at}")), "{why}");
}

#[tokio::test]
async fn a_list_without_an_end_ends_with_the_time() {
    let web = Web::new(|heard: &Heard| match heard.uri.path() {
        "/chat.postMessage" => says(r#"{"ok":false,"error":"channel_not_found"}"#),
        _ => says(r#"{"ok":true,"channels":[],"response_metadata":{"next_cursor":"again"}}"#),
    })
    .await;
    let why = failure(&slack(&web.url("")), &odown()).await;
    assert!(why.starts_with("Slack knows no channel"), "{why}");
    assert!(web.heard().len() <= 1 + KINDS.len() * PAGES);
}

#[test]
fn a_way_in_is_needed() {
    let none = SlackConfig {
        token: None,
        ..config(DEFAULT_API)
    };
    assert!(matches!(Slack::new(none), Err(SetupError::NoWay { .. })));
    let nowhere = SlackConfig {
        channel: "#".to_owned(),
        ..config(DEFAULT_API)
    };
    assert!(matches!(Slack::new(nowhere), Err(SetupError::NoChannel { .. })));
    let shown = format!("{:?} {:?}", config(DEFAULT_API), slack(DEFAULT_API));
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

proptest! {
    #[test]
    fn no_event_breaks_it(message in any_message()) {
        let config = config(DEFAULT_API);
        let post = Post::new(&config, &message).to("C1", "", &message.id).json();
        let post: Value = serde_json::from_slice(&post).unwrap();
        prop_assert!(post["text"].as_str().unwrap().len() < 40_000);
        prop_assert!(!post["text"].as_str().unwrap().contains('<'));
        prop_assert_eq!(post.get("username"), None);
    }

    #[test]
    fn no_answer_breaks_it(error in any::<String>(), bytes in any::<Vec<u8>>()) {
        let said = serde_json::json!({ "ok": false, "error": error }).to_string();
        prop_assert!(Reply::read(said.as_bytes()).unwrap().refusal("c").is_some());
        let _ = Reply::read(&bytes);
    }
}
