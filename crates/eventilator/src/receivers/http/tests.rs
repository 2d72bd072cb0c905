//! A URL gets the record, once for each identity, from somebody it can know.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::receivers::tests::{
    Heard, Mood, PATIENCE, Plain, SHORT, Says, Web, any_message, failure, nobody, odown, trial,
};

fn config(url: &str) -> HttpConfig {
    HttpConfig {
        name: "http:oncall".to_owned(),
        url: Secret::new(url),
        method: Method::Post,
        token: None,
        secret: None,
        ca: None,
        trigger: Trigger::Every,
        timeout: PATIENCE,
    }
}

fn http(url: &str) -> Http {
    Http::new(config(url)).unwrap()
}

fn fine(_: &Heard) -> Says {
    (204, None, String::new())
}

#[tokio::test]
async fn the_record_is_posted_with_its_identity() {
    let web = Web::new(fine).await;
    http(&web.url("/hook?k=v")).send(&odown()).await.unwrap();
    let [heard] = &web.heard()[..] else { panic!() };
    assert_eq!(
        (heard.method.as_str(), heard.uri.to_string().as_str()),
        ("POST", "/hook?k=v")
    );
    assert_eq!(heard.header("content-type"), Some("application/json"));
    assert_eq!(heard.header("idempotency-key"), Some("m1/7/+odown"));
    assert!(heard.header("x-redis-zk-timestamp").is_some());
    assert_eq!(heard.header("x-redis-zk-signature"), None);
    assert_eq!(heard.header("authorization"), None);
    let wanted = json!({
        "podname": "m1", "role": "master", "event": "+odown", "ip": "10.0.0.1", "port": 6379,
        "extra": "#quorum 2/3", "votes": 2, "quorum": 3, "epoch": 7, "id": "m1/7/+odown",
        "description": "master m1 10.0.0.1 6379 #quorum 2/3", "time": "2026-03-01T09:05:07.123456789Z",
        "sentinel": "3348dd0c2a78bd87cfd9769f884dae42d2f434c2", "host": "node-a",
    });
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&heard.body).unwrap(),
        wanted
    );
}

#[tokio::test]
async fn it_is_put_signed_and_with_a_token_when_asked_to_be() {
    let web = Web::new(fine).await;
    let config = HttpConfig {
        method: Method::Put,
        token: Some(Secret::new("t0k3n")),
        secret: Some(Secret::new("s3cr3t")),
        ..config(&web.url("/"))
    };
    Http::new(config).unwrap().send(&trial()).await.unwrap();
    let [heard] = &web.heard()[..] else { panic!() };
    assert_eq!(heard.method.as_str(), "PUT");
    assert_eq!(heard.header("authorization"), Some("Bearer t0k3n"));
    let timestamp = heard.header("x-redis-zk-timestamp").unwrap();
    let wanted = signature(&Secret::new("s3cr3t"), timestamp, heard.body.as_bytes());
    assert_eq!(heard.header("x-redis-zk-signature"), Some(wanted.as_str()));
    assert!(heard.body.contains(r#""trial":true"#), "{}", heard.body);
}

#[tokio::test]
async fn an_identity_that_no_header_may_carry_is_escaped() {
    let web = Web::new(fine).await;
    let message = Message {
        id: "ü 1%\r\nX-Evil: 1".to_owned(),
        ..odown()
    };
    http(&web.url("/")).send(&message).await.unwrap();
    let [heard] = &web.heard()[..] else { panic!() };
    assert_eq!(
        heard.header("idempotency-key"),
        Some("%C3%BC%201%25%0D%0AX-Evil:%201")
    );
    assert_eq!(heard.header("x-evil"), None);
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is() {
    for (status, retry, after) in [
        (429, "7", 7),
        (503, "0", 1),
        (503, "Sun, 06 Nov 1994 08:49:37 GMT", 1),
        (429, "99999999999", 86400),
    ] {
        let web = Web::new(move |_| (status, Some(retry), "later".to_owned())).await;
        let sent = http(&web.url("/")).send(&odown()).await;
        let Err(SinkError::Busy { reason, after: asked }) = sent else {
            panic!("{sent:?}")
        };
        assert_eq!(asked, Duration::from_secs(after), "{retry}");
        assert!(
            reason.starts_with(&format!("{} answered {status}", web.url(""))),
            "{reason}"
        );
        assert!(reason.ends_with(": later"), "{reason}");
    }
    for (status, retry) in [(500, Some("7")), (429, None), (503, Some("soon"))] {
        let web = Web::new(move |_| (status, retry, String::new())).await;
        let why = failure(&http(&web.url("/")), &odown()).await;
        assert!(why.contains(&status.to_string()), "{why}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_without_our_secrets() {
    let web = Web::new(|heard: &Heard| {
        let token = heard.header("authorization").unwrap_or_default();
        let text = format!(
            "no such hook: {} {token}\nsigned with k3yk3y; /services/T0 a b",
            heard.uri
        );
        (404, None, text)
    })
    .await;
    let config = HttpConfig {
        token: Some(Secret::new("t0k3n")),
        secret: Some(Secret::new("k3yk3y")),
        ..config(&web.url("/services/T0%20a%20b/s3cr3t?key=h1dd3n"))
    };
    let http = Http::new(config).unwrap();
    let why = failure(&http, &odown()).await;
    assert!(
        why.starts_with(&format!("{} answered 404 Not Found: no such hook: ", web.url(""))),
        "{why}"
    );
    for secret in ["t0k3n", "k3yk3y", "s3cr3t", "h1dd3n", "T0 a b", "T0%20"] {
        assert!(!why.contains(secret), "{secret}: {why}");
    }
    let shown = format!("{http:?}");
    assert!(!shown.contains("s3cr3t") && !shown.contains("t0k3n"), "{shown}");
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let web = Web::new(|_| (302, None, String::new())).await;
    let why = failure(&http(&web.url("/")), &odown()).await;
    assert!(why.ends_with("302 Found"), "{why}");
}

#[tokio::test]
async fn who_hangs_or_breaks_off_is_left_in_time() {
    let hangs = Plain::new(Mood::Hangs).await;
    let short = HttpConfig {
        timeout: SHORT,
        ..config(&format!("http://{}/s3cr3t", hangs.at))
    };
    let why = failure(&Http::new(short).unwrap(), &odown()).await;
    assert_eq!(why, "no answer within 300 ms");
    let cut = Plain::new(Mood::Says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")).await;
    let why = failure(&http(&format!("http://{}/", cut.at)), &odown()).await;
    assert!(why.starts_with("the answer is cut off"), "{why}");
    let silent = Plain::new(Mood::Says("")).await;
    let why = failure(&http(&format!("http://{}/", silent.at)), &odown()).await;
    assert!(why.starts_with("the connection broke"), "{why}");
    let at = nobody().await;
    let why = failure(&http(&format!("http://{at}/s3cr3t")), &odown()).await;
    assert!(why.starts_with(&format!("no connection to {at}")), "{why}");
    assert!(!why.contains("s3cr3t"), "{why}");
}

#[test]
fn what_cannot_be_sent_is_said_at_once() {
    for (url, token, wanted) in [
        ("ftp://s3cr3t/", None, "its URL is no http:// or https:// address"),
        ("http://host/", Some("s3cr3t\n"), "the token holds characters"),
        (
            "http://me:s3cr3t@host/",
            Some("t"),
            "both a user in the URL and a token",
        ),
    ] {
        let token = token.map(Secret::new);
        let error = Http::new(HttpConfig { token, ..config(url) }).unwrap_err();
        let text = sinks::http::whole(&error);
        assert!(
            text.starts_with("http:oncall: ") && text.contains(wanted),
            "{text}"
        );
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

// The system's authorities are read for each, which is slow, so there is one.
static HTTP: OnceLock<Http> = OnceLock::new();

proptest! {
    #[test]
    fn no_event_breaks_it(message in any_message()) {
        let http = HTTP.get_or_init(|| http("http://127.0.0.1:1/"));
        let request = http.request(&message, SystemTime::now()).unwrap();
        prop_assert!(request.headers()[IDEMPOTENCY_KEY].to_str().is_ok());
    }
}
