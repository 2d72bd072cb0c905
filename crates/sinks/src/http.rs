//! One HTTP request at a time, over a connection of its own, with an end to everything: connecting, answering, and the answer's length.
//!
//! There is no pool (a sink speaks a few times a minute), no redirect is followed (it would carry a token to another host), and no
//! proxy is taken from the environment. So little is left of a client that hyper's own, which comes with our server, is enough.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

mod base;
mod sign;

pub use base::Base;
pub use sign::{IDEMPOTENCY_KEY, SIGNATURE, TIMESTAMP, seconds, signature};

/// Of the whole time a request has, so much may be spent on the connection, each address of the name having its part.
const CONNECT_PART: u32 = 2;
/// A refusal's text is cut here.
const REASON: usize = 300;

/// Sends requests.
#[derive(Clone)]
pub struct Http {
    tls: TlsConnector,
    deadline: Duration,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// Shown with our own words for it: the server's phrase is not kept.
    pub status: StatusCode,
    /// `Retry-After`, as it came: seconds, or a date.
    pub retry_after: Option<HeaderValue>,
    /// What it says.
    pub body: Bytes,
}

/// Why nothing was answered. Never names the URL: what it is about does, without its secrets.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing, or not all, within the deadline.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// No address of the name took a connection.
    #[error("no connection to {to}")]
    Connect {
        /// Host and port.
        to: String,
        /// What the last one said.
        #[source]
        source: std::io::Error,
    },
    /// A connection, but not to whom it should be.
    #[error("no TLS with {to}")]
    Tls {
        /// Host and port.
        to: String,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// The connection ended within the exchange.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The answer's head came, its body did not.
    #[error("the answer is cut off, or longer than {limit} bytes")]
    Body {
        /// How much is read at most.
        limit: usize,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// Not a URL that can be asked. The text does not repeat it, since it may hold a password.
    #[error("{what} is no http:// or https:// address: {problem}")]
    Address {
        /// Which one.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// The authority's file cannot be used.
    #[error("certificate authority {file}: {problem}")]
    Authority {
        /// Where it is.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A token or a password that no header can carry.
    #[error("{what} holds characters that no HTTP header may have")]
    Header {
        /// Which one.
        what: &'static str,
    },
}

impl Http {
    /// Each request ends within `deadline`. Trusts `ca`, or the system's authorities.
    pub fn new(ca: Option<&Path>, deadline: Duration) -> Result<Self, HttpSetupError> {
        let roots = match ca {
            Some(file) => authority(file)?,
            None => system_roots(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|problem| HttpSetupError::Authority {
                file: "of the system".to_owned(),
                problem: problem.to_string(),
            })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            deadline,
        })
    }

    /// Within which each request ends.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Sends a request to `base`'s host; the answer may be `limit` bytes long.
    pub async fn send(
        &self,
        base: &Base,
        mut request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Answer, HttpError> {
        let headers = request.headers_mut();
        headers.insert(HOST, base.host_header());
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("redis-zk/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(basic) = base.basic() {
            headers.insert(AUTHORIZATION, basic);
        }
        let exchange = async {
            let stream = connect(base, self.deadline / CONNECT_PART).await?;
            if base.tls() {
                let failed = |source| HttpError::Tls {
                    to: base.place(),
                    source,
                };
                let name = ServerName::try_from(base.host().to_owned())
                    .map_err(|e| failed(std::io::Error::other(e)))?;
                let stream = self.tls.connect(name, stream).await.map_err(failed)?;
                exchange(stream, request, limit).await
            } else {
                exchange(stream, request, limit).await
            }
        };
        tokio::time::timeout(self.deadline, exchange)
            .await
            .unwrap_or(Err(HttpError::Late(self.deadline)))
    }
}

impl Answer {
    /// What it says, in one line.
    pub fn says(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let words: Vec<&str> = text.split_whitespace().collect();
        let text: String = words
            .join(" ")
            .chars()
            .filter(|sign| !sign.is_control())
            .take(REASON)
            .collect();
        let status = self.status;
        if text.is_empty() {
            status.to_string()
        } else {
            format!("{status}: {text}")
        }
    }
}

async fn connect(base: &Base, within: Duration) -> Result<TcpStream, HttpError> {
    let failed = |source| HttpError::Connect {
        to: base.place(),
        source,
    };
    let addresses: Vec<_> = tokio::net::lookup_host((base.host(), base.port()))
        .await
        .map_err(failed)?
        .collect();
    let mut last = std::io::Error::other("the name has no address");
    let each = within / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    for address in addresses {
        match tokio::time::timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one small write.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed(last))
}

/// Sends the request and reads the answer, driving the connection in this very future: it ends with it.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, limit: usize) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(HttpError::Broken)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(HttpError::Broken)?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).cloned();
        let body = Limited::new(answer.into_body(), limit)
            .collect()
            .await
            .map_err(|source| HttpError::Body { limit, source })?
            .to_bytes();
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    };
    let (mut answer, mut connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
    let mut open = true;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            // It may end before the last of its answer is read; what broke is said there too.
            _ = &mut connection, if open => open = false,
        }
    }
}

fn authority(file: &Path) -> Result<RootCertStore, HttpSetupError> {
    let unusable = |problem: String| HttpSetupError::Authority {
        file: file.display().to_string(),
        problem,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| unusable(e.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
        roots.add(certificate).map_err(|e| unusable(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it holds no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Where there are none, the handshake says so, and plain http needs none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// An error with its causes.
pub fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
