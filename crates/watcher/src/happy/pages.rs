//! redishappy's pages, `/api/...`: its paths, its shapes, its spellings, byte for byte as Go writes them.
//!
//! Everything is answered from copies. Theirs asks every Sentinel in turn before `/api/topology` answers, so a monitoring system waits for
//! each one that is away; here the answer is what the fronts are told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use serde::Serialize;
use sinks::Picture;
use tokio::sync::watch;
use topology::{Addr, MasterName};

use super::files;
use super::flags::Front;
use super::settings::Settings;

/// The page that needs no token.
pub const PING: &str = "/api/ping";
/// The page of the template.
pub const TEMPLATE: &str = "/api/template";
/// The page of the file that is made from it.
pub const HAPROXY: &str = "/api/haproxy";

const TEXT: &str = "text/plain; charset=utf-8";
/// A file on a network file system that is away must not hold a page for ever.
const FILE_DEADLINE: Duration = Duration::from_secs(2);

/// What the pages are made of.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What was told at start.
    pub settings: Arc<Settings>,
    /// Who is master.
    pub pictures: watch::Receiver<Arc<Picture>>,
    /// The Sentinels, those of the configuration and those found.
    pub sentinels: watch::Receiver<Arc<BTreeMap<Addr, Heard>>>,
}

/// One Sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Whether it is heard.
    pub state: SentinelState,
    /// When it was last heard, or found not to answer.
    pub updated: SystemTime,
    /// The groups it monitors; `None` until it has said so.
    pub clusters: Option<Vec<MasterName>>,
}

/// redishappy's four states of a Sentinel; the numbers are what the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentinelState {
    /// It is known, and nobody has tried it yet.
    Added = 1,
    /// It does not answer.
    Down = 2,
    /// It is heard.
    Alive = 3,
    /// It is being connected to.
    Unknown = 4,
}

#[derive(Serialize)]
struct Sentinels<'a> {
    sentinels: BTreeMap<String, SentinelLine<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentinelLine<'a> {
    sentinel_location: String,
    last_updated: String,
    clusters: Option<&'a [MasterName]>,
    state: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MasterLine<'a> {
    external_port: u16,
    name: &'a MasterName,
    ip: &'a str,
    port: u16,
}

/// One of redishappy's pages.
pub struct Page<S> {
    /// Its path.
    pub path: &'static str,
    /// What answers.
    pub handler: MethodRouter<S>,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What it answers with.
    pub form: Form,
}

/// What a page answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Plain text.
    Text,
    /// JSON.
    Json,
}

/// Each page that there is with these settings.
pub fn each<S>(shown: &Shown) -> Vec<Page<S>> {
    let page = |path, handler: MethodRouter<Shown>, summary, form| Page {
        path,
        handler: handler.fallback(not_found).with_state(shown.clone()),
        summary,
        form,
    };
    let mut pages = vec![
        page(PING, get(ping), "redishappy's sign of life", Form::Text),
        page(
            "/api/configuration",
            get(configuration),
            "redishappy's settings",
            Form::Json,
        ),
        page(
            "/api/sentinels",
            get(sentinels),
            "The Sentinels, in redishappy's shape",
            Form::Json,
        ),
        page(
            "/api/topology",
            get(topology),
            "The masters, in redishappy's shape",
            Form::Json,
        ),
    ];
    if shown.settings.haproxy.is_some() {
        let written = "The file of HAProxy's that was written";
        pages.push(page(
            TEMPLATE,
            get(template),
            "The template of HAProxy's file",
            Form::Text,
        ));
        pages.push(page(HAPROXY, get(haproxy), written, Form::Text));
    }
    if shown.settings.front == Front::None {
        pages.push(page("/api/xxxx", get(hello), "redishappy's example", Form::Text));
    }
    pages
}

/// Theirs answers any other path below `/api` with 404.
pub fn elsewhere<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/api", any(not_found))
        .route("/api/", any(not_found))
        .route("/api/{*unknown}", any(not_found))
}

async fn ping() -> Response {
    text(StatusCode::OK, "Pong")
}

async fn hello() -> Response {
    text(StatusCode::OK, "Hello!")
}

async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

async fn configuration(State(shown): State<Shown>) -> Response {
    json(&shown.settings.shown)
}

async fn sentinels(State(shown): State<Shown>) -> Response {
    json(&lines_of_sentinels(&shown.sentinels.borrow()))
}

async fn topology(State(shown): State<Shown>) -> Response {
    json(&masters(&shown.settings, &shown.pictures.borrow()))
}

async fn template(State(shown): State<Shown>) -> Response {
    match &shown.settings.haproxy {
        Some(haproxy) => file(&haproxy.template).await,
        None => not_found().await,
    }
}

async fn haproxy(State(shown): State<Shown>) -> Response {
    match &shown.settings.haproxy {
        Some(haproxy) => file(&haproxy.output).await,
        None => not_found().await,
    }
}

fn lines_of_sentinels(heard: &BTreeMap<Addr, Heard>) -> Sentinels<'_> {
    let sentinels = heard.iter().map(|(addr, heard)| {
        let location = addr.to_string();
        let line = SentinelLine {
            sentinel_location: location.clone(),
            last_updated: go_time(heard.updated),
            clusters: heard.clusters.as_deref(),
            state: heard.state as u8,
        };
        (location, line)
    });
    Sentinels {
        sentinels: sentinels.collect(),
    }
}

/// The masters of the configured groups, by name. A group that is not known yet has no line: theirs shows it with an empty address.
fn masters<'a>(settings: &Settings, picture: &'a Picture) -> Vec<MasterLine<'a>> {
    let line = |group: &'a sinks::Group| {
        let mut clusters = settings.clusters.iter();
        let cluster = clusters.find(|cluster| cluster.name == group.name)?;
        Some(MasterLine {
            external_port: cluster.external_port,
            name: &group.name,
            ip: group.master.addr.host(),
            port: group.master.addr.port(),
        })
    };
    picture.groups.values().filter_map(line).collect()
}

/// RFC 3339 in UTC as Go writes it: nanoseconds, without the zeros at their end.
fn go_time(time: SystemTime) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    if write!(text, "{}", humantime::format_rfc3339_nanos(time)).is_err() {
        // No calendar has that time.
        return "1970-01-01T00:00:00Z".to_owned();
    }
    let whole = text
        .trim_end_matches('Z')
        .trim_end_matches('0')
        .trim_end_matches('.');
    format!("{whole}Z")
}

fn json(body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => {
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
            (headers, go_escaped(&text)).into_response()
        }
        Err(_) => failed(),
    }
}

/// Go writes these so that JSON can stand in HTML. They are only ever within strings.
fn go_escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}

async fn file(path: &Path) -> Response {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || files::read(&path));
    match tokio::time::timeout(FILE_DEADLINE, reading).await {
        Ok(Ok(Ok(bytes))) => {
            let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")];
            (headers, Bytes::from(bytes)).into_response()
        }
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => failed(),
    }
}

fn failed() -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n")
}

fn text(code: StatusCode, body: &'static str) -> Response {
    (code, [(CONTENT_TYPE, TEXT)], body).into_response()
}

#[cfg(test)]
mod tests;
