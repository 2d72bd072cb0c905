//! Consul's HTTP API, as published, in this process: where no Consul can be had, its clients are still held to what its documentation
//! says.
//!
//! Written from <https://developer.hashicorp.com/consul/api-docs>, for the routes that the suite uses. It is stricter than Consul: what the
//! documentation does not know (a route, a parameter, a field, a type) is answered with 400, and [`PublishedConsulApi::wrongs`] tells of
//! it. It checks no health and has no anti-entropy. [`Consul`] is the real one, where it is installed.

mod real;
mod schema;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use self::real::Consul;
use self::store::{Said, Store};

/// What the server does with every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsulMood {
    /// What is documented.
    Well,
    /// Never answers.
    Hang,
    /// Answers this status, with a reason.
    Answer(u16),
}

/// A request that it got.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsulRequest {
    /// Its method.
    pub method: String,
    /// Its path, with the query.
    pub path: String,
    /// Its body, when it is JSON.
    pub body: Value,
    /// The status it was answered with; 0 when it was not.
    pub status: u16,
}

/// A server that speaks Consul's published API. It ends with this.
#[derive(Debug)]
pub struct PublishedConsulApi {
    shared: Shared,
    port: u16,
    server: JoinSet<()>,
}

#[derive(Debug, Clone)]
struct Shared {
    state: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    token: Option<String>,
    mood: ConsulMood,
    requests: Vec<ConsulRequest>,
    wrongs: Vec<String>,
}

impl PublishedConsulApi {
    /// Starts it; with a token, whoever does not show it is denied.
    pub async fn start(token: Option<&str>) -> Self {
        let shared = Shared {
            state: Arc::new(Mutex::new(Inner {
                store: Store::default(),
                token: token.map(str::to_owned),
                mood: ConsulMood::Well,
                requests: Vec::new(),
                wrongs: Vec::new(),
            })),
        };
        let mut made = Self {
            shared,
            port: 0,
            server: JoinSet::new(),
        };
        made.up().await;
        made
    }

    /// Where it is.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it does from now on.
    pub fn set(&self, mood: ConsulMood) {
        self.shared.lock().mood = mood;
    }

    /// Takes it away: nobody listens, and what was connected is cut.
    pub async fn down(&mut self) {
        self.server.shutdown().await;
    }

    /// Brings it up, where it was, with what it had.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port))
            .await
            .expect("its port");
        self.port = listener.local_addr().expect("a bound socket").port();
        let app = Router::new().fallback(answer).with_state(self.shared.clone());
        self.server.spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
    }

    /// All that it was ever asked.
    pub fn requests(&self) -> Vec<ConsulRequest> {
        self.shared.lock().requests.clone()
    }

    /// How often it was written to.
    pub fn writes(&self) -> usize {
        let requests = self.requests();
        requests.iter().filter(|request| request.method == "PUT").count()
    }

    /// What it was asked against the documentation.
    pub fn wrongs(&self) -> Vec<String> {
        self.shared.lock().wrongs.clone()
    }

    /// Loses all that it has, as an agent without a disk does that is started anew.
    pub fn forget(&self) {
        self.shared.lock().store = Store::default();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let mood = shared.lock().mood;
    let (status, text) = match mood {
        ConsulMood::Hang => {
            shared.lock().note(&method, &uri, &body, 0);
            std::future::pending().await
        }
        ConsulMood::Answer(status) => (status, "rpc error: No cluster leader".to_owned()),
        ConsulMood::Well => shared.lock().ask(&method, &uri, &headers, &body),
    };
    shared.lock().note(&method, &uri, &body, status);
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(text))
        .expect("a response")
}

impl Inner {
    fn ask(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> (u16, String) {
        if let Some(token) = &self.token
            && headers
                .get("x-consul-token")
                .map(axum::http::HeaderValue::as_bytes)
                != Some(token.as_bytes())
        {
            return (403, "Permission denied: token is missing or unknown".to_owned());
        }
        match self.store.ask(method, uri, body) {
            Said::Json(value) => (200, value.to_string()),
            Said::Nothing => (200, String::new()),
            Said::NotFound => (404, String::new()),
            Said::Wrong(why) => {
                self.wrongs.push(format!("{method} {uri}: {why}"));
                (400, why)
            }
        }
    }

    fn note(&mut self, method: &Method, uri: &Uri, body: &[u8], status: u16) {
        self.requests.push(ConsulRequest {
            method: method.to_string(),
            path: uri.to_string(),
            body: serde_json::from_slice(body).unwrap_or_default(),
            status,
        });
    }
}
