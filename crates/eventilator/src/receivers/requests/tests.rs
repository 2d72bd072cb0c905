//! What may be shown of a server's answers.

use hyper::StatusCode;

use super::*;

fn answer(text: &str) -> Answer {
    Answer {
        status: StatusCode::BAD_REQUEST,
        retry_after: None,
        body: Bytes::copy_from_slice(text.as_bytes()),
    }
}

#[test]
fn a_secret_is_hidden_before_the_text_is_cut() {
    let server = Server::new(
        "it",
        "http://me:p4ssw0rd@host/s3cr3ts3cr3t",
        None,
        Duration::from_secs(1),
    )
    .unwrap();
    let text = format!("{} s3cr3ts3cr3t", "x".repeat(292));
    let said = server.says(&answer(&text));
    assert!(!said.contains("s3c"), "{said}");
    let said = server.says(&answer("p4ssw0rd of me, http://me:p4ssw0rd@host/s3cr3ts3cr3t"));
    assert_eq!(said, "http://host answered 400 Bad Request: *** of me, ***");
}

#[test]
fn a_date_in_the_future_is_waited_for() {
    let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
    let busy = Answer {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after: Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT")),
        body: Bytes::new(),
    };
    assert_eq!(asked_to_wait(&busy, now), Some(Duration::from_secs(37)));
}
