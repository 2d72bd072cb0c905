//! What the receivers that speak HTTP have in common: one server, whose secrets are shown to nobody, and what its answers mean for us.

use std::path::Path;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use sinks::Secret;
use sinks::http::{Answer, Base, Http, HttpSetupError, whole};

use super::SetupError;
use crate::sink::SinkError;

/// Who asks to be left alone is left alone this long at least, and at most.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
/// Shorter words than this are in every text, and no secrets.
const SHORTEST: usize = 4;

/// A server to send requests to.
#[derive(Debug)]
pub(super) struct Server {
    http: Http,
    base: Base,
    /// What its answers may repeat, and we must not.
    hidden: Vec<Secret>,
}

impl Server {
    /// The server of this URL, which holds secrets, or none. The name is the sink's.
    pub(super) fn new(
        name: &str,
        url: &str,
        ca: Option<&Path>,
        within: Duration,
    ) -> Result<Self, SetupError> {
        let setup = |source| SetupError::Http {
            name: name.to_owned(),
            source,
        };
        let base = Base::read("its URL", url).map_err(setup)?;
        let http = Http::new(ca, within).map_err(setup)?;
        let hidden = parts(url);
        Ok(Self { http, base, hidden })
    }

    /// The same, whose answers may repeat this besides.
    pub(super) fn hiding(mut self, secret: Option<&Secret>) -> Self {
        self.hidden.extend(secret.cloned());
        self
    }

    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    /// Its answer, whichever it is, but for one that asks to be left alone.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Answer, SinkError> {
        let answer = self.http.send(&self.base, request, limit).await;
        let answer = answer.map_err(|error| SinkError::Failed(self.conceal(&whole(&error))))?;
        match asked_to_wait(&answer, Timestamp::now()) {
            Some(after) => Err(SinkError::Busy {
                reason: self.says(&answer),
                after,
            }),
            None => Ok(answer),
        }
    }

    /// Its status and a line of what it says, without secrets.
    pub(super) fn says(&self, answer: &Answer) -> String {
        // Before it is cut: half of a secret would not be found.
        let text = self.conceal(&String::from_utf8_lossy(&answer.body));
        let shown = Answer {
            status: answer.status,
            retry_after: None,
            body: text.into(),
        };
        format!("{} answered {}", self.base.origin(), shown.says())
    }

    fn conceal(&self, text: &str) -> String {
        let mut hidden: Vec<&str> = self.hidden.iter().map(Secret::reveal).collect();
        hidden.retain(|word| word.len() >= SHORTEST);
        // The longest first: the rest of one that holds another would be shown.
        hidden.sort_by_key(|word| std::cmp::Reverse(word.len()));
        hidden
            .into_iter()
            .fold(text.to_owned(), |text, word| text.replace(word, "***"))
    }
}

/// A header's value that no log shows.
pub(super) fn bearer(name: &str, token: &Secret) -> Result<HeaderValue, SetupError> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| SetupError::Http {
            name: name.to_owned(),
            source: HttpSetupError::Header { what: "the token" },
        })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What in a URL may be secret: all after the host, as a whole and in its parts, and who asks.
fn parts(url: &str) -> Vec<Secret> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let mut words = vec![url, path, user];
    words.extend(path.split(['/', '?', '&', '=']));
    words.extend(user.split(':'));
    let decoded = |word: &str| percent_decode_str(word).decode_utf8_lossy().into_owned();
    let all = words.iter().flat_map(|word| [(*word).to_owned(), decoded(word)]);
    all.map(Secret::new).collect()
}

/// How long the other side wants to be left alone: 429 or 503 with `Retry-After` as seconds, or as a date.
fn asked_to_wait(answer: &Answer, now: Timestamp) -> Option<Duration> {
    if !matches!(answer.status.as_u16(), 429 | 503) {
        return None;
    }
    let text = answer.retry_after.as_ref()?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    Some(wait.clamp(WAIT.0, WAIT.1))
}

#[cfg(test)]
mod tests;
