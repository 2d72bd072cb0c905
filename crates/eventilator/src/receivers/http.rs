//! Any URL: the event's record as JSON, with an `Idempotency-Key`, and signed when a secret is set.
//!
//! A request may arrive twice (a time-out does not say whether it arrived), hence the key: it is the event's identity, the same from whichever Sentinel.
//! How a signature is made is told in `sinks::http`; the watcher's webhooks have the same.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sinks::Secret;
use sinks::http::{IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, seconds, signature};

use super::SetupError;
use super::requests::{Server, bearer};
use crate::message::Message;
use crate::sink::{Sink, SinkError, Trigger};

/// Nobody needs what a receiver answers, except why not.
const ANSWER: usize = 64 * 1024;
/// What stands as `%XX` in an `Idempotency-Key`, besides all that is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// How a URL is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// POST.
    #[default]
    Post,
    /// PUT.
    Put,
}

/// A URL that takes events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The sink's name.
    pub name: String,
    /// Where to; the path of such a URL is often its password.
    pub url: Secret,
    /// How.
    pub method: Method,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// What each request is signed with.
    pub secret: Option<Secret>,
    /// The authority to trust (PEM) instead of the system's.
    pub ca: Option<PathBuf>,
    /// For which events.
    pub trigger: Trigger,
    /// For one request, all in all.
    pub timeout: Duration,
}

/// Tells a URL.
#[derive(Debug)]
pub struct Http {
    config: HttpConfig,
    server: Server,
    authorization: Option<HeaderValue>,
}

impl Http {
    /// Tells this URL.
    pub fn new(config: HttpConfig) -> Result<Self, SetupError> {
        let server = Server::new(
            &config.name,
            config.url.reveal(),
            config.ca.as_deref(),
            config.timeout,
        )?
        .hiding(config.token.as_ref())
        .hiding(config.secret.as_ref());
        if config.token.is_some() && server.base().basic().is_some() {
            return Err(SetupError::TwoWays { name: config.name });
        }
        let token = config.token.as_ref();
        let authorization = token.map(|token| bearer(&config.name, token)).transpose()?;
        Ok(Self {
            config,
            server,
            authorization,
        })
    }

    fn request(
        &self,
        message: &Message,
        now: SystemTime,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        // Strings and numbers always have a form in JSON.
        let body = serde_json::to_vec(&message.record()).unwrap_or_default();
        let seconds = seconds(now);
        let method = match self.config.method {
            Method::Post => hyper::Method::POST,
            Method::Put => hyper::Method::PUT,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(self.server.base().path_and_query())
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, key(&message.id))
            .header(TIMESTAMP, &seconds);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(secret) = &self.config.secret {
            request = request.header(SIGNATURE, signature(secret, &seconds, &body));
        }
        request.body(Full::from(body))
    }
}

fn key(id: &str) -> String {
    utf8_percent_encode(id, ESCAPED).to_string()
}

impl Sink for Http {
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
            let request = self.request(message, SystemTime::now());
            let request = request.map_err(|error| SinkError::Failed(error.to_string()))?;
            let answer = self.server.ask(request, ANSWER).await?;
            if answer.status.is_success() {
                Ok(())
            } else {
                Err(SinkError::Failed(self.server.says(&answer)))
            }
        })
    }
}

#[cfg(test)]
mod tests;
