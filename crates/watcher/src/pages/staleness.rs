//! How an answer says that it may be old: it is given all the same, since an old address is mostly still right, and no
//! address never is.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{AGE, WARNING};
use axum::response::Response;

use crate::situation::Age;

/// Adds what HTTP has for it (RFC 7234, 5.5.1 and 5.1).
pub(super) fn mark(mut response: Response, age: Age) -> Response {
    if let Age::Stale(age) = age {
        let headers = response.headers_mut();
        headers.insert(WARNING, HeaderValue::from_static("110 - \"Response is Stale\""));
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
    }
    response
}

/// The value of `stale_for_ms`.
pub(super) fn stale_for_ms(age: Age) -> Option<u64> {
    match age {
        Age::Stale(age) => Some(millis(age)),
        Age::Current | Age::Never => None,
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
