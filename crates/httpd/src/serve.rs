//! Answering, until told to stop; then draining for a second.
//!
//! hyper is driven directly: axum's own `serve` waits for ever for a client that does not finish its header or does not
//! end its stream.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::Listener;

/// How many clients are answered at a time; more wait unaccepted.
pub const CONNECTIONS: usize = 256;
/// How long a client may take over its header, and a handler over its answer's beginning.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// How long clients may take to read what they asked for once the program ends.
pub const DRAIN: Duration = Duration::from_secs(1);

/// The largest body; the page is read-only, so nobody needs one.
const BODY: usize = 64 * 1024;
/// The largest header, with its line.
const HEADER: usize = 16 * 1024;
/// How long a client may leave our bytes unacknowledged before its connection is closed.
const UNREAD: Duration = Duration::from_secs(20);
/// How long to wait when the machine has no room for a connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// How long a patient handler may take: see [`Pages::patient`].
pub const PATIENCE: Duration = Duration::from_secs(65);

/// What is answered: pages that know their answer, and such as wait for something to happen first.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    quick: Router,
    patient: Router,
}

impl Pages {
    /// Adds pages whose handlers may take [`PATIENCE`] instead of [`REQUEST_DEADLINE`]. Each of them must bound how many clients wait:
    /// a client that waits takes one of the [`CONNECTIONS`].
    #[must_use]
    pub fn patient(mut self, router: Router) -> Self {
        self.patient = self.patient.merge(router);
        self
    }
}

impl From<Router> for Pages {
    fn from(quick: Router) -> Self {
        Self {
            quick,
            patient: Router::new(),
        }
    }
}

/// Answers requests until `stop`, then closes the port and lets running answers end for at most [`DRAIN`].
///
/// An answer that streams (server-sent events) may last longer than [`REQUEST_DEADLINE`]; it ends with the drain.
pub async fn serve(listener: Listener, pages: impl Into<Pages>, stop: CancellationToken) {
    let pages = pages.into();
    let within = |deadline| from_fn(move |request: Request, next: Next| in_time(deadline, request, next));
    let router = pages
        .quick
        .layer(within(REQUEST_DEADLINE))
        .merge(pages.patient.layer(within(PATIENCE)))
        .layer(DefaultBodyLimit::max(BODY));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => log_panic(ended),
            accepted = listener.socket.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, router.clone(), stop.clone()));
                }
                Err(reason) => after_refused_accept(&reason).await,
            },
        }
    }
    drop(listener);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::debug!(connections = connections.len(), "clients cut off");
        connections.shutdown().await;
    }
}

async fn converse(stream: TcpStream, router: Router, stop: CancellationToken) {
    bound(&stream);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(REQUEST_DEADLINE)
        .max_buf_size(HEADER)
        .max_headers(64);
    let conversation = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut conversation = std::pin::pin!(conversation);
    let ended = tokio::select! {
        ended = conversation.as_mut() => ended,
        () = stop.cancelled() => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(reason) = ended {
        // Clients come and go as they like; it is nothing to tell an operator.
        tracing::trace!(%reason, "a client's connection failed");
    }
}

/// A client that vanished or does not read is let go by the kernel. Where it will not, the other bounds still hold.
fn bound(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_keepalive(true);
    let _ = socket.set_tcp_user_timeout(Some(UNREAD));
}

async fn in_time(deadline: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "no answer in time\n").into_response(),
    }
}

async fn after_refused_accept(reason: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // The client gave up while it waited; the next one may be fine.
    if !matches!(reason.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::debug!(%reason, "no connection can be accepted");
        tokio::time::sleep(NO_ROOM).await;
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(failed) = ended
        && failed.is_panic()
    {
        tracing::error!(reason = %failed, "an answer panicked; its connection was closed");
    }
}
