//! Consul's HTTP API, as much of it as is used.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ConsulConfig;
use crate::http::{Answer, Base, Http, HttpError, HttpSetupError, whole};
use crate::sink::SinkError;

const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
/// A service with many instances is a long list.
const ANSWER: usize = 1024 * 1024;

const WORD: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
const PATH: &AsciiSet = &WORD.remove(b'/');

/// One Consul.
#[derive(Debug)]
pub(super) struct Api {
    http: Http,
    base: Base,
    token: Option<HeaderValue>,
}

impl Api {
    pub(super) fn new(config: &ConsulConfig) -> Result<Self, HttpSetupError> {
        let url = match (config.addr.contains("://"), &config.ca) {
            (true, _) => config.addr.clone(),
            (false, None) => format!("http://{}", config.addr),
            (false, Some(_)) => format!("https://{}", config.addr),
        };
        let base = Base::read("CONSUL_HTTP_ADDR", &url)?;
        if config.ca.is_some() && !base.tls() {
            return Err(HttpSetupError::Address {
                what: "CONSUL_HTTP_ADDR".to_owned(),
                problem: "it says http, and yet CONSUL_CACERT is set; write https".to_owned(),
            });
        }
        let token = match &config.token {
            None => None,
            Some(token) => {
                let mut token =
                    HeaderValue::from_str(token.reveal()).map_err(|_| HttpSetupError::Header {
                        what: "CONSUL_HTTP_TOKEN",
                    })?;
                token.set_sensitive(true);
                Some(token)
            }
        };
        Ok(Self {
            http: Http::new(config.ca.as_deref(), config.deadline)?,
            base,
            token,
        })
    }

    /// Host and port.
    pub(super) fn place(&self) -> String {
        self.base.place()
    }

    /// Reads JSON; `None` where there is nothing.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, SinkError> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.accepted(path, answer)?;
        let read = serde_json::from_slice(&answer.body);
        read.map(Some).map_err(|error| SinkError::Refused {
            what: self.what(path),
            answer: format!("an answer that is not Consul's: {error}"),
        })
    }

    /// Writes JSON.
    pub(super) async fn put<T: Serialize>(&self, path: &str, body: &T) -> Result<(), SinkError> {
        let body = serde_json::to_vec(body).map_err(|error| SinkError::Local {
            what: self.what(path),
            problem: error.to_string(),
        })?;
        let answer = self.send(Method::PUT, path, body.into()).await?;
        self.accepted(path, answer).map(drop)
    }

    /// Writes bytes, and says whether they were taken: a compare-and-set answers `false` where it compares otherwise.
    pub(super) async fn put_bytes(&self, path: &str, body: Vec<u8>) -> Result<bool, SinkError> {
        let answer = self.send(Method::PUT, path, body.into()).await?;
        let answer = self.accepted(path, answer)?;
        Ok(answer.body.trim_ascii() == b"true")
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, SinkError> {
        let prefix = self.base.path_and_query().trim_end_matches('/');
        let mut request = Request::builder().method(method).uri(format!("{prefix}{path}"));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header(TOKEN, token);
        }
        let request = request.body(Full::from(body)).map_err(|error| SinkError::Local {
            what: self.what(path),
            problem: error.to_string(),
        })?;
        let sent = self.http.send(&self.base, request, ANSWER).await;
        sent.map_err(|error| match error {
            HttpError::Late(_) | HttpError::Connect { .. } | HttpError::Tls { .. } => {
                SinkError::Unreachable {
                    what: format!("Consul at {}", self.place()),
                    source: whole(&error).into(),
                }
            }
            // Somebody is there: what is asked next may well be answered.
            HttpError::Broken(_) | HttpError::Body { .. } => SinkError::Refused {
                what: self.what(path),
                answer: format!("no answer that can be read: {}", whole(&error)),
            },
        })
    }

    fn accepted(&self, path: &str, answer: Answer) -> Result<Answer, SinkError> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let advice = match answer.status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => "; check CONSUL_HTTP_TOKEN and its policies",
            _ => "",
        };
        Err(SinkError::Refused {
            what: self.what(path),
            answer: format!("{}{advice}", answer.says()),
        })
    }

    fn what(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap_or_default();
        format!("Consul at {}, {path},", self.place())
    }
}

/// One word of a path or a query.
pub(super) fn word(text: &str) -> String {
    utf8_percent_encode(text, WORD).to_string()
}

/// Several words of a path.
pub(super) fn words(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// The query of a request, as far as there is a datacentre to name.
pub(super) fn in_datacenter(datacenter: Option<&str>) -> String {
    datacenter.map_or_else(String::new, |datacenter| format!("&dc={}", word(datacenter)))
}
