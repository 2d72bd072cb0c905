//! The description of every page, in OpenAPI 3.1. What the pages are comes from their table; what is in their answers is written
//! by hand in `schemas.json`, and real answers are held against it.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::route::{Access, Route};

const SCHEMAS: &str = include_str!("schemas.json");

/// What there is to say of one page.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) summary: &'static str,
    pub(super) questions: Vec<Question>,
    pub(super) answers: Vec<Answer>,
    /// What POST does, in JSON, where it does something.
    pub(super) post: Option<&'static str>,
}

/// Something that may be in the query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Its JSON schema.
    pub(super) schema: &'static str,
}

/// A status code, what it means, and what comes with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer(pub(super) u16, pub(super) &'static str, pub(super) Body);

/// What an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// JSON, by the name of its schema.
    Json(&'static str),
    AnyJson,
    Text,
    Html,
    Script,
    Style,
    Svg,
    Events,
    OpenMetrics,
    Nothing,
}

/// The whole of it.
pub(super) fn document(routes: &[Route]) -> Value {
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let paths: Map<String, Value> = routes.iter().map(path).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "redis-zk watcher",
            "summary": "Who is master, what happens, and why",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "HTTP_TOKEN, where it is set" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "redis-zk", "description": "Set by /ui/login" },
            },
        },
    })
}

fn path(route: &Route) -> (String, Value) {
    let about = &route.about;
    let mut get = json!({ "summary": about.summary });
    if !about.questions.is_empty() {
        get["parameters"] = about.questions.iter().map(question).collect();
    }
    let mut answers: Map<String, Value> = about.answers.iter().map(answer).collect();
    // Nothing, or one of the two.
    get["security"] = match route.access {
        Access::Open => json!([]),
        Access::Guarded => {
            // The page for people sends them to the form instead.
            if !answers.contains_key("303") {
                answers.extend([answer(&Answer(
                    401,
                    "A token is needed, and how it is shown",
                    Body::Json("Error"),
                ))]);
            }
            json!([{}, { "token": [] }, { "cookie": [] }])
        }
    };
    get["responses"] = Value::Object(answers);
    let mut methods = json!({ "get": get });
    if let Some(post) = about.post {
        methods["post"] = serde_json::from_str(post).unwrap_or_default();
    }
    (route.path.to_owned(), methods)
}

fn question(question: &Question) -> Value {
    let schema: Value = serde_json::from_str(question.schema).unwrap_or_default();
    json!({ "name": question.name, "in": "query", "description": question.about, "schema": schema })
}

fn answer(Answer(code, meaning, body): &Answer) -> (String, Value) {
    let mut said = json!({ "description": meaning });
    if let Some((media, schema)) = body.content() {
        said["content"] = json!({ media: { "schema": schema } });
    }
    (code.to_string(), said)
}

impl Body {
    /// Its media type and schema.
    fn content(self) -> Option<(&'static str, Value)> {
        let text = json!({ "type": "string" });
        Some(match self {
            Body::Json(name) => (
                "application/json",
                json!({ "$ref": format!("#/components/schemas/{name}") }),
            ),
            Body::AnyJson => ("application/json", json!({ "type": "object" })),
            Body::Text => ("text/plain", text),
            Body::Html => ("text/html", text),
            Body::Script => ("text/javascript", text),
            Body::Style => ("text/css", text),
            Body::Svg => ("image/svg+xml", text),
            Body::Events => ("text/event-stream", text),
            Body::OpenMetrics => ("application/openmetrics-text", text),
            Body::Nothing => return None,
        })
    }
}

/// The text of it, as it is served and committed.
pub(super) fn text(routes: &[Route]) -> String {
    format!("{:#}\n", document(routes))
}

/// What the page answers.
pub(super) fn page(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests;
