//! A URL that gets a POST for each new master (`WEBHOOK_URL`).
//!
//! It is told the level: after a start of who is master, and of several moves while it was away only of the last. A 2xx confirms.
//! Any POST may arrive twice or late (a time-out does not say whether it arrived), hence the `Idempotency-Key`, and the epoch by
//! which a receiver tells what is old.
//!
//! With a secret each POST is signed: see `http/sign.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::iter;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use serde::Serialize;
use tokio::time::Instant;
use topology::{Addr, Epoch, MasterName};

use crate::http::{
    Base, Http, HttpSetupError, IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, seconds, signature, whole,
};
use crate::picture::{Group, Picture};
use crate::secret::Secret;
use crate::sink::{Brought, Sink, SinkError};
use crate::time::{rfc3339, rfc3339_ms};
use crate::told::{Failure, Told};

/// So many groups are told at once.
const AT_ONCE: usize = 8;
/// Nobody needs what a receiver answers, except why not.
const ANSWER: usize = 64 * 1024;

/// Tells one URL of each new master, once per epoch, group and process.
#[derive(Debug)]
pub struct WebhookSink {
    name: String,
    base: Base,
    http: Http,
    secret: Option<Secret>,
    told: Told,
}

impl WebhookSink {
    /// POSTs to `url`, each within `deadline`; the deadline of [`crate::Terms`] must be longer.
    pub fn new(url: &str, secret: Option<Secret>, deadline: Duration) -> Result<Self, HttpSetupError> {
        let base = Base::read("WEBHOOK_URL", url)?;
        Ok(Self {
            name: format!("webhook:{}", base.origin()),
            base,
            http: Http::new(None, deadline)?,
            secret,
            told: Told::default(),
        })
    }

    /// One for each of these URLs, which are separated by spaces. Those of one host get names that differ.
    pub fn all(urls: &str, secret: Option<&Secret>, deadline: Duration) -> Result<Vec<Self>, HttpSetupError> {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        urls.split_whitespace()
            .map(|url| {
                let mut sink = Self::new(url, secret.cloned(), deadline)?;
                let count = seen.entry(sink.name.clone()).or_default();
                *count += 1;
                if *count > 1 {
                    sink.name = format!("{}#{count}", sink.name);
                }
                Ok(sink)
            })
            .collect()
    }

    /// Trusts this authority (PEM) instead of the system's.
    pub fn trusting(self, ca: &Path) -> Result<Self, HttpSetupError> {
        let http = Http::new(Some(ca), self.http.deadline())?;
        Ok(Self { http, ..self })
    }

    /// For pages and logs: scheme and host. The rest of such a URL is often its password.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    fn request(&self, group: &Group, now: SystemTime) -> Result<Request<Full<Bytes>>, String> {
        let body = body(group, self.told.previous(&group.name), now);
        let seconds = seconds(now);
        let mut request = Request::post(self.base.path_and_query())
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, format!("{}-{}", group.name, group.master.epoch))
            .header(TIMESTAMP, &seconds);
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret, &seconds, &body));
        }
        request.body(Full::from(body)).map_err(|error| error.to_string())
    }
}

impl Sink for WebhookSink {
    async fn bring(&mut self, picture: &Picture) -> Result<Brought, SinkError> {
        let began = Instant::now();
        let due = self.told.due(picture, began);
        let posts: Vec<_> = due
            .into_iter()
            .map(|group| {
                let (http, base, request) = (&self.http, &self.base, self.request(&group, SystemTime::now()));
                let (http, base) = (http.clone(), base.clone());
                async move {
                    let answered = match request {
                        Ok(request) => post(&http, &base, request).await,
                        Err(problem) => Err(Failure::Local(problem)),
                    };
                    (group, answered)
                }
            })
            .collect();
        let mut posts = iter(posts).buffer_unordered(AT_ONCE);
        let mut brought = Brought::default();
        while let Some((group, answered)) = posts.next().await {
            match answered {
                Ok(()) => {
                    self.told.confirm(group.name.clone(), &group.master);
                    brought.told.push(group.name);
                }
                Err(failure) => self
                    .told
                    .fail(group.name, group.master.epoch, failure, Instant::now()),
            }
        }
        self.told.outcome(&self.name, picture, brought, began)
    }

    fn confirmed(&self) -> BTreeMap<MasterName, Epoch> {
        self.told.epochs()
    }
}

/// What a receiver says in its body is not repeated: it may hold the request's own secrets.
async fn post(http: &Http, base: &Base, request: Request<Full<Bytes>>) -> Result<(), Failure> {
    match http.send(base, request, ANSWER).await {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) if passes(answer.status) => {
            Err(Failure::Passing(format!("it answered {}", answer.status)))
        }
        Ok(answer) => Err(Failure::Lasting(answer.status.to_string())),
        Err(error) => Err(Failure::Passing(whole(&error))),
    }
}

/// Whether a status that is no success may be another one soon.
fn passes(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS
}

/// What is POSTed.
#[derive(Serialize)]
struct Post<'a> {
    r#type: &'static str,
    group: &'a str,
    name: &'a str,
    epoch: u64,
    master: Place<'a>,
    /// The master that this URL was told of before, by this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Place<'a>>,
    cause: &'a str,
    since: String,
    replicas: Vec<Place<'a>>,
    sent_at: String,
}

#[derive(Serialize)]
struct Place<'a> {
    host: &'a str,
    port: u16,
}

impl<'a> From<&'a Addr> for Place<'a> {
    fn from(addr: &'a Addr) -> Self {
        Self {
            host: addr.host(),
            port: addr.port(),
        }
    }
}

fn body(group: &Group, previous: Option<&Addr>, now: SystemTime) -> Vec<u8> {
    let post = Post {
        r#type: "master",
        group: group.name.as_str(),
        name: group.name.as_str(),
        epoch: group.master.epoch.0,
        master: (&group.master.addr).into(),
        previous: previous.map(Place::from),
        cause: &group.master.cause,
        since: rfc3339_ms(group.master.since_ms),
        replicas: group.replicas.keys().map(Place::from).collect(),
        sent_at: rfc3339(Some(now)),
    };
    // Strings and numbers always have a form in JSON.
    serde_json::to_vec(&post).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::picture::testing::group;

    #[test]
    fn a_time_that_no_calendar_has_is_no_panic() {
        let mut odd = group("sessions", 7);
        odd.master.since_ms = u64::MAX;
        let text = String::from_utf8(body(&odd, None, SystemTime::now())).unwrap();
        assert!(text.contains(r#""since":"1970-01-01T00:00:00.000Z""#), "{text}");
    }

    #[test]
    fn a_post_holds_what_is_documented() {
        let previous = Addr::new("10.0.0.9", 6380).unwrap();
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let text = String::from_utf8(body(&group("sessions", 7), Some(&previous), now)).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"type":"master","group":"sessions","name":"sessions","epoch":7,"#,
                r#""master":{"host":"10.0.0.1","port":6379},"previous":{"host":"10.0.0.9","port":6380},"#,
                r#""cause":"failover","since":"1970-01-01T00:00:00.000Z","replicas":[],"#,
                r#""sent_at":"2023-11-14T22:13:20.123Z"}"#
            )
        );
        let first = String::from_utf8(body(&group("sessions", 7), None, now)).unwrap();
        assert!(!first.contains("previous"), "{first}");
    }

    #[test]
    fn a_refusal_that_may_pass_is_told_from_one_that_will_not() {
        for (code, wanted) in [
            (500, true),
            (503, true),
            (408, true),
            (429, true),
            (400, false),
            (404, false),
            (302, false),
        ] {
            assert_eq!(passes(StatusCode::from_u16(code).unwrap()), wanted, "{code}");
        }
    }

    #[test]
    fn names_differ_and_show_no_secret() {
        let urls = "https://u:s3cr3t@hooks.example.com/a?b=s3cr3t http://10.0.0.1:81/x https://hooks.example.com/s3cr3t";
        let secret = Secret::new("s3cr3t");
        let sinks = WebhookSink::all(urls, Some(&secret), Duration::from_secs(1)).unwrap();
        let names: Vec<String> = sinks.iter().map(WebhookSink::name).collect();
        assert_eq!(
            names,
            [
                "webhook:https://hooks.example.com",
                "webhook:http://10.0.0.1:81",
                "webhook:https://hooks.example.com#2"
            ]
        );
        assert!(!format!("{sinks:?}").contains("s3cr3t"), "{sinks:?}");
        assert!(WebhookSink::all("https://ok/ nonsense", None, Duration::from_secs(1)).is_err());
    }
}
