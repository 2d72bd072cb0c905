//! What is told over HTTP, always from followed copies.
//!
//! Three kinds of paths: the two of the original redis-zk with its every oddity (`contract`), the JSON ones under `/v1/`, of
//! which others are 404, and the operator's three. Everything else is answered with 200 and nothing, which old health checks rely on.

mod api;
mod contract;
mod staleness;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use httpd::{Health, Readiness};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::situation::Situation;

/// All paths.
pub(crate) fn router(
    situation: Situation,
    health: watch::Receiver<Health>,
    readiness: watch::Receiver<Readiness>,
    metrics: Registry,
) -> Router {
    Router::new()
        .route("/sentinel", any(contract::sentinel))
        .route("/sentinels", any(contract::sentinels))
        .route("/v1/master", get(api::master))
        .route("/v1/sentinels", get(api::sentinels))
        .route("/v1/replicas", get(api::replicas))
        .route("/v1/status", get(status::status))
        .route("/v1/", any(api::unknown))
        .route("/v1/{*unknown}", any(api::unknown))
        .route("/healthz", httpd::healthz(health))
        .route("/ready", httpd::ready(readiness))
        .route("/metrics", httpd::metrics(Arc::new(metrics)))
        .fallback(contract::anything_else)
        .with_state(situation)
}
