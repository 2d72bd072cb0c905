//! What is told over HTTP, always from followed copies.
//!
//! Kinds of paths: the two of the original redis-zk with its every oddity (`contract`), the JSON ones under `/v1/`, of
//! which others are 404, the stream of events, the operator's three, and the page for people. Everything else is answered with 200
//! and nothing, which old health checks rely on.

mod api;
mod chosen;
mod contract;
mod events;
mod facts;
mod groups;
mod guard;
mod history;
mod openapi;
mod route;
mod sinks;
mod staleness;
mod status;
mod table;
mod ui;
mod wait;
mod words;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::routing::any;
use httpd::Pages;

pub(crate) use self::facts::{Facts, History, Redis, Sentinel, Watcher, ZooKeeper, history};
use self::guard::Guard;
pub(crate) use self::history::{Entry, PHASES};
#[cfg(test)]
pub(crate) use self::sinks::sink;
pub(crate) use self::sinks::{Sink, sinks};
pub(crate) use self::table::Sources;
use crate::happy;
use crate::known::Known;

/// All paths. With a token, whoever asks must show it, but for health checks and the contract.
pub(crate) fn pages(known: &Known, sources: Sources, token: Option<&str>) -> Pages {
    let guard = Guard::new(token);
    let happy = sources.happy.is_some();
    let description = Arc::new(OnceLock::new());
    let routes = table::table(sources, &guard, &description);
    description.get_or_init(|| openapi::text(&routes));
    let mut quick = Router::new()
        .route("/v1/", any(api::unknown))
        .route("/v1/{*unknown}", any(api::unknown))
        .fallback(contract::anything_else);
    if happy {
        quick = quick.merge(happy::pages::elsewhere());
    }
    let (quick, patient) = route::built(routes, &guard, quick);
    Pages::from(quick.with_state(known.clone())).patient(patient.with_state(known.clone()))
}

#[cfg(test)]
mod tests;
