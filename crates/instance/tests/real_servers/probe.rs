//! One look at servers in every state, on real ones.

use std::time::Duration;

use crate::common::{PATIENCE, assert_hides, credentials, dialer, nobody, promptly, settings};
use instance::{Dialer, InstanceError, Probe};
use testkit::eventually;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use topology::Role;

fn denied(probe: Probe) -> String {
    let Probe::Denied(text) = probe else {
        panic!("not denied but {probe:?}")
    };
    text
}

#[tokio::test]
async fn one_that_answers_and_one_where_nobody_listens() {
    let server = testkit::Redis::start().await;
    let Probe::Answered(snapshot) = dialer().probe(server.addr()).await else {
        panic!("no answer")
    };
    assert_eq!(snapshot.replication.role, Role::Master);
    assert_eq!(promptly(dialer().probe(&nobody())).await, Probe::Refused);
    server.kill();
    assert_eq!(promptly(dialer().probe(server.addr())).await, Probe::Refused);
}

#[tokio::test]
async fn a_stopped_one_is_unreachable_and_not_refused() {
    let server = testkit::Redis::start().await;
    server.stop();
    assert_eq!(promptly(dialer().probe(server.addr())).await, Probe::Unreachable);
    server.cont();
    assert!(matches!(dialer().probe(server.addr()).await, Probe::Answered(_)));
}

#[tokio::test]
async fn no_route_and_no_name_are_unreachable() {
    // TCP to a multicast address: the kernel answers "network is unreachable" itself, on every machine.
    let nowhere = "224.0.0.1:6379".parse().unwrap();
    assert_eq!(promptly(dialer().probe(&nowhere)).await, Probe::Unreachable);
    let nameless = "no-such-host.invalid:6379".parse().unwrap();
    assert_eq!(promptly(dialer().probe(&nameless)).await, Probe::Unreachable);
}

#[tokio::test]
async fn one_whose_kernel_takes_no_more_connections_is_unreachable() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    // Nobody accepts; when the queue is full further greetings are dropped, as in a black hole.
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
        waiting.push(stream);
    }
    assert_eq!(promptly(dialer().probe(&addr.into())).await, Probe::Unreachable);
}

#[tokio::test]
async fn one_that_closes_on_us_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().into();
    let closing = async {
        loop {
            drop(listener.accept().await);
        }
    };
    let dialer = dialer();
    let probe = tokio::select! {
        probe = dialer.probe(&addr) => probe,
        () = closing => unreachable!(),
    };
    assert_eq!(probe, Probe::Unreachable);
}

#[tokio::test]
async fn one_that_reads_its_data_set_is_loading() {
    let server = testkit::Redis::builder()
        .line("key-load-delay 2000")
        .line("loading-process-events-interval-bytes 1024")
        .start()
        .await;
    let fill = "for i = 1, 1000 do redis.call('SET', i, string.rep('x', 100)) end";
    server.command(&["EVAL", fill, "0"]).await.unwrap();
    server.command(&["SAVE"]).await.unwrap();
    server.process().respawn();
    eventually("a loading server", PATIENCE, async || {
        let probe = dialer().probe(server.addr()).await;
        (probe == Probe::Loading)
            .then_some(())
            .ok_or(format!("{probe:?}"))
    })
    .await;
    let redis = dialer().redis(server.addr()).await.unwrap();
    let error = redis.ping().await.unwrap_err();
    assert!(matches!(error, InstanceError::Loading { .. }), "{error:?}");
    eventually("the end of loading", PATIENCE, async || {
        matches!(dialer().probe(server.addr()).await, Probe::Answered(_))
    })
    .await;
}

#[tokio::test]
async fn one_held_by_a_script_says_so() {
    let server = testkit::Redis::builder()
        .line("busy-reply-threshold 50")
        .start()
        .await;
    let client = testkit::RedisClient::new(server.addr(), None);
    let busy = async {
        let redis = eventually("a busy server", PATIENCE, async || {
            let redis = dialer().redis(server.addr()).await.ok()?;
            matches!(redis.ping().await, Err(InstanceError::Busy { .. })).then_some(redis)
        })
        .await;
        assert_eq!(dialer().probe(server.addr()).await, Probe::Busy);
        client.command(&["SCRIPT", "KILL"]).await.unwrap();
        redis
    };
    let (redis, _killed) = tokio::join!(busy, server.command(&["EVAL", "while true do end", "0"]));
    eventually("an answer", PATIENCE, async || redis.ping().await).await;
}

#[tokio::test]
async fn passwords_are_carried_and_never_shown() {
    let server = testkit::Redis::builder().password("open-sesame").start().await;
    let with = |credentials| {
        let mut settings = settings();
        settings.redis = credentials;
        Dialer::new(settings).unwrap()
    };
    let right = with(credentials(None, "open-sesame"));
    assert!(matches!(right.probe(server.addr()).await, Probe::Answered(_)));
    assert!(denied(dialer().probe(server.addr()).await).contains("NOAUTH"));

    let wrong = with(credentials(None, "open-barley"));
    let text = denied(wrong.probe(server.addr()).await);
    assert!(
        text.contains("WRONGPASS") && text.contains(&server.addr().to_string()),
        "{text}"
    );
    let error = wrong.redis(server.addr()).await.unwrap_err();
    assert!(matches!(error, InstanceError::Denied { .. }), "{error:?}");
    assert_hides(&error, "barley");
    assert!(!format!("{wrong:?} {:?}", credentials(None, "open-barley")).contains("barley"));

    // A password that the server does not ask for yet is no obstacle.
    let open = testkit::Redis::start().await;
    assert!(matches!(right.probe(open.addr()).await, Probe::Answered(_)));
}

#[tokio::test]
async fn an_acl_user_may_do_what_its_rules_say() {
    let server = testkit::Redis::builder()
        .line("user looker on >hush-hush -@all +info +ping")
        .start()
        .await;
    let mut settings = settings();
    settings.redis = credentials(Some("looker"), "hush-hush");
    let looker = Dialer::new(settings).unwrap();
    assert!(matches!(looker.probe(server.addr()).await, Probe::Answered(_)));
    let redis = looker.redis(server.addr()).await.unwrap();
    let error = redis.promote().await.unwrap_err();
    assert!(
        matches!(&error, InstanceError::Denied { reason, .. } if reason.starts_with("NOPERM")),
        "{error:?}"
    );
    let error = redis.config_set("masterauth", "very-secret").await.unwrap_err();
    assert_hides(&error, "very-secret");
    assert_hides(&error, "hush-hush");
}

#[tokio::test]
async fn a_renamed_command_does_not_give_its_arguments_away() {
    let server = testkit::Redis::builder()
        .line("rename-command CONFIG \"\"")
        .start()
        .await;
    let redis = dialer().redis(server.addr()).await.unwrap();
    let error = redis.config_set("masterauth", "very-secret").await.unwrap_err();
    assert_hides(&error, "very-secret");
}

#[tokio::test]
async fn a_sentinel_is_no_redis() {
    let sentinel = testkit::Sentinel::builder().start().await;
    assert!(denied(dialer().probe(sentinel.addr()).await).contains("a Sentinel"));
}
