//! Every page, in one table: the router and its description are both made from it, so that neither can lack what the other has.

use std::sync::{Arc, OnceLock};

use axum::Form;
use axum::http::HeaderMap;
use axum::routing::{any, get};
use httpd::{Health, Readiness};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::guard::{self, Guard, Shown};
use super::openapi::{self, Answer, Body, Question};
use super::route::Route;
use super::{api, contract, events, groups, history, status, ui, wait};
use crate::happy::pages as happy;
use crate::known::Known;

/// What pages are made from that is not in `Known`.
pub(crate) struct Sources {
    /// For `/healthz`.
    pub(crate) health: watch::Receiver<Health>,
    /// For `/ready`.
    pub(crate) readiness: watch::Receiver<Readiness>,
    /// For `/metrics`.
    pub(crate) numbers: Registry,
    /// For redishappy's pages, where its interface is used.
    pub(crate) happy: Option<happy::Shown>,
}

const GROUP: Question = Question {
    name: "group",
    about: "Name of the group; may be left out where there is one",
    schema: r#"{"type":"string"}"#,
};
const ANY_GROUP: Question = Question {
    name: "group",
    about: "Name of the group; left out: all",
    schema: r#"{"type":"string"}"#,
};
const FIRST_GROUP: Question = Question {
    name: "group",
    about: "Name of the group; left out: the first that is configured",
    schema: r#"{"type":"string"}"#,
};
const EPOCH: Question = Question {
    name: "epoch",
    about: "Epoch that is known: the answer comes once a higher one is recorded",
    schema: r#"{"type":"integer","minimum":0}"#,
};
const WAIT: Question = Question {
    name: "wait",
    about: "How long to wait for that, at most 60s",
    schema: r#"{"type":"string","default":"30s"}"#,
};
const LAST_EVENT: Question = Question {
    name: "last-event-id",
    about: "Event after which to go on, as the header Last-Event-ID",
    schema: r#"{"type":"string"}"#,
};

const WRONG_QUESTION: Answer = Answer(
    400,
    "The question cannot be read, or names no group where there are several",
    Body::Json("Error"),
);
const NO_GROUP: Answer = Answer(404, "There is no such group", Body::Json("Error"));
const NO_MASTER: Answer = Answer(
    404,
    "There is no such group, or no master is recorded in it",
    Body::Json("Error"),
);
const NEVER_READ: Answer = Answer(
    503,
    "ZooKeeper has not been read yet; without it: no Sentinel has answered yet",
    Body::Json("Error"),
);
const NO_PLACE: Answer = Answer(
    503,
    "ZooKeeper has not been read yet, or too many wait already: come back after `Retry-After`",
    Body::Json("Error"),
);
const CURRENT_OR_OLD: &str = "Old answers have a `stale_for_ms`, and the header Warning";

const LOG_IN: &str = r#"{
    "summary": "Sets the cookie that shows the token",
    "security": [],
    "requestBody": {"required": true, "content": {"application/x-www-form-urlencoded": {"schema": {
        "type": "object", "properties": {"token": {"type": "string"}}, "required": ["token"]}}}},
    "responses": {"303": {"description": "Right: to the page"}, "401": {"description": "Wrong: the form again"}}
}"#;

/// All of them.
pub(super) fn table(sources: Sources, guard: &Guard, description: &Arc<OnceLock<String>>) -> Vec<Route> {
    let mut routes = contract_pages();
    routes.extend(sources.happy.iter().flat_map(happy_pages));
    routes.extend(group_pages());
    routes.extend(watcher_pages(sources));
    routes.extend(people_pages(guard));
    let description = description.clone();
    let describe = get(async move || openapi::page(description.get().cloned().unwrap_or_default()));
    let described = [Answer(200, "OpenAPI 3.1", Body::AnyJson)];
    routes.push(Route::guarded("/v1/openapi.json", describe, "This description").answers(&described));
    routes
}

/// Those of the original redis-zk.
fn contract_pages() -> Vec<Route> {
    let none = Answer(500, "There is none, or nothing has been read yet", Body::Text);
    vec![
        Route::open(
            "/sentinel",
            any(contract::sentinel),
            "One Sentinel by chance: `<host> <port>`",
        )
        .asks(&[FIRST_GROUP])
        .answers(&[
            Answer(200, "Host and port, with a space between", Body::Text),
            none,
        ]),
        Route::open(
            "/sentinels",
            any(contract::sentinels),
            "All Sentinels: `<host>:<port>,<host>:<port>`",
        )
        .asks(&[FIRST_GROUP])
        .answers(&[Answer(200, "In the order of their znodes", Body::Text), none]),
    ]
}

/// Those of redishappy.
fn happy_pages(shown: &happy::Shown) -> Vec<Route> {
    let route = |page: happy::Page<Known>| {
        let body = match page.form {
            happy::Form::Text => Body::Text,
            happy::Form::Json => Body::AnyJson,
        };
        let route = match page.path {
            happy::PING => Route::open(page.path, page.handler, page.summary),
            _ => Route::guarded(page.path, page.handler, page.summary),
        };
        let answer = Answer(200, "As redishappy has it", body);
        let unreadable = Answer(500, "The file cannot be read, and why", Body::Text);
        match page.path {
            happy::TEMPLATE | happy::HAPROXY => route.answers(&[answer, unreadable]),
            _ => route.answers(&[answer]),
        }
    };
    happy::each(shown).into_iter().map(route).collect()
}

/// What there is to know of one group.
fn group_pages() -> Vec<Route> {
    let about = |path, handler, summary, schema| {
        let answer = Answer(200, CURRENT_OR_OLD, Body::Json(schema));
        Route::guarded(path, handler, summary).asks(&[GROUP]).answers(&[
            answer,
            WRONG_QUESTION,
            NO_GROUP,
            NEVER_READ,
        ])
    };
    vec![
        about(
            "/v1/master",
            get(wait::master),
            "The master, now or once one of a higher epoch is recorded",
            "Master",
        )
        .asks(&[GROUP, EPOCH, WAIT])
        .answers(&[
            Answer(200, CURRENT_OR_OLD, Body::Json("Master")),
            WRONG_QUESTION,
            NO_MASTER,
            NO_PLACE,
        ])
        .patient(),
        about(
            "/v1/sentinels",
            get(api::sentinels),
            "The registered Sentinels",
            "Sentinels",
        ),
        about(
            "/v1/replicas",
            get(api::replicas),
            "The registered replicas",
            "Replicas",
        ),
        about(
            "/v1/history",
            get(history::history),
            "The last failovers, the newest first",
            "History",
        ),
        about(
            "/v1/status",
            get(status::status),
            "Everything this watcher knows of a group",
            "Status",
        )
        .answers(&[
            Answer(200, CURRENT_OR_OLD, Body::Json("Status")),
            WRONG_QUESTION,
            NO_GROUP,
        ]),
    ]
}

/// What there is to know of the watcher.
fn watcher_pages(sources: Sources) -> Vec<Route> {
    let Sources {
        health,
        readiness,
        numbers,
        happy: _,
    } = sources;
    let well = |what, schema| [Answer(200, what, Body::Json(schema))];
    vec![
        Route::guarded("/v1/groups", get(groups::groups), "Every group in a line")
            .answers(&well("By name", "Groups")),
        Route::guarded(
            "/v1/events",
            get(events::events),
            "What happens, as Server-Sent Events",
        )
        .asks(&[ANY_GROUP, LAST_EVENT])
        .answers(&[
            Answer(
                200,
                "First a snapshot, or what has happened since the last event; then what happens. The schemas Snapshot, Event and SinkEvent describe the data",
                Body::Events,
            ),
            WRONG_QUESTION,
            NO_GROUP,
            Answer(
                503,
                "Too many listen already: come back after `Retry-After`",
                Body::Json("Error"),
            ),
        ]),
        Route::open(
            "/healthz",
            httpd::healthz(health),
            "Whether starting the watcher again would help",
        )
        .answers(&[
            Answer(200, "It is alive", Body::Json("Said")),
            Answer(503, "It is not", Body::Json("Said")),
        ]),
        Route::open(
            "/ready",
            httpd::ready(readiness),
            "Whether what it tells is current",
        )
        .answers(&[
            Answer(200, "It is", Body::Json("Said")),
            Answer(503, "It is not, and why", Body::Json("Said")),
        ]),
        Route::guarded(
            "/metrics",
            httpd::metrics(Arc::new(numbers)),
            "The numbers, for Prometheus",
        )
        .answers(&[Answer(200, "OpenMetrics", Body::OpenMetrics)]),
    ]
}

/// The page for people.
fn people_pages(guard: &Guard) -> Vec<Route> {
    let (form, log_in) = (guard.clone(), guard.clone());
    let login = get(async move || guard::form(&form)).post(
        async move |headers: HeaderMap, Form(shown): Form<Shown>| guard::log_in(&log_in, &headers, &shown),
    );
    let file = |path, asset: &'static ui::Asset, summary, body| {
        Route::open(path, get(async || asset.answer()), summary).answers(&[Answer(200, "The file", body)])
    };
    vec![
        Route::guarded(ui::PATH, get(async || ui::PAGE.answer()), "The page for people").answers(&[
            Answer(200, "The page", Body::Html),
            Answer(303, "Log in first", Body::Nothing),
        ]),
        Route::open("/ui/login", login, "Where a browser shows the token")
            .answers(&[
                Answer(200, "The form", Body::Html),
                Answer(303, "No token is needed", Body::Nothing),
            ])
            .also(LOG_IN),
        file("/ui/app.js", &ui::SCRIPT, "The page's script", Body::Script),
        file("/ui/style.css", &ui::STYLE, "The page's style", Body::Style),
        file("/ui/icon.svg", &ui::ICON, "The page's icon", Body::Svg),
    ]
}
