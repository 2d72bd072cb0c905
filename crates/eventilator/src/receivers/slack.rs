//! Slack: by the token of an app (`chat.postMessage`), or by an incoming webhook.
//!
//! The channel's name is sent as it is; only when Slack does not know it, the channels are listed once to find its id. The list costs
//! many requests in a large workspace, of few that it allows in a minute. A token is sent as a header and in no URL.

mod answer;
mod body;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sinks::Secret;

use self::answer::{Reply, webhook_refusal};
use self::body::Post;
use super::SetupError;
use super::requests::{Server, bearer};
use crate::message::Message;
use crate::sink::{Sink, SinkError, Trigger};

/// Where Slack's API is.
pub const DEFAULT_API: &str = "https://slack.com/api";

/// An answer may be so long: a page of a thousand channels is the longest.
const ANSWER: usize = 8 * 1024 * 1024;
/// As many channels as Slack gives at once.
const PAGE: &str = "1000";
/// Nobody has more pages; a server that goes on for ever is none of Slack's.
const PAGES: usize = 100;
/// All that a name may mean; and what is left where the token may not see the private ones.
const KINDS: [&str; 2] = ["public_channel,private_channel", "public_channel"];

/// A channel of Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackConfig {
    /// The sink's name.
    pub name: String,
    /// The token of an app (`xoxb-…`). Goes before the webhook.
    pub token: Option<Secret>,
    /// The URL of an incoming webhook, which has a channel of its own.
    pub webhook: Option<Secret>,
    /// The name of a channel, with or without `#`, or its id.
    pub channel: String,
    /// Who says it, above the event.
    pub author_name: String,
    /// Smaller, beside that.
    pub author_subname: String,
    /// As whom the app speaks; Slack heeds it with the scope `chat:write.customize`.
    pub username: String,
    /// For which events.
    pub trigger: Trigger,
    /// Where the API is: [`DEFAULT_API`].
    pub api: String,
    /// The full name of this host.
    pub reporter: String,
    /// The authority to trust (PEM) instead of the system's.
    pub ca: Option<PathBuf>,
    /// For one event, all requests together.
    pub timeout: Duration,
}

/// Tells a channel of Slack.
#[derive(Debug)]
pub struct Slack {
    config: SlackConfig,
    server: Server,
    /// With a token; without one it is a webhook.
    authorization: Option<HeaderValue>,
    /// The channel's id, once it was looked up.
    found: Mutex<Option<String>>,
}

/// Why a post was not taken.
enum Refused {
    /// Slack knows no such channel.
    NoChannel,
    /// For another reason.
    Sink(SinkError),
}

impl Slack {
    /// Tells this channel.
    pub fn new(config: SlackConfig) -> Result<Self, SetupError> {
        let name = config.name.clone();
        let (url, authorization) = match (&config.token, &config.webhook) {
            (Some(_), _) if config.channel.trim_start_matches('#').is_empty() => {
                return Err(SetupError::NoChannel { name });
            }
            (Some(token), _) => (config.api.as_str(), Some(bearer(&name, token)?)),
            (None, Some(webhook)) => (webhook.reveal(), None),
            (None, None) => return Err(SetupError::NoWay { name }),
        };
        let server = Server::new(&name, url, config.ca.as_deref(), config.timeout)?;
        if authorization.is_some() && server.base().basic().is_some() {
            return Err(SetupError::TwoWays { name });
        }
        Ok(Self {
            server: server.hiding(config.token.as_ref()),
            authorization,
            found: Mutex::new(None),
            config,
        })
    }

    async fn by_token(&self, message: &Message, authorization: &HeaderValue) -> Result<(), SinkError> {
        let known = self.found().clone();
        let channel = known.as_deref().unwrap_or(&self.config.channel);
        match self.post(message, channel, authorization).await {
            Ok(()) => return Ok(()),
            Err(Refused::Sink(error)) => return Err(error),
            Err(Refused::NoChannel) => *self.found() = None,
        }
        let id = self.look_up(authorization).await?;
        match self.post(message, &id, authorization).await {
            Ok(()) => {
                *self.found() = Some(id);
                Ok(())
            }
            Err(Refused::Sink(error)) => Err(error),
            Err(Refused::NoChannel) => Err(self.no_channel()),
        }
    }

    async fn post(
        &self,
        message: &Message,
        channel: &str,
        authorization: &HeaderValue,
    ) -> Result<(), Refused> {
        let post = Post::new(&self.config, message).to(channel, &self.config.username, &message.id);
        let request = Request::post(self.method("chat.postMessage"))
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(AUTHORIZATION, authorization);
        let reply = self.ask(request, post.json()).await.map_err(Refused::Sink)?;
        match reply.refusal(&self.config.channel) {
            None => Ok(()),
            Some(_) if reply.is("channel_not_found") => Err(Refused::NoChannel),
            Some(error) => Err(Refused::Sink(error)),
        }
    }

    /// The id of the channel with the configured name.
    async fn look_up(&self, authorization: &HeaderValue) -> Result<String, SinkError> {
        let name = self.config.channel.trim_start_matches('#');
        for kinds in KINDS {
            let mut cursor = String::new();
            for _ in 0..PAGES {
                let path = format!(
                    "{}?limit={PAGE}&exclude_archived=true&types={kinds}&cursor={}",
                    self.method("conversations.list"),
                    utf8_percent_encode(&cursor, NON_ALPHANUMERIC),
                );
                let request = Request::get(path).header(AUTHORIZATION, authorization);
                let reply = self.ask(request, Bytes::new()).await?;
                match reply.refusal(&self.config.channel) {
                    None => {}
                    // The next kinds need less.
                    Some(_) if reply.is("missing_scope") && kinds == KINDS[0] => break,
                    Some(error) => return Err(error),
                }
                if let Some(id) = reply.channel(name) {
                    return Ok(id);
                }
                match reply.cursor() {
                    Some(next) => cursor = next,
                    None => return Err(self.no_channel()),
                }
            }
        }
        Err(self.no_channel())
    }

    async fn by_webhook(&self, message: &Message) -> Result<(), SinkError> {
        let body = Post::new(&self.config, message).json();
        let request = Request::post(self.server.base().path_and_query())
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Full::from(body))
            .map_err(|error| SinkError::Failed(error.to_string()))?;
        let answer = self.server.ask(request, ANSWER).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(webhook_refusal(answer.status, &self.server.says(&answer)))
    }

    async fn ask(&self, request: hyper::http::request::Builder, body: Bytes) -> Result<Reply, SinkError> {
        let request = request
            .body(Full::from(body))
            .map_err(|error| SinkError::Failed(error.to_string()))?;
        let answer = self.server.ask(request, ANSWER).await?;
        Reply::read(&answer.body).ok_or_else(|| SinkError::Failed(self.server.says(&answer)))
    }

    fn method(&self, name: &str) -> String {
        let base = self.server.base().path_and_query();
        format!("{}/{name}", base.trim_end_matches('/'))
    }

    fn no_channel(&self) -> SinkError {
        SinkError::Failed(format!(
            "Slack knows no channel `{}` that the token may see: create it, invite the app to it if it is private, or configure its id",
            self.config.channel
        ))
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Slack {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn wants(&self, event: &str) -> bool {
        self.config.trigger.takes(event)
    }

    fn deadline(&self) -> Duration {
        self.config.timeout
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let told = async {
                match &self.authorization {
                    Some(authorization) => self.by_token(message, authorization).await,
                    None => self.by_webhook(message).await,
                }
            };
            let within = self.config.timeout;
            tokio::time::timeout(within, told).await.unwrap_or_else(|_| {
                Err(SinkError::Failed(format!(
                    "Slack did not take it within {} ms",
                    within.as_millis()
                )))
            })
        })
    }
}

#[cfg(test)]
mod tests;
