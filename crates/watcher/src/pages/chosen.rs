//! Which group a request is about: `?group=<name>`, which may be left out where there is but one.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;

use super::{api, contract};
use crate::known::{Known, Unnamed};
use crate::situation::Situation;

/// The group of a page of ours.
#[derive(Debug)]
pub(super) struct Chosen(pub(super) Situation);

/// The group of a page of the original redis-zk, whose clients name none.
#[derive(Debug)]
pub(super) struct ChosenOrFirst(pub(super) Situation);

#[derive(Deserialize)]
struct Asked {
    group: Option<String>,
}

/// What a query that cannot be read means is for each page to say.
fn asked(parts: &Parts) -> Result<Option<String>, String> {
    let read = Query::<Asked>::try_from_uri(&parts.uri);
    read.map(|Query(asked)| asked.group)
        .map_err(|why| why.body_text())
}

impl FromRequestParts<Known> for Chosen {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, known: &Known) -> Result<Self, Response> {
        let asked = asked(parts).map_err(|why| api::wrong(StatusCode::BAD_REQUEST, &why))?;
        let found = known.group(asked.as_deref());
        found
            .cloned()
            .map(Self)
            .map_err(|why| api::wrong(code(&why), &why.to_string()))
    }
}

impl FromRequestParts<Known> for ChosenOrFirst {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, known: &Known) -> Result<Self, Response> {
        let asked = asked(parts).unwrap_or_default();
        let found = known.group_or_first(asked.as_deref());
        found
            .cloned()
            .map(Self)
            .map_err(|why| contract::text(code(&why), why.to_string()))
    }
}

pub(super) fn code(why: &Unnamed) -> StatusCode {
    match why {
        Unnamed::Several(_) => StatusCode::BAD_REQUEST,
        Unnamed::NoSuch { .. } => StatusCode::NOT_FOUND,
    }
}
