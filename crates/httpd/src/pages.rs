//! The pages every program has: is it alive, is it of use, and its numbers.
//!
//! *Alive* and *of use* are different questions. A program that is not alive is killed and started again by whoever asks,
//! so `/healthz` must not depend on ZooKeeper or on peers: an outage there would have every Redis killed.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::watch;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the program is alive: whether killing and starting it again would help nothing (`Alive`) or perhaps all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does its work, or waits for others to do theirs; the reason says which.
    Alive {
        /// For the reader of the page.
        reason: String,
    },
    /// It does not.
    Failing {
        /// What is wrong.
        reason: String,
    },
}

/// Whether the program is of use to clients now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is.
    Ready {
        /// As what, for example `master`.
        reason: String,
    },
    /// Not yet, or not now.
    NotReady {
        /// What is missing.
        reason: String,
    },
}

#[derive(Serialize)]
struct Said<'a> {
    status: &'a str,
    reason: &'a str,
}

/// `GET`: 200 or 503, with `{"status":"alive","reason":"…"}` or `"failing"`.
pub fn healthz<S: Clone + Send + Sync + 'static>(health: watch::Receiver<Health>) -> MethodRouter<S> {
    get(async move || {
        let now = health.borrow().clone();
        // Nobody writes any more: the last word may be old, and whoever wrote it is gone.
        match (health.has_changed(), now) {
            (Err(_), _) => say(
                StatusCode::SERVICE_UNAVAILABLE,
                "failing",
                "the task that knows has ended",
            ),
            (Ok(_), Health::Alive { reason }) => say(StatusCode::OK, "alive", &reason),
            (Ok(_), Health::Failing { reason }) => say(StatusCode::SERVICE_UNAVAILABLE, "failing", &reason),
        }
    })
}

/// `GET`: 200 or 503, with `{"status":"ready","reason":"…"}` or `"not ready"`.
pub fn ready<S: Clone + Send + Sync + 'static>(readiness: watch::Receiver<Readiness>) -> MethodRouter<S> {
    get(async move || {
        let now = readiness.borrow().clone();
        match (readiness.has_changed(), now) {
            (Err(_), _) => say(
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready",
                "the task that knows has ended",
            ),
            (Ok(_), Readiness::Ready { reason }) => say(StatusCode::OK, "ready", &reason),
            (Ok(_), Readiness::NotReady { reason }) => {
                say(StatusCode::SERVICE_UNAVAILABLE, "not ready", &reason)
            }
        }
    })
}

/// `GET`: what `registry` holds, in the OpenMetrics text format.
pub fn metrics<S: Clone + Send + Sync + 'static>(registry: Arc<Registry>) -> MethodRouter<S> {
    get(async move || {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
            Err(fmt::Error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be written\n",
            )
                .into_response(),
        }
    })
}

fn say(code: StatusCode, status: &str, reason: &str) -> Response {
    (code, [(CACHE_CONTROL, "no-store")], Json(Said { status, reason })).into_response()
}
