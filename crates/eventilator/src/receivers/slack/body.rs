//! What Slack is sent.

use hyper::body::Bytes;
use serde::Serialize;

use super::SlackConfig;
use crate::message::Message;
use crate::receivers::wording::{Mood, mood, one_line, sentence};

/// How rules in Slack may tell our messages from others.
const EVENT_TYPE: &str = "redis_sentinel_event";
/// So much of a name is shown.
const LONGEST: usize = 200;

/// One message.
#[derive(Debug, Serialize)]
pub(super) struct Post<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    text: String,
    attachments: [Attachment<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

#[derive(Debug, Serialize)]
struct Attachment<'a> {
    color: &'static str,
    fallback: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    author_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    author_subname: &'a str,
    title: &'static str,
    fields: [Field; 4],
}

#[derive(Debug, Serialize)]
struct Field {
    title: &'static str,
    value: String,
    short: bool,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    event_type: &'static str,
    event_payload: Payload<'a>,
}

#[derive(Debug, Serialize)]
struct Payload<'a> {
    id: &'a str,
}

impl<'a> Post<'a> {
    /// As a webhook gets it.
    pub(super) fn new(config: &'a SlackConfig, message: &Message) -> Self {
        let color = match mood(message) {
            Mood::Good => "good",
            Mood::Warning => "warning",
            Mood::Danger => "danger",
        };
        let text = escaped(&sentence(message));
        let field = |title, value: &str| Field {
            title,
            value: escaped(&one_line(value, LONGEST)),
            short: true,
        };
        Self {
            channel: None,
            username: None,
            attachments: [Attachment {
                color,
                fallback: text.clone(),
                author_name: &config.author_name,
                author_subname: &config.author_subname,
                title: if message.trial {
                    "Sentinel event (test)"
                } else {
                    "Sentinel event"
                },
                fields: [
                    field("Event Name", message.event()),
                    field("Pod Name", message.pod()),
                    field("Role", message.role().unwrap_or("-")),
                    field("Reporter", &config.reporter),
                ],
            }],
            text,
            metadata: None,
        }
    }

    /// As the API gets it.
    pub(super) fn to(self, channel: &'a str, username: &'a str, id: &'a str) -> Self {
        Self {
            channel: Some(channel),
            username: Some(username).filter(|name| !name.is_empty()),
            metadata: Some(Metadata {
                event_type: EVENT_TYPE,
                event_payload: Payload { id },
            }),
            ..self
        }
    }

    pub(super) fn json(&self) -> Bytes {
        // Strings always have a form in JSON.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// Slack's own three signs: without this a name such as `<!channel>` would call everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
