//! The page of a program that supervises something: `/healthz`, `/ready`, `/role`, `/metrics`, all made from one status.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::pages::{Health, Readiness, healthz, metrics, ready};

/// What a page is made from.
pub trait Status: Clone + Send + Sync + 'static {
    /// Whether restarting the program could help.
    fn health(&self) -> Health;
    /// Whether clients can use what it supervises.
    fn readiness(&self) -> Readiness;
    /// The facts of `/role`.
    fn role(&self) -> serde_json::Value;
}

/// A status, and everything that follows from it. It answers as long as it is not dropped.
#[derive(Debug)]
pub struct Page<S> {
    status: watch::Sender<S>,
    health: watch::Sender<Health>,
    readiness: watch::Sender<Readiness>,
}

impl<S: Status> Page<S> {
    /// A page that says this.
    pub fn new(status: S) -> Self {
        Self {
            health: watch::Sender::new(status.health()),
            readiness: watch::Sender::new(status.readiness()),
            status: watch::Sender::new(status),
        }
    }

    /// Changes the status and everything that follows from it.
    pub fn update(&self, change: impl FnOnce(&mut S)) {
        self.status.send_modify(change);
        let status = self.status.borrow();
        self.health.send_replace(status.health());
        self.readiness.send_replace(status.readiness());
    }

    /// The status as it is.
    pub fn status(&self) -> S {
        self.status.borrow().clone()
    }

    /// The four paths.
    pub fn router(&self, registry: Registry) -> Router {
        let status = self.status.subscribe();
        Router::new()
            .route("/healthz", healthz(self.health.subscribe()))
            .route("/ready", ready(self.readiness.subscribe()))
            .route("/role", get(async move || Json(status.borrow().role())))
            .route("/metrics", metrics(Arc::new(registry)))
    }
}
