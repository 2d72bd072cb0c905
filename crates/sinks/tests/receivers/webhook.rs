//! Webhooks to a server of the test's own: what it is sent, what it may do, and what it has in the end.

use std::process::Command;
use std::time::{Duration, Instant};

use sinks::{Gate, Secret, Step, Terms, WebhookSink};
use testkit::{Need, eventually, require};

use crate::bench::{Bench, PATIENCE, TERMS};
use crate::receiver::{Mood, Receiver};
use crate::tls::Authority;

const DEADLINE: Duration = Duration::from_secs(1);

fn sink(receiver: &Receiver) -> WebhookSink {
    WebhookSink::new(
        &receiver.url("/hook?key=k3y"),
        Some(Secret::new("s3cr3t")),
        DEADLINE,
    )
    .unwrap()
}

/// As a receiver would in any language.
fn hmac(text: &str) -> String {
    let script = "import hmac,sys; print(hmac.new(b's3cr3t', sys.argv[1].encode(), 'sha256').hexdigest())";
    let output = Command::new("python3")
        .args(["-c", script, text])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn each_master_is_posted_once_signed_and_a_stale_one_never() {
    let receiver = Receiver::start().await;
    let mut bench = Bench::new();
    let mut kept = bench.keep("webhook", sink(&receiver), TERMS);
    bench.move_to("sessions", 3, "10.0.0.1:6379");
    kept.in_step("sessions", 3).await;
    bench.refused("sessions", 2, "10.0.0.9:6379");
    bench.replicas("sessions", 3, "10.0.0.1:6379", &["10.0.0.2:6379"]);
    bench.move_to("sessions", 4, "10.0.0.2:6379");
    kept.in_step("sessions", 4).await;
    let posts = receiver.taken();
    assert_eq!(posts.len(), 2, "{posts:#?}");
    for (post, epoch) in posts.iter().zip([3, 4]) {
        assert_eq!(
            (post.method.as_str(), post.path.as_str()),
            ("POST", "/hook?key=k3y")
        );
        assert_eq!(post.header("content-type"), "application/json");
        assert!(post.header("user-agent").starts_with("redis-zk/"), "{post:?}");
        assert_eq!(post.header("idempotency-key"), format!("sessions-{epoch}"));
        let signed = format!("{}.{}", post.header("x-redis-zk-timestamp"), post.body);
        assert_eq!(
            post.header("x-redis-zk-signature"),
            format!("sha256={}", hmac(&signed))
        );
        assert_eq!(post.json()["epoch"], epoch);
    }
    let second = posts[1].json();
    assert_eq!(
        second["previous"],
        serde_json::json!({"host": "10.0.0.1", "port": 6379})
    );
    assert_eq!(second["since"], "2023-11-14T22:13:20.000Z");
    assert!(posts[0].json().get("previous").is_none());
}

#[tokio::test]
async fn a_receiver_that_fails_in_every_way_ends_right_and_holds_up_nobody() {
    let (poor, good) = (Receiver::start().await, Receiver::start().await);
    let mut bench = Bench::new();
    let mut poor_kept = bench.keep("poor", sink(&poor), TERMS);
    let mut good_kept = bench.keep("good", sink(&good), TERMS);
    let mut epoch = 0;
    for (mood, reason) in [
        (Mood::Hang, "no answer within 1000 ms"),
        (Mood::Answer(500), "it answered 500 Internal Server Error"),
        (Mood::Answer(429), "it answered 429"),
        (Mood::Drop, "the connection broke"),
        (Mood::Endless, "longer than"),
    ] {
        poor.set(mood);
        // As many changes as an hour has.
        for port in 7000..7040 {
            epoch += 1;
            bench.move_to("sessions", epoch, &format!("10.0.0.1:{port}"));
            bench.refused("sessions", epoch - 1, "10.0.0.9:6379");
        }
        let begun = Instant::now();
        let told = good_kept.in_step("sessions", epoch).await;
        assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
        assert!(told.last_took.unwrap() < DEADLINE, "{told:?}");
        poor_kept.behind(reason).await;
    }
    let before = poor.taken().len();
    poor.set(Mood::Answer(204));
    let standing = poor_kept.in_step("sessions", epoch).await;
    assert_eq!(standing.moves, 1, "{standing:?}");
    let taken = poor.taken();
    assert_eq!(taken.len(), before + 1, "told the last once");
    assert_eq!(taken.last().unwrap().json()["epoch"], epoch);
    // Nothing old after something new, whatever happened in between.
    let epochs: Vec<u64> = taken
        .iter()
        .map(|post| post.json()["epoch"].as_u64().unwrap())
        .collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
}

#[tokio::test]
async fn a_refused_group_waits_while_others_are_told() {
    let receiver = Receiver::start().await;
    receiver.set(Mood::Refuse("sessions"));
    let mut bench = Bench::new();
    let mut kept = bench.keep("webhook", sink(&receiver), TERMS);
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    let reason = kept.behind("410 Gone").await;
    assert!(reason.starts_with("webhook:http://127.0.0.1:"), "{reason}");
    assert!(reason.contains("for sessions refused: 410 Gone"), "{reason}");
    assert!(!reason.contains("the receiver's reason"), "{reason}");
    assert!(!reason.contains("k3y") && !reason.contains("s3cr3t"), "{reason}");
    bench.move_to("carts", 7, "10.0.0.1:6380");
    let carts = "carts".parse().unwrap();
    kept.until("carts told", |standing| standing.confirmed.contains_key(&carts))
        .await;
    // Many more looks, and no further POST of what was refused.
    let failures = kept.now().failures;
    for port in 7000_u16..7010 {
        bench.move_to("carts", u64::from(port), &format!("10.0.0.1:{port}"));
        let told = |standing: &sinks::Standing| {
            standing
                .confirmed
                .get(&carts)
                .is_some_and(|epoch| epoch.0 == u64::from(port))
        };
        kept.until("carts told", told).await;
        let replica = format!("10.0.0.3:{port}");
        bench.replicas("sessions", 1, "10.0.0.1:6379", &[&replica]);
    }
    let standing = kept.now();
    assert_eq!(standing.failures, failures, "{standing:?}");
    assert!(
        matches!(standing.step, Step::Behind { tries: 1, .. }),
        "{standing:?}"
    );
    let of = |name: &str| {
        receiver
            .taken()
            .iter()
            .filter(|post| post.json()["name"] == name)
            .count()
    };
    assert_eq!((of("sessions"), of("carts")), (1, 11));
    // A new master is another matter.
    receiver.set(Mood::Answer(200));
    bench.move_to("sessions", 2, "10.0.0.2:6379");
    kept.in_step("sessions", 2).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    receiver.set(Mood::Redirect(other.url("/")));
    let mut bench = Bench::new();
    let mut kept = bench.keep("webhook", sink(&receiver), TERMS);
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    kept.behind("307 Temporary Redirect").await;
    assert!(other.taken().is_empty());
}

#[tokio::test]
async fn who_does_not_lead_posts_nothing_and_the_next_leader_tells_the_level() {
    let receiver = Receiver::start().await;
    let mut bench = Bench::new();
    bench.gate.send_replace(Gate::Shut);
    let mut kept = bench.keep("webhook", sink(&receiver), TERMS);
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    kept.until("standby", |standing| standing.step == Step::Standby)
        .await;
    bench.move_to("sessions", 2, "10.0.0.2:6379");
    assert!(receiver.taken().is_empty());
    bench.gate.send_replace(Gate::Open);
    kept.in_step("sessions", 2).await;
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_down_is_told_when_it_is_up() {
    let port = testkit::ports::free();
    let url = format!("http://127.0.0.1:{port}/");
    let mut bench = Bench::new();
    let mut kept = bench.keep("webhook", WebhookSink::new(&url, None, DEADLINE).unwrap(), TERMS);
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    kept.behind("no connection to 127.0.0.1").await;
    let receiver = Receiver::start_at(port).await;
    kept.in_step("sessions", 1).await;
    let posts = receiver.taken();
    assert!(
        posts[0]
            .headers
            .iter()
            .all(|(name, _)| name != "x-redis-zk-signature")
    );
}

#[tokio::test]
async fn tls_trusts_the_authority_it_was_given_and_no_other() {
    if !require(&[Need::Openssl]) {
        return;
    }
    let authority = Authority::make();
    let receiver = Receiver::start().await;
    let port = authority.in_front_of(receiver.port()).await;
    let url = format!("https://127.0.0.1:{port}/hook");
    let mut bench = Bench::new();
    let trusting = WebhookSink::new(&url, None, DEADLINE * 4)
        .unwrap()
        .trusting(&authority.file())
        .unwrap();
    let terms = Terms {
        deadline: PATIENCE,
        ..TERMS
    };
    let mut kept = bench.keep("trusting", trusting, terms);
    let mut doubting = bench.keep(
        "doubting",
        WebhookSink::new(&url, None, DEADLINE * 4).unwrap(),
        terms,
    );
    bench.move_to("sessions", 1, "10.0.0.1:6379");
    kept.in_step("sessions", 1).await;
    doubting.behind("no TLS with 127.0.0.1").await;
    eventually("one POST", PATIENCE, async || receiver.taken().len() == 1).await;
}
