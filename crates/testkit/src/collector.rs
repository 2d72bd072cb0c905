//! Somebody who collects what is POSTed, and may be away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// An HTTP server that keeps the JSON it gets. It ends with this.
#[derive(Debug)]
pub struct Collector {
    shared: Arc<Shared>,
    port: u16,
    _server: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    got: Mutex<Vec<(String, Value)>>,
    away: AtomicBool,
    slow: AtomicU64,
}

impl Collector {
    /// Listens on a port of its own.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let router = Router::new().fallback(collect).with_state(shared.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            shared,
            port,
            _server: server,
        }
    }

    /// Where to POST.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.port)
    }

    /// Refuses everything (503) from now on, or takes it again.
    pub fn set_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::SeqCst);
    }

    /// Keeps what it gets, and answers so much later.
    pub fn set_slow(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.shared.slow.store(ms, Ordering::SeqCst);
    }

    /// What it took, in order.
    pub fn got(&self) -> Vec<Value> {
        self.lock().iter().map(|(_, body)| body.clone()).collect()
    }

    /// How often each `Idempotency-Key` came.
    pub fn keys(&self) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for (key, _) in self.lock().iter() {
            *keys.entry(key.clone()).or_default() += 1;
        }
        keys
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Value)>> {
        self.shared.got.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn collect(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if shared.away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let key = headers
        .get("idempotency-key")
        .map(|value| value.to_str().unwrap_or_default());
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    shared
        .got
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((key.unwrap_or_default().to_owned(), body));
    tokio::time::sleep(Duration::from_millis(shared.slow.load(Ordering::SeqCst))).await;
    StatusCode::OK
}
