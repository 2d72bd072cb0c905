//! The page over real sockets, spoken to byte by byte: no client library would behave this badly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use httpd::{CONNECTIONS, Health, HttpError, Readiness};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);

struct Page {
    addr: SocketAddr,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Page {
    fn start(router: impl Into<httpd::Pages> + Send + 'static) -> Self {
        let listener = httpd::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let (addr, stop) = (listener.local_addr(), CancellationToken::new());
        let mut serving = JoinSet::new();
        serving.spawn(httpd::serve(listener, router, stop.clone()));
        Self { addr, stop, serving }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        ask(&mut self.client().await, &request(path)).await
    }

    /// Stops and says how long it took.
    async fn stopped(mut self) -> Duration {
        let asked = Instant::now();
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.serving.join_next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        asked.elapsed()
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

async fn ask(client: &mut TcpStream, request: &str) -> String {
    client.write_all(request.as_bytes()).await.unwrap();
    read_to_end(client).await
}

async fn read_to_end(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    let _ = tokio::time::timeout(PATIENCE, client.read_to_end(&mut answer))
        .await
        .expect("no end of the answer");
    String::from_utf8(answer).unwrap()
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn health_and_readiness_tell_what_the_channels_say() {
    let (health, seen) = watch::channel(Health::Alive {
        reason: "redis answers".to_owned(),
    });
    let (readiness, use_seen) = watch::channel(Readiness::NotReady {
        reason: "loading \"dump\"".to_owned(),
    });
    let router = Router::new()
        .route("/healthz", httpd::healthz(seen))
        .route("/ready", httpd::ready(use_seen));
    let page = Page::start(router);

    let answer = page.get("/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("content-type: application/json"), "{answer}");
    assert!(
        answer.ends_with(r#"{"status":"alive","reason":"redis answers"}"#),
        "{answer}"
    );
    let answer = page.get("/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.ends_with(r#"{"status":"not ready","reason":"loading \"dump\""}"#),
        "{answer}"
    );

    health.send_replace(Health::Failing {
        reason: "redis hangs".to_owned(),
    });
    readiness.send_replace(Readiness::Ready {
        reason: "master".to_owned(),
    });
    let answer = page.get("/healthz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with(r#""reason":"redis hangs"}"#),
        "{answer}"
    );
    let answer = page.get("/ready").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""reason":"master""#),
        "{answer}"
    );

    // Whoever knew is gone: the last word does not count any more.
    drop(readiness);
    health.send_replace(Health::Alive {
        reason: "fine".to_owned(),
    });
    drop(health);
    for path in ["/healthz", "/ready"] {
        let answer = page.get(path).await;
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.contains("has ended"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    let mut registry = Registry::default();
    let publications = Counter::<u64>::default();
    registry.register("publications", "masters published", publications.clone());
    publications.inc();
    let page = Page::start(Router::new().route("/metrics", httpd::metrics(Arc::new(registry))));
    let answer = page.get("/metrics").await;
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{answer}"
    );
    assert!(
        answer.contains("publications_total 1\n") && answer.ends_with("# EOF\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn slow_clients_do_not_hold_up_others_and_are_let_go() {
    let page = Page::start(hello());
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut client = page.client().await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: te").await.unwrap();
        slow.push(client);
    }
    let asked = Instant::now();
    assert!(page.get("/").await.ends_with("hello"));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    for client in &mut slow {
        read_to_end(client).await;
    }
    assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn silent_and_idle_connections_are_let_go() {
    let page = Page::start(hello());
    let mut silent = page.client().await;
    let mut idle = page.client().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    let begun = Instant::now();
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(read_to_end(&mut idle).await.ends_with("hello"));
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn more_clients_than_the_cap_wait_and_are_answered_in_the_end() {
    let page = Page::start(hello());
    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = page.client().await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        crowd.push(client);
    }
    // The crowd holds every place until its deadline, or until one leaves.
    let mut late = page.client().await;
    late.write_all(request("/").as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(500), late.read_u8()).await;
    assert!(early.is_err(), "the cap did not hold");
    drop(crowd);
    assert!(read_to_end(&mut late).await.ends_with("hello"));
}

#[tokio::test]
async fn requests_that_are_too_large_or_strange_are_refused() {
    let page = Page::start(hello().route("/echo", post(async |body: Bytes| body.len().to_string())));
    let body = "x".repeat(65 * 1024);
    let large = format!(
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let many = format!("GET / HTTP/1.1\r\nHost: test\r\n{}\r\n", "A: b\r\n".repeat(100));
    let long = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nA: {}\r\n\r\n",
        "b".repeat(64 * 1024)
    );
    let table = [
        (large.as_str(), "HTTP/1.1 413 "),
        (many.as_str(), "HTTP/1.1 431 "),
        (long.as_str(), "HTTP/1.1 431 "),
        ("\x16\x03\x01 hello\r\n\r\n", "HTTP/1.1 400 "),
        (
            "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 405 ",
        ),
        (
            "GET /none HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 404 ",
        ),
        (
            "HEAD / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 ",
        ),
    ];
    for (request, code) in table {
        let mut client = page.client().await;
        // The server may close before it has read all of a request it refuses.
        let _ = client.write_all(request.as_bytes()).await;
        let mut start = [0; 13];
        tokio::time::timeout(PATIENCE, client.read_exact(&mut start))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&start),
            code,
            "{}",
            &request[..request.len().min(60)]
        );
    }
    assert!(page.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn a_handler_that_hangs_is_answered_for() {
    let page = Page::start(Router::new().route("/", get(async || std::future::pending::<&str>().await)));
    let asked = Instant::now();
    let answer = page.get("/").await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("no answer in time"),
        "{answer}"
    );
    assert!(asked.elapsed() >= Duration::from_secs(5), "{:?}", asked.elapsed());
}

/// Who waits for something to happen is not answered for, while the others still are.
#[tokio::test]
async fn a_patient_handler_may_take_longer_than_the_others() {
    let (wait, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, happened) = (Arc::clone(&wait), Arc::clone(&go));
    let patient = get(async move || {
        seen.notify_one();
        happened.notified().await;
        "it happened"
    });
    let hanging = Router::new().route("/", get(async || std::future::pending::<&str>().await));
    let page = Page::start(httpd::Pages::from(hanging).patient(Router::new().route("/wait", patient)));
    let mut waiting = page.client().await;
    waiting.write_all(request("/wait").as_bytes()).await.unwrap();
    wait.notified().await;
    // This takes the whole deadline, so the other one has waited for longer.
    assert!(page.get("/").await.contains("no answer in time"));
    go.notify_one();
    assert!(read_to_end(&mut waiting).await.ends_with("it happened"));
}

#[tokio::test]
async fn a_handler_that_panics_costs_one_connection() {
    let panicking = get(async || -> &'static str { panic!("a broken handler") });
    let page = Page::start(hello().route("/broken", panicking));
    assert_eq!(page.get("/broken").await, "");
    assert!(page.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn a_stop_lets_running_answers_end() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, wait) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = get(async move || {
        seen.notify_one();
        wait.notified().await;
        "finished"
    });
    let page = Page::start(Router::new().route("/", slow));
    let mut client = page.client().await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    begun.notified().await;
    page.stop.cancel();
    // The port is given back at once, while the answer is still being made.
    let deadline = Instant::now() + PATIENCE;
    while httpd::bind(page.addr).is_err() {
        assert!(Instant::now() < deadline, "the port is still taken");
        tokio::task::yield_now().await;
    }
    go.notify_one();
    assert!(read_to_end(&mut client).await.ends_with("finished"));
    assert!(page.stopped().await < Duration::from_secs(1));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_clients_that_do_not_end() {
    let page = Page::start(Router::new().route("/", get(async || std::future::pending::<&str>().await)));
    let mut hanging = page.client().await;
    hanging
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    let mut slow = page.client().await;
    slow.write_all(b"GET / HT").await.unwrap();
    let mut idle = page.client().await;
    // The three are accepted once a fourth was answered.
    assert!(page.get("/none").await.contains("404"));
    let took = page.stopped().await;
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_millis(2500),
        "{took:?}"
    );
    for client in [&mut hanging, &mut slow, &mut idle] {
        assert_eq!(read_to_end(client).await, "");
    }
}

#[tokio::test]
async fn an_idle_page_stops_at_once() {
    let page = Page::start(hello());
    assert!(page.get("/").await.ends_with("hello"));
    assert!(page.stopped().await < Duration::from_millis(500));
}

#[tokio::test]
async fn errors_of_binding_name_the_address() {
    let taken = httpd::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let error = httpd::bind(taken.local_addr()).unwrap_err();
    assert!(matches!(error, HttpError::InUse { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&taken.local_addr().to_string()),
        "{error}"
    );
    // On every address at once: still somebody else's.
    let error = httpd::bind_wildcard(taken.local_addr().port()).unwrap_err();
    assert!(matches!(error, HttpError::InUse { .. }), "{error:?}");
    // An address of documentation, nobody's own.
    let error = httpd::bind("192.0.2.1:8080".parse().unwrap()).unwrap_err();
    assert!(matches!(error, HttpError::NotLocal { .. }), "{error:?}");
    assert!(error.to_string().contains("192.0.2.1:8080"), "{error}");
}

#[tokio::test]
async fn the_wildcard_hears_every_family_there_is() {
    let listener = httpd::bind_wildcard(0).unwrap();
    let port = listener.local_addr().port();
    let (stop, mut serving) = (CancellationToken::new(), JoinSet::new());
    serving.spawn(httpd::serve(listener, hello(), stop.clone()));
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    assert!(ask(&mut client, &request("/")).await.ends_with("hello"));
    match TcpStream::connect(("::1", port)).await {
        Ok(mut client) => assert!(ask(&mut client, &request("/")).await.ends_with("hello")),
        Err(_) => eprintln!("SKIPPED half: this machine has no IPv6 loopback"),
    }
    stop.cancel();
}
