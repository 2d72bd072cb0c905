//! Questions of load balancers: may this traffic go here? The answer is asked for anew each time.

use axum::Json;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde::Serialize;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// 200: it may.
    Yes {
        /// As what.
        reason: String,
    },
    /// 503: not here, not now.
    No {
        /// Why not.
        reason: String,
    },
    /// 400: the question makes no sense.
    Unclear {
        /// What is wrong with it, and how it is put right.
        problem: String,
    },
}

#[derive(Serialize)]
struct Said<'a> {
    answer: &'a str,
    reason: &'a str,
}

/// `GET`, `HEAD` and `OPTIONS` (which HAProxy sends by itself): 200, 503 or 400, with `{"answer":"yes","reason":"…"}`. `ask` gets the
/// query string.
pub fn check<S, F, A>(ask: F) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(String) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Check> + Send,
{
    let options = ask.clone();
    let answered = async move |RawQuery(query): RawQuery| say(&ask(query.unwrap_or_default()).await);
    let optioned = async move |RawQuery(query): RawQuery| say(&options(query.unwrap_or_default()).await);
    get(answered).options(optioned)
}

fn say(check: &Check) -> Response {
    let (code, answer, reason) = match check {
        Check::Yes { reason } => (StatusCode::OK, "yes", reason),
        Check::No { reason } => (StatusCode::SERVICE_UNAVAILABLE, "no", reason),
        Check::Unclear { problem } => (StatusCode::BAD_REQUEST, "unclear", problem),
    };
    (code, [(CACHE_CONTROL, "no-store")], Json(Said { answer, reason })).into_response()
}
