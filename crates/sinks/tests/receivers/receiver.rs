//! A webhook's receiver, with its moods.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Mood {
    /// Answers this.
    Answer(u16),
    /// Refuses one group.
    Refuse(&'static str),
    Redirect(String),
    /// Never answers.
    Hang,
    /// Breaks the connection.
    Drop,
    /// Begins an answer that has no end.
    Endless,
}

#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Taken {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(seen, _)| seen == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Clone)]
struct Shared {
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<Vec<Taken>>>,
}

pub(crate) struct Receiver {
    shared: Shared,
    port: u16,
    _server: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_at(0).await
    }

    pub(crate) async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared {
            mood: Arc::new(Mutex::new(Mood::Answer(200))),
            taken: Arc::default(),
        };
        let app = Router::new().fallback(take).with_state(shared.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            shared,
            port,
            _server: server,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// All that it was ever sent.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }
}

async fn take(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let headers = headers.iter();
    shared.taken.lock().unwrap().push(Taken {
        method: method.to_string(),
        path: uri.to_string(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: body.clone(),
    });
    let mood = shared.mood.lock().unwrap().clone();
    let answer = |code: u16| Response::builder().status(StatusCode::from_u16(code).unwrap());
    let reason = || Body::from("the receiver's\n reason\n");
    match mood {
        Mood::Answer(code) => answer(code).body(reason()).unwrap(),
        Mood::Refuse(name) if body.contains(&format!("\"name\":\"{name}\"")) => {
            answer(410).body(reason()).unwrap()
        }
        Mood::Refuse(_) => answer(200).body(Body::empty()).unwrap(),
        Mood::Redirect(to) => answer(307).header("location", to).body(Body::empty()).unwrap(),
        Mood::Hang => std::future::pending().await,
        Mood::Drop => {
            let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("broken"))]);
            answer(200)
                .header("content-length", "10")
                .body(Body::from_stream(broken))
                .unwrap()
        }
        Mood::Endless => {
            let more =
                futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 4096])));
            answer(200).body(Body::from_stream(more)).unwrap()
        }
    }
}
