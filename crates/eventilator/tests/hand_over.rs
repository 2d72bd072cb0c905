//! Who delivers, and what of it outlives them: other environments, other configurations, stops in the middle.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::time::Duration;

use testkit::{Collector, Need, Redis, Relay, eventually, require};

const DEADLINE: Duration = Duration::from_secs(30);
const ODOWN: [&str; 2] = ["+odown", "master m1 10.0.0.1 6379 #quorum 2/2"];

async fn arrived(collector: &Collector, events: usize) {
    eventually("every event to arrive", DEADLINE, async || {
        let got = collector.keys().len();
        if got >= events { Ok(()) } else { Err(got) }
    })
    .await;
}

fn conf(relay: &Relay, text: &str) -> String {
    let path = relay.dir().join("relay.conf");
    // As an editor does: never half a file.
    std::fs::write(path.with_extension("new"), text).unwrap();
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_no_receiver_drops_nothing() {
    let collector = Collector::start().await;
    collector.set_away(true);
    let relay = Relay::new();
    let text = format!("[HTTP]\nURL = \"{}\"\n", collector.url());
    let config = conf(&relay, &text);
    let call = |event: &str| {
        let mut call = relay.command("eventilator", &[event, "master m1 10.0.0.1 6379"]);
        assert!(
            call.env("EVENTILATOR_CONFIG", &config)
                .status()
                .unwrap()
                .success()
        );
    };
    call("+odown");
    eventually("a try", DEADLINE, async || {
        relay.log().contains("not delivered yet")
    })
    .await;
    relay.kill_drainers();
    call("-odown");
    relay.kill_drainers();
    // From a shell without that variable.
    let drained = relay.call("eventilator", &["drain", "--wait", "1s", "--mode", "eventilator"]);
    let told = String::from_utf8(drained.stderr.clone()).unwrap();
    assert_eq!(drained.status.code(), Some(1), "{drained:?}");
    assert!(told.contains("no receiver is configured"), "{told}");
    // And one that knows another receiver.
    let other = Collector::start().await;
    let mut with_another = relay.command("eventilator", &["drain", "--wait", "1s", "--mode", "eventilator"]);
    with_another
        .env("EVENTILATOR_HTTP_URL", other.url())
        .env("EVENTILATOR_HTTP_NAME", "another");
    assert_eq!(with_another.output().unwrap().status.code(), Some(1));
    relay.kill_drainers();
    collector.set_away(false);
    call("+sdown");
    eventually("the first event to arrive", DEADLINE, async || {
        let got = collector.got();
        got.iter().any(|event| event["event"] == "+odown").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_judges_an_event_does_not_decide_who_wants_it() {
    let (of_sentinel, of_the_shell) = (Collector::start().await, Collector::start().await);
    let relay = Relay::new().env("EVENTILATOR_HTTP_NAME", "of-sentinel");
    let mut call = relay.command("eventilator", &ODOWN);
    // The drainer that the call leaves behind must not be first: it has no program to run.
    call.env("EVENTILATOR_HTTP_URL", of_sentinel.url())
        .env("EVENTILATOR_HTTP_NAME", "of-sentinel");
    let lock = std::fs::create_dir_all(relay.dir().join("spool"))
        .and_then(|()| std::fs::File::create(relay.dir().join("spool/eventilator.lock")))
        .unwrap();
    lock.lock().unwrap();
    assert!(call.status().unwrap().success());
    drop(lock);
    let mut drain = relay.command("eventilator", &["drain", "--wait", "2s", "--mode", "eventilator"]);
    drain
        .env("EVENTILATOR_HTTP_URL", of_the_shell.url())
        .env("EVENTILATOR_HTTP_NAME", "of-the-shell");
    assert_eq!(
        drain.output().unwrap().status.code(),
        Some(1),
        "one receiver still lacks it"
    );
    arrived(&of_the_shell, 1).await;
    relay.kill_drainers();
    let mut drain = relay.command("eventilator", &["drain", "--mode", "eventilator"]);
    drain.env("EVENTILATOR_HTTP_URL", of_sentinel.url());
    assert_eq!(drain.output().unwrap().status.code(), Some(0));
    arrived(&of_sentinel, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_mended_is_used_by_who_delivers_already() {
    let (wrong, right) = (Collector::start().await, Collector::start().await);
    wrong.set_away(true);
    let relay = Relay::new();
    let text = |to: &Collector| format!("[HTTP]\nURL = \"{}\"\n", to.url());
    let config = conf(&relay, &text(&wrong));
    let mut call = relay.command("eventilator", &ODOWN);
    assert!(
        call.env("EVENTILATOR_CONFIG", &config)
            .status()
            .unwrap()
            .success()
    );
    eventually("a try", DEADLINE, async || {
        relay.log().contains("not delivered yet")
    })
    .await;
    let before = relay.drainers();
    assert_eq!(before.len(), 1);
    conf(&relay, "[HTTP\n");
    eventually("the mistake to be told", DEADLINE, async || {
        relay.log().contains("the one before holds")
    })
    .await;
    conf(&relay, &text(&right));
    arrived(&right, 1).await;
    assert!(relay.drainers().iter().all(|drainer| before.contains(drainer)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_in_the_middle_of_a_delivery_brings_it_to_its_end() {
    let collector = Collector::start().await;
    collector.set_slow(Duration::from_secs(2));
    let relay = Relay::new().env("EVENTILATOR_HTTP_URL", collector.url());
    let mut serve = relay.command("eventilator", &["serve", "--mode", "eventilator"]);
    let mut service = serve.stderr(std::process::Stdio::null()).spawn().unwrap();
    // Not before it has the lock.
    eventually("the service to listen", DEADLINE, async || {
        relay.dir().join("spool/eventilator.wake").exists()
    })
    .await;
    relay.call("eventilator", &ODOWN);
    arrived(&collector, 1).await;
    for _ in 0..2 {
        let asked = std::process::Command::new("kill")
            .arg(service.id().to_string())
            .status();
        assert!(asked.unwrap().success());
    }
    let ended = tokio::task::spawn_blocking(move || service.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.code(), Some(0));
    let drained = relay.call("eventilator", &["drain", "--mode", "eventilator"]);
    assert_eq!(drained.status.code(), Some(0), "{drained:?}");
    assert_eq!(collector.got().len(), 1, "told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_agreed_upon_as_long_as_the_store_answers() {
    if !require(&[Need::Redis]) {
        return;
    }
    let (collector, store) = (Collector::start().await, Redis::start().await);
    let hosts: Vec<Relay> = (0..3).map(|_| shared(&collector, &store)).collect();
    for host in &hosts {
        // Nobody delivers at first: the store is not known.
        let mut call = host.command("eventilator", &ODOWN);
        call.env("EVENTILATOR_REDIS_ENABLED", "false")
            .env_remove("EVENTILATOR_HTTP_URL");
        assert!(call.status().unwrap().success());
    }
    for host in &hosts {
        eventually("nobody to deliver", DEADLINE, async || host.drainers().is_empty()).await;
    }
    let drains = hosts.iter().map(|host| {
        let mut drain = host.command("eventilator", &["drain", "--mode", "eventilator"]);
        tokio::task::spawn_blocking(move || drain.status().unwrap().code())
    });
    for done in futures_util::future::join_all(drains).await {
        assert_eq!(done.unwrap(), Some(0));
    }
    assert_eq!(collector.got().len(), 1, "{:?}", collector.keys());
    assert!(
        store
            .hash("sentinel:warnings:+odown:m1:counters")
            .await
            .values()
            .all(|n| n == "1")
    );
}

fn shared(collector: &Collector, store: &Redis) -> Relay {
    Relay::new()
        .env("EVENTILATOR_HTTP_URL", collector.url())
        .env("EVENTILATOR_REDIS_ENABLED", "true")
        .env("EVENTILATOR_REDIS_PORT", store.port().to_string())
        .env("EVENTILATOR_STORE_PATIENCE", "1ms")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_a_person_drains_is_delivered_after_that_too() {
    let collector = Collector::start().await;
    collector.set_slow(Duration::from_secs(1));
    let relay = Relay::new().env("EVENTILATOR_HTTP_URL", collector.url());
    let mut drain = relay.command(
        "eventilator",
        &["drain", "--wait", "200ms", "--mode", "eventilator"],
    );
    relay.call("eventilator", &ODOWN);
    arrived(&collector, 1).await;
    relay.kill_drainers();
    let mut drain = drain.spawn().unwrap();
    for n in 0..5 {
        relay.call("eventilator", &["+odown", &format!("master n{n} 10.0.0.1 6379")]);
    }
    tokio::task::spawn_blocking(move || drain.wait())
        .await
        .unwrap()
        .unwrap();
    arrived(&collector, 6).await;
}
