//! The pages over real sockets, made from copies that the tests change: what happens, and when, is theirs to say.

use std::time::{Duration, Instant};

use instance::{Flags, ReplicaReport};
use registry::{Followed, Freshness, Session, Version, Znode};
use serde_json::Value;
use testkit::events::Events;
use testkit::http::{self, Response};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use topology::{Addr, LinkStatus};
use zkpaths::Phase;

use super::*;
use crate::feed::{LISTENERS, feed};
use crate::known::WAITERS;
use crate::metrics::Metrics;
use crate::sample;
use crate::situation::{Record, Situation};

const DEADLINE: Duration = Duration::from_secs(10);

/// A program that has nothing but its pages.
struct Site {
    page: Addr,
    known: Known,
    state: watch::Sender<Followed<Option<Znode>>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn znode(data: Vec<u8>) -> Followed<Option<Znode>> {
    let znode = Znode {
        data,
        version: Version(0),
        ephemeral: false,
    };
    Followed {
        value: Some(Some(znode)),
        freshness: Freshness::Current,
    }
}

impl Site {
    /// With one group, whose master is node 1 as of epoch 1, and further ones of which nothing is known.
    fn start(further: &[&str], token: Option<&str>) -> Self {
        let (state, seen) = watch::channel(znode(sample::state(1, 1, Phase::Settled).encode()));
        let first = Situation {
            state: seen,
            ..sample::situation("master1")
        };
        let further = further.iter().map(|name| sample::situation(name));
        Self::of([first].into_iter().chain(further).collect(), state, token)
    }

    fn of(
        groups: Vec<Situation>,
        state: watch::Sender<Followed<Option<Znode>>>,
        token: Option<&str>,
    ) -> Self {
        let known = Known::new(groups, Vec::new());
        let (metrics, numbers) = Metrics::new(known.clone());
        let reason = String::new();
        let sources = Sources {
            health: watch::channel(httpd::Health::Alive {
                reason: reason.clone(),
            })
            .1,
            readiness: watch::channel(httpd::Readiness::Ready { reason }).1,
            numbers,
            happy: None,
        };
        let listener = httpd::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let page = Addr::new("127.0.0.1", listener.local_addr().port()).unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(httpd::serve(
            listener,
            pages(&known, sources, token),
            stop.clone(),
        ));
        tasks.spawn(feed(known.clone(), metrics, stop.clone()));
        Self {
            page,
            known,
            state,
            stop,
            tasks,
        }
    }

    fn master_is(&self, epoch: u64, node: u8) {
        self.state
            .send_replace(znode(sample::state(epoch, node, Phase::Settled).encode()));
    }

    async fn get(&self, path: &str) -> Response {
        http::send(&self.page, "GET", path, &[], "", DEADLINE)
            .await
            .unwrap()
    }

    async fn with(&self, path: &str, header: (&str, &str)) -> Response {
        http::send(&self.page, "GET", path, &[header], "", DEADLINE)
            .await
            .unwrap()
    }

    async fn listen(&self, path: &str, last: Option<&str>) -> Events {
        Events::listen(&self.page, path, last).await.unwrap()
    }
}

fn group_of(event: &Value) -> &str {
    event["group"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_stream_begins_with_everything_and_goes_on_where_it_was_left() {
    let site = Site::start(&["carts"], None);
    let mut events = site.listen("/v1/events", None).await;
    assert!(events.head.starts_with("HTTP/1.1 200"), "{}", events.head);
    let snapshot = events.next_named("snapshot").await;
    // The feed may have told of its first look before or after.
    let first = events_until_master(&mut events, &snapshot.json(), "10.0.0.1").await;
    assert_eq!(first["epoch"], 1);

    site.master_is(2, 2);
    let moved = events.next_named("master").await;
    assert_eq!(
        (group_of(&moved.json()), &moved.json()["master"]["host"]),
        ("master1", &"10.0.0.2".into())
    );
    drop(events);
    site.master_is(3, 3);
    let mut probe = site.listen("/v1/events?group=master1", None).await;
    let told = probe.next_named("snapshot").await.json();
    assert!(told["groups"].as_array().unwrap().len() == 1, "{told}");
    events_until_master(&mut probe, &told, "10.0.0.3").await;
    site.master_is(4, 4);
    probe.next_named("master").await;

    // Whoever comes back hears what it missed, each once and in order; by the header, or by the address.
    for (path, header) in [
        ("/v1/events".to_owned(), Some(moved.id.as_str())),
        (format!("/v1/events?last-event-id={}", moved.id), None),
    ] {
        let mut again = site.listen(&path, header).await;
        for host in ["10.0.0.3", "10.0.0.4"] {
            let event = again.next_named("master").await;
            assert_eq!(event.json()["master"]["host"], host);
        }
    }
    // Another run of the program, and nonsense, begin anew.
    for last in ["00000000000000000000000000000007-1", "x"] {
        let mut anew = site.listen("/v1/events", Some(last)).await;
        let event = anew.next().await.unwrap().unwrap();
        assert_eq!(event.name, "snapshot");
    }
    // Who asks for another group does not hear of this one.
    let mut carts = site
        .listen(
            &format!("/v1/events?group=carts&last-event-id={}", moved.id),
            None,
        )
        .await;
    site.stop.cancel();
    while let Some(event) = carts.next().await.unwrap() {
        assert_ne!(group_of(&event.json()), "master1");
    }
    assert_eq!(site.get_refused().await, None);
}

async fn events_until_master(events: &mut Events, snapshot: &Value, host: &str) -> Value {
    let groups = snapshot["groups"].as_array().unwrap();
    if let Some(group) = groups.iter().find(|group| group_of(group) == "master1")
        && group["master"]["host"] == host
    {
        return group["master"].clone();
    }
    loop {
        let event = events.next_named("master").await.json();
        if event["master"]["host"] == host {
            return event["master"].clone();
        }
    }
}

impl Site {
    /// The status of an answer, where there still is one.
    async fn get_refused(&self) -> Option<u16> {
        let answer = http::get(&self.page, "/healthz").await.ok()?;
        Some(answer.status)
    }
}

#[tokio::test]
async fn streams_end_with_the_program() {
    let mut site = Site::start(&[], None);
    let mut events = site.listen("/v1/events", None).await;
    events.next_named("snapshot").await;
    let asked = Instant::now();
    site.stop.cancel();
    while events.next().await.unwrap().is_some() {}
    while let Some(ended) = site.tasks.join_next().await {
        ended.unwrap();
    }
    assert!(asked.elapsed() < httpd::DRAIN, "{:?}", asked.elapsed());
}

/// Nothing is kept for whoever does not read: what it gets in the end has no gap, and an end.
#[tokio::test]
async fn a_slow_reader_is_cut_off_and_nothing_is_left_out_before() {
    let site = Site::start(&[], None);
    let mut events = site.listen("/v1/events?group=master1", None).await;
    events.next_named("snapshot").await;
    let mut tip = site.known.feed().tip();
    // More than the sockets of both sides take.
    for epoch in 2..3_500 {
        let mut state = sample::state(epoch, 2, Phase::Settled);
        state.cause = zkpaths::Cause::Other("x".repeat(4096));
        site.state.send_replace(znode(state.encode()));
        tip.changed().await.unwrap();
    }
    let mut before: Option<u64> = None;
    let mut heard = 0;
    while let Some(event) = events.next().await.unwrap() {
        let number = event.id.rsplit('-').next().unwrap().parse().unwrap();
        assert!(
            before.is_none_or(|before| before + 1 == number),
            "{before:?}, then {number}"
        );
        before = Some(number);
        heard += 1;
    }
    assert!(heard > 0 && heard < 3_400, "{heard}");
}

#[tokio::test]
async fn listeners_are_bounded_and_a_place_that_is_left_is_free() {
    let site = Site::start(&[], None);
    let mut all = Vec::new();
    for _ in 0..LISTENERS {
        let mut events = site.listen("/v1/events", None).await;
        events.next_named("snapshot").await;
        all.push(events);
    }
    let full = site.get("/v1/events").await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")));
    // The other pages answer all the same.
    assert_eq!(site.get("/v1/master").await.status, 200);
    all.pop();
    testkit::eventually("a place", DEADLINE, async || {
        let events = Events::listen(&site.page, "/v1/events", None).await.ok()?;
        events.head.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_question_for_the_next_master_waits_for_it_and_no_longer() {
    let site = Site::start(&["carts"], None);
    let path = "/v1/master?group=master1";
    // A higher epoch is known already.
    let now = site.get(&format!("{path}&epoch=0&wait=60s")).await;
    assert_eq!((now.status, &now.json()["epoch"]), (200, &1.into()));
    // Nothing changes: the same master, in the end. Nor is an older one news for whoever knows a newer one.
    for known in [1, 7] {
        let asked = Instant::now();
        let same = site.get(&format!("{path}&epoch={known}&wait=200ms")).await;
        assert_eq!(same.json()["epoch"], 1);
        assert!(asked.elapsed() >= Duration::from_millis(200), "{known}");
    }
    // It changes.
    let url = format!("{path}&epoch=1&wait=60s");
    let waiting = site.get(&url);
    let moving = async {
        wait_for_waiters(&site, 1).await;
        // Who is about to be master is no master yet.
        let promoting = sample::state(2, 2, Phase::Promoting).encode();
        site.state.send_replace(znode(promoting));
        site.master_is(2, 2);
    };
    let (answer, ()) = tokio::join!(waiting, moving);
    assert_eq!(
        (&answer.json()["epoch"], &answer.json()["host"]),
        (&2.into(), &"10.0.0.2".into())
    );
    for wrong in ["&epoch=x", "&epoch=1&wait=2m", "&epoch=1&wait=soon"] {
        let answer = site.get(&format!("{path}{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
        assert!(answer.json()["error"].is_string());
    }
}

/// Until so many wait for a master.
async fn wait_for_waiters(site: &Site, count: usize) {
    testkit::eventually("the question to wait", DEADLINE, async || {
        site.known.waiting() == count
    })
    .await;
}

#[tokio::test]
async fn those_who_wait_are_bounded_and_answered_when_the_program_ends() {
    let mut site = Site::start(&[], None);
    let mut waiting = JoinSet::new();
    for _ in 0..WAITERS {
        let page = site.page.clone();
        waiting.spawn(async move {
            http::send(&page, "GET", "/v1/master?epoch=1&wait=60s", &[], "", DEADLINE).await
        });
    }
    wait_for_waiters(&site, WAITERS).await;
    let full = site.get("/v1/master?epoch=1").await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")));
    site.stop.cancel();
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status, 200);
    }
    while let Some(ended) = site.tasks.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn with_a_token_only_health_and_the_contract_are_for_everybody() {
    let site = Site::start(&[], Some("t0k3n"));
    for open in [
        "/healthz",
        "/ready",
        "/",
        "/typo",
        "/ui/login",
        "/ui/app.js",
        "/ui/style.css",
    ] {
        assert_ne!(site.get(open).await.status, 401, "{open}");
    }
    // Nothing was read, which is what the contract says then.
    assert_eq!(site.get("/sentinels").await.status, 500);
    for guarded in [
        "/v1/master",
        "/v1/groups",
        "/v1/status",
        "/v1/events",
        "/v1/openapi.json",
        "/metrics",
    ] {
        let refused = site.get(guarded).await;
        assert_eq!(refused.status, 401, "{guarded}");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
        assert!(
            refused.json()["error"]
                .as_str()
                .unwrap()
                .contains("Authorization: Bearer"),
            "{}",
            refused.body
        );
        let wrong = site.with(guarded, ("Authorization", "Bearer t0k3")).await;
        assert_eq!(wrong.status, 401, "{guarded}");
    }
    for guarded in ["/v1/master", "/v1/groups", "/metrics", "/v1/openapi.json", "/ui"] {
        let right = site.with(guarded, ("Authorization", "Bearer t0k3n")).await;
        assert_eq!(right.status, 200, "{guarded}");
    }

    // In a browser.
    let page = site.get("/ui").await;
    assert_eq!((page.status, page.header("location")), (303, Some("ui/login")));
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let post = async |body| {
        http::send(&site.page, "POST", "/ui/login", &[form], body, DEADLINE)
            .await
            .unwrap()
    };
    let wrong = post("token=guess").await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    assert!(wrong.body.contains("<p role=\"alert\">"), "{}", wrong.body);
    let right = post("token=t0k3n").await;
    assert_eq!((right.status, right.header("location")), (303, Some("../ui")));
    let set = right.header("set-cookie").unwrap();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("t0k3n"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap();
    assert_eq!(site.with("/ui", ("Cookie", cookie)).await.status, 200);
    assert_eq!(site.with("/v1/master", ("Cookie", cookie)).await.status, 200);
}

#[tokio::test]
async fn of_several_groups_one_is_asked_for() {
    let site = Site::start(&["carts"], None);
    let which = site.get("/v1/master").await;
    assert_eq!(which.status, 400);
    assert!(which.body.contains("carts, master1"), "{}", which.body);
    assert_eq!(site.get("/v1/master?group=master1").await.json()["epoch"], 1);
    assert_eq!(site.get("/v1/status?group=carts").await.json()["name"], "carts");
    for unknown in [
        "/v1/master?group=typo",
        "/v1/events?group=typo",
        "/sentinels?group=typo",
    ] {
        let answer = site.get(unknown).await;
        assert_eq!(answer.status, 404, "{unknown}");
        assert!(answer.body.contains("carts, master1"), "{}", answer.body);
    }
    let groups = site.get("/v1/groups").await.json();
    let names: Vec<&str> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|group| group["name"].as_str())
        .collect();
    assert_eq!(names, ["carts", "master1"]);
    let numbers = site.get("/metrics").await.body;
    for sample in [
        r#"redis_zk_watcher_epoch{group="master1"} 1"#,
        r#"redis_zk_watcher_looks_total{group="carts"} 0"#,
    ] {
        assert!(numbers.contains(sample), "{sample}: {numbers}");
    }
    // An epoch that nobody knows is not 0.
    assert!(!numbers.contains(r#"epoch{group="carts"}"#), "{numbers}");
}

#[tokio::test]
async fn the_page_may_load_nothing_from_elsewhere() {
    let site = Site::start(&[], None);
    for (path, media) in [
        ("/ui", "text/html"),
        ("/ui/login", ""),
        ("/ui/app.js", "text/javascript"),
        ("/ui/style.css", "text/css"),
        ("/ui/icon.svg", "image/svg+xml"),
    ] {
        let answer = site.get(path).await;
        if path == "/ui/login" {
            // Without a token there is nothing to log in to.
            assert_eq!((answer.status, answer.header("location")), (303, Some("../ui")));
            continue;
        }
        assert!(
            answer.header("content-type").unwrap().starts_with(media),
            "{path}"
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
    }
}

fn replica(node: u8, link: LinkStatus) -> ReplicaReport {
    ReplicaReport {
        addr: sample::addr(node),
        run_id: Some(sample::run_id(node)),
        flags: Flags::default(),
        offset: 14,
        priority: 100,
        link,
        of: Some(sample::addr(1)),
        last_ok_ping: Duration::ZERO,
    }
}

/// Nobody registers then: what there is to tell of replicas is what a Sentinel says.
#[tokio::test]
async fn without_zookeeper_the_replicas_are_those_that_a_sentinel_sees() {
    let (state, seen) = watch::channel(znode(sample::state(1, 1, Phase::Settled).encode()));
    let (reported, reports) = watch::channel(Vec::new());
    let (sentinels, heard) = watch::channel(Followed {
        value: None,
        freshness: Freshness::NeverRead,
    });
    let read = || watch::channel(znode(Vec::new())).1;
    let first = Situation {
        record: Record::Memory,
        state: seen,
        master: read(),
        sentinels: heard,
        reported: reports,
        session: watch::channel(Session::Up { generation: 0 }).1,
        ..sample::situation("master1")
    };
    let site = Site::of(vec![first, sample::situation("carts")], state, None);
    for (group, why) in [
        ("master1", "no Sentinel has answered yet"),
        ("carts", "ZooKeeper has not been read yet"),
    ] {
        for path in ["/v1/sentinels", "/v1/replicas"] {
            let early = site.get(&format!("{path}?group={group}")).await;
            assert_eq!((early.status, &early.json()["error"]), (503, &why.into()));
        }
        let early = site.get(&format!("/sentinels?group={group}")).await;
        assert_eq!((early.status, early.body.as_str()), (500, why));
    }
    let mut events = site.listen("/v1/events?group=master1", None).await;
    let snapshot = events.next_named("snapshot").await.json();
    let nobody = serde_json::json!([]);
    // The feed may have told of its first look before or after.
    match snapshot["groups"].as_array().unwrap().first() {
        Some(group) => assert_eq!(group["members"], nobody),
        None => assert_eq!(events.next_named("replicas").await.json()["members"], nobody),
    }
    // The third does not answer, and the first is master by now.
    let mut gone = replica(3, LinkStatus::Up);
    gone.flags.subjectively_down = true;
    reported.send_replace(vec![
        gone,
        replica(2, LinkStatus::Up),
        replica(1, LinkStatus::Down),
    ]);
    let event = events.next_named("replicas").await.json();
    let expected = serde_json::json!([
        {"addr": "10.0.0.2:6379", "role": "replica", "of": "10.0.0.1:6379", "link": "up", "priority": 100},
        {"addr": "10.0.0.3:6379", "role": "replica", "of": "10.0.0.1:6379", "link": "down", "priority": 100},
    ]);
    assert_eq!(event["members"], expected);

    sentinels.send_replace(Followed {
        value: Some(std::collections::BTreeMap::new()),
        freshness: Freshness::Current,
    });
    let listed = site.get("/v1/replicas?group=master1").await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    let listed = listed.json()["replicas"].clone();
    let line = serde_json::json!({
        "addr": "10.0.0.2:6379", "role": "replica", "of": "10.0.0.1:6379", "run_id": "02".repeat(20), "offset": 14, "link": "up",
        "priority": 100,
    });
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]), (2, &line));
    let status = site.get("/v1/status?group=master1").await.json();
    assert_eq!(status["members"], listed);
    assert_eq!(status["zookeeper"]["session"], "none");
    assert_eq!(
        site.get("/v1/groups").await.json()["groups"][1]["zookeeper"],
        "none"
    );

    // There is no session that could be up, and no lead that somebody else could have.
    let numbers = site.get("/metrics").await.body;
    for gauge in ["zookeeper_session_up", "leader"] {
        let of = |group| format!("redis_zk_watcher_{gauge}{{group=\"{group}\"}} 0");
        assert!(numbers.contains(&of("carts")), "{numbers}");
        let ours = format!("{gauge}{{group=\"master1\"}}");
        assert!(!numbers.contains(&ours), "{numbers}");
    }
    assert!(
        numbers.contains(r#"redis_zk_watcher_epoch{group="master1"} 1"#),
        "{numbers}"
    );
}
