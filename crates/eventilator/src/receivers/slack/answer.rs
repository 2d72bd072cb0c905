//! What Slack answers, and what a person can do about it.

use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use crate::receivers::wording::one_line;
use crate::sink::SinkError;

/// When Slack wants to be left alone and does not say how long.
const LEFT_ALONE: Duration = Duration::from_secs(30);
/// So much of a word of Slack's is told.
const LONGEST: usize = 100;

/// An answer of the API.
#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    ok: bool,
    #[serde(default)]
    error: String,
    /// The scope that is missing.
    #[serde(default)]
    needed: String,
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    response_metadata: Paging,
}

#[derive(Debug, Deserialize)]
struct Channel {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Paging {
    #[serde(default)]
    next_cursor: String,
}

impl Reply {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Whether it is this error.
    pub(super) fn is(&self, error: &str) -> bool {
        !self.ok && self.error == error
    }

    /// The id of the channel of this name, if it is on this page.
    pub(super) fn channel(&self, name: &str) -> Option<String> {
        let found = self.channels.iter().find(|channel| channel.name == name);
        found.map(|channel| channel.id.clone())
    }

    /// Where the next page begins, if there is one.
    pub(super) fn cursor(&self) -> Option<String> {
        Some(self.response_metadata.next_cursor.clone()).filter(|cursor| !cursor.is_empty())
    }

    /// Why it was refused, if it was, and what helps.
    pub(super) fn refusal(&self, channel: &str) -> Option<SinkError> {
        if self.ok {
            return None;
        }
        let error = one_line(&self.error, LONGEST);
        let said = format!("Slack answered `{error}`");
        let remedy = match error.as_str() {
            "ratelimited" | "rate_limited" => {
                return Some(SinkError::Busy {
                    reason: said,
                    after: LEFT_ALONE,
                });
            }
            "not_authed" | "invalid_auth" | "account_inactive" | "token_revoked" | "token_expired" => {
                "the token is not, or no longer, valid: configure the app's bot token (xoxb-…)".to_owned()
            }
            "not_in_channel" => format!(
                "the app is not in `{channel}`: invite it there (/invite), or give it the scope chat:write.public"
            ),
            "channel_not_found" => format!("there is no `{channel}` that the token may see"),
            "is_archived" => format!("`{channel}` is archived: configure another channel"),
            "missing_scope" => format!(
                "the token lacks a scope: give the app {} and install it anew",
                match one_line(&self.needed, LONGEST) {
                    needed if needed.is_empty() => "chat:write".to_owned(),
                    needed => needed,
                }
            ),
            "restricted_action" => format!("the app may not post in `{channel}`: ask an administrator"),
            _ => return Some(SinkError::Failed(said)),
        };
        Some(SinkError::Failed(format!("{said}: {remedy}")))
    }
}

/// Why a webhook refused; `said` is its status and its text.
pub(super) fn webhook_refusal(status: StatusCode, said: &str) -> SinkError {
    let remedy = match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
            ": the webhook was removed, or its channel was: configure a new one"
        }
        _ => "",
    };
    SinkError::Failed(format!("{said}{remedy}"))
}
