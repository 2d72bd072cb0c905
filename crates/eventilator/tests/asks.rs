//! The question to the Sentinel that calls, over TLS: without an answer no event has an epoch, and so no identity that hosts agree on.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::{Collector, Need, Redis, Relay, Sentinel, eventually, ports, require};

const DEADLINE: Duration = Duration::from_secs(30);

/// A certificate for 127.0.0.1 that is its own authority, and another that is nobody's.
fn certificates(dir: &Path) {
    for name in ["node", "stranger"] {
        let (key, cert) = (format!("{name}.key"), format!("{name}.crt"));
        let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=node \
                     -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
        let made = Command::new("openssl")
            .args(words.split(' ').filter(|word| !word.is_empty()))
            .args(["-keyout", &key, "-out", &cert])
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_that_speaks_tls_is_asked_for_the_epoch() {
    if !require(&[Need::Openssl, Need::Sentinel]) {
        return;
    }
    let certs = tempfile::tempdir().unwrap();
    certificates(certs.path());
    let (dir, port) = (certs.path().display(), ports::free());
    let master = Redis::start().await;
    let sentinel = Sentinel::builder()
        .monitor("m1", master.addr(), 1)
        .down_after(Duration::from_secs(30))
        .line(&format!("tls-port {port}"))
        .line(&format!("tls-cert-file {dir}/node.crt"))
        .line(&format!("tls-key-file {dir}/node.key"))
        .line(&format!("tls-ca-cert-file {dir}/node.crt"))
        .line("tls-auth-clients yes")
        .start()
        .await;
    let id = sentinel.command(&["SENTINEL", "MYID"]).await.unwrap();
    let id = testkit::text(&id);
    let told = async |ca: &str, pair: Option<&str>| {
        let collector = Collector::start().await;
        let file = |name: &str| certs.path().join(name).display().to_string();
        let mut relay = Relay::new()
            .env("EVENTILATOR_HTTP_URL", collector.url())
            .env("EVENTILATOR_SENTINEL_PORT", port.to_string())
            .env("EVENTILATOR_SENTINEL_CA", file(ca));
        if let Some(pair) = pair {
            relay = relay
                .env("EVENTILATOR_SENTINEL_CERT", file(&format!("{pair}.crt")))
                .env("EVENTILATOR_SENTINEL_KEY", file(&format!("{pair}.key")));
        }
        let text = format!("master m1 127.0.0.1 {}", master.port());
        let output = relay.call("eventilator", &["+odown", &text]);
        assert_eq!(output.status.code(), Some(0), "{}", relay.log());
        eventually("the event to arrive", DEADLINE, async || {
            collector.got().first().cloned()
        })
        .await["sentinel"]
            .as_str()
            .map(|said| (said.to_owned(), relay.log()))
            .unwrap()
    };
    // A busy machine may need more than one go: a call waits for no answer longer than 250 ms.
    let began = Instant::now();
    while told("node.crt", Some("node")).await.0 != id {
        assert!(began.elapsed() < DEADLINE, "never told by {id}");
    }
    // Whoever cannot be believed is not; and the event is told all the same.
    let addr = format!("127.0.0.1:{port}");
    for (ca, pair, log) in [
        ("stranger.crt", Some("node"), ""),
        ("node.crt", None, ""),
        (
            "nowhere.crt",
            None,
            "nowhere.crt is no usable certificate authority",
        ),
    ] {
        let (said, logged) = told(ca, pair).await;
        assert!(said.ends_with(&format!("/{addr}")), "{ca} {pair:?}: {said}");
        assert!(logged.contains(log), "{ca} {pair:?}: {logged}");
    }
}
