//! The HTTP pages: the old ones to the byte, the new ones honest about their age.

use std::time::{Duration, Instant};

use testkit::http::{self, Response};
use testkit::{Redis, ZooKeeper, eventually};

use crate::group::{DEADLINE, Watching, servers};

async fn eventually_body(watching: &Watching, path: &str, body: &str) -> Response {
    eventually(&format!("{path} to be {body:?}"), DEADLINE, async || {
        let answer = watching.get(path).await;
        if answer.body == body {
            Ok(answer)
        } else {
            Err(answer.body)
        }
    })
    .await
}

#[tokio::test]
async fn the_old_pages_to_the_byte() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let watching = Watching::start(zk.hosts());
    watching.ready().await;

    let start = Instant::now();
    for path in ["/sentinel", "/sentinels"] {
        let none = watching.get(path).await;
        assert_eq!(
            (none.status, none.body.as_str()),
            (500, "no Sentinel is registered")
        );
    }
    assert!(start.elapsed() < Duration::from_secs(1));

    let registrations = [
        ("b", "10.0.0.2 26380"),
        ("a", "::1 26379"),
        ("c", "host.example 1"),
    ];
    for (name, data) in registrations {
        zk.client()
            .create(&format!("/redis/sentinels/{name}"), data)
            .await;
    }
    let list = eventually_body(
        &watching,
        "/sentinels",
        "[::1]:26379,10.0.0.2:26380,host.example:1",
    )
    .await;
    assert_eq!(
        (list.status, list.header("warning"), list.header("age")),
        (200, None, None)
    );
    assert!(
        list.header("content-type").unwrap().starts_with("text/plain"),
        "{list:?}"
    );
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        seen.insert(watching.get("/sentinel").await.body);
    }
    let expected = registrations.map(|(_, data)| data.to_owned());
    assert_eq!(seen, expected.into());
    assert_eq!(
        http::request(&watching.page, "POST", "/sentinel")
            .await
            .unwrap()
            .status,
        200
    );

    for path in ["/", "/status", "/sentinels/", "/typo?x=1", "//", "/v1"] {
        let nothing = watching.get(path).await;
        assert_eq!((nothing.status, nothing.body.as_str()), (200, ""), "{path}");
    }
    let nothing = http::request(&watching.page, "DELETE", "/").await.unwrap();
    assert_eq!((nothing.status, nothing.body.as_str()), (200, ""));
}

#[tokio::test]
async fn the_json_pages() {
    if !servers() {
        return;
    }
    let (zk, redis) = tokio::join!(ZooKeeper::start(), Redis::start());
    let watching = Watching::start(zk.hosts());
    watching.ready().await;
    let none = watching.get("/v1/master").await;
    assert_eq!(
        (none.status, none.json()["error"].as_str()),
        (404, Some("no master is recorded"))
    );
    for typo in ["/v1/", "/v1/typo", "/v1/status/"] {
        let unknown = watching.get(typo).await;
        assert_eq!(unknown.status, 404, "{typo}");
        assert!(unknown.json()["error"].is_string(), "{typo}");
    }
    let status = watching.get("/v1/status").await;
    assert!(status.body.ends_with("}\n"), "{status:?}");
    assert_eq!(status.header("content-type"), Some("application/json"));
    assert!(watching.get("/v1/a/b").await.json()["error"].is_string());

    // An old group: an address, and nothing else known.
    zk.client().set("/redis/master", "10.0.0.7 6379").await;
    let old = eventually("the old record", DEADLINE, async || {
        let answer = watching.get("/v1/master").await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!(
        old,
        serde_json::json!({"name": "master1", "host": "10.0.0.7", "port": 6379})
    );

    let state = format!(
        r#"{{"group":"00000000-0000-0000-0000-000000000007","name":"master1","epoch":4,"master":{{"addr":"{}"}},"phase":"settled","cause":"failover","since_ms":1700000000000}}"#,
        redis.addr()
    );
    zk.client().set("/redis/state", &state).await;
    let master = eventually("the new record", DEADLINE, async || {
        let answer = watching.get("/v1/master").await.json();
        (answer["epoch"] == 4).then_some(answer)
    })
    .await;
    assert_eq!(master["host"], "127.0.0.1");
    assert_eq!(master["port"], redis.port());
    assert_eq!(master["since"], "2023-11-14T22:13:20.000Z");
    assert_eq!(master["cause"], "failover");

    zk.client().create("/redis/sentinels/x", "127.0.0.1 2").await;
    zk.client().create("/redis/members/garbage", "{").await;
    zk.client()
        .create("/redis/members/m", &member(redis.addr()))
        .await;
    let status = eventually("the status to know all", DEADLINE, async || {
        let status = watching.get("/v1/status").await.json();
        let known = status["members"]
            .as_array()
            .is_some_and(|members| members.len() == 1);
        (known && status["sentinels"][0]["last_report"]["answer"] == "silent").then_some(status)
    })
    .await;
    assert_eq!(status["zookeeper"]["session"], "up");
    assert_eq!(status["sentinels"][0]["subscribed"], false);
    assert_eq!(status["master"]["epoch"], 4);
    let sentinels = watching.get("/v1/sentinels").await.json();
    assert_eq!(
        sentinels,
        serde_json::json!({"sentinels": [{"id": "x", "host": "127.0.0.1", "port": 2}]})
    );
    let replicas = watching.get("/v1/replicas").await.json();
    assert_eq!(replicas["replicas"][0]["addr"], "10.0.0.9:6379");

    // A Sentinel is registered and none is heard.
    let why = watching.not_ready().await;
    assert!(why.contains("0 of 1 sentinels heard"), "{why}");
    assert_eq!(watching.get("/healthz").await.status, 200);
    assert_eq!(watching.number("redis_zk_watcher_epoch").await, Some(4.0));
    assert_eq!(
        watching.number("redis_zk_watcher_zookeeper_session_up").await,
        Some(1.0)
    );
}

/// A record that is not settled names somebody who does not take writes yet.
#[tokio::test]
async fn who_is_about_to_be_master_is_not_told_as_the_master() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    let state = |phase: &str, name: &str| {
        format!(
            r#"{{"group":"00000000-0000-0000-0000-000000000007","name":"{name}","epoch":4,"master":{{"addr":"10.0.0.8:6379"}},"phase":"{phase}","cause":"eclipse","since_ms":1700000000000}}"#
        )
    };
    zk.client()
        .set("/redis/state", &state("claimed", "master1"))
        .await;
    let watching = Watching::start(zk.hosts());
    watching.ready().await;
    assert_eq!(watching.get("/v1/master").await.status, 404);
    zk.client().set("/redis/master", "10.0.0.7 6379").await;
    for phase in ["claimed", "promoting", "draining"] {
        zk.client().set("/redis/state", &state(phase, "master1")).await;
        let master = eventually("the phase", DEADLINE, async || {
            let answer = watching.get("/v1/master").await;
            let master = answer.json();
            (answer.status == 200 && master["next"]["phase"] == phase).then_some(master)
        })
        .await;
        assert_eq!(master["host"], "10.0.0.7");
        assert_eq!(master["phase"], serde_json::Value::Null);
        assert_eq!(
            (&master["next"]["host"], &master["next"]["cause"]),
            (&"10.0.0.8".into(), &"eclipse".into())
        );
    }
    zk.client()
        .set("/redis/state", &state("settled", "master1"))
        .await;
    eventually("the new master", DEADLINE, async || {
        watching.get("/v1/master").await.json()["host"] == "10.0.0.8"
    })
    .await;

    // Somebody moves in with another name: their master is none of ours.
    zk.client()
        .set("/redis/state", &state("settled", "sessions"))
        .await;
    let why = watching.not_ready().await;
    assert!(why.contains("`sessions`"), "{why}");
    let answer = watching.get("/v1/master").await;
    assert!(
        answer.status == 404 && answer.body.contains("`sessions`"),
        "{}",
        answer.body
    );
}

fn member(master: &topology::Addr) -> String {
    let zeros = "0".repeat(40);
    format!(
        r#"{{"id":"00000000-0000-0000-0000-000000000001","addr":"10.0.0.9:6379","role":"replica","of":"{master}","run_id":"{zeros}","replication_id":"{zeros}","second_replication_id":"{zeros}","second_offset":-1,"offset":14,"link":"up","priority":100,"server_version":"7.0.15","version":"0.1.0","at_ms":5}}"#
    )
}

#[tokio::test]
async fn stale_answers_say_so() {
    if !servers() {
        return;
    }
    let zk = ZooKeeper::start().await;
    zk.client().create("/redis/sentinels/a", "10.0.0.2 26380").await;
    zk.client().create("/redis/master", "10.0.0.7 6379").await;
    let watching = Watching::start(zk.hosts());
    eventually_body(&watching, "/sentinels", "10.0.0.2:26380").await;

    zk.kill();
    let stale = eventually("a stale answer", DEADLINE, async || {
        let answer = watching.get("/sentinels").await;
        answer.header("age").is_some().then_some(answer)
    })
    .await;
    assert_eq!((stale.status, stale.body.as_str()), (200, "10.0.0.2:26380"));
    assert_eq!(stale.header("warning"), Some("110 - \"Response is Stale\""));
    let master = watching.get("/v1/master").await;
    assert_eq!(
        (master.status, master.json()["host"].as_str()),
        (200, Some("10.0.0.7"))
    );
    assert!(master.json()["stale_for_ms"].is_u64(), "{}", master.body);
    eventually("the watcher to say why", DEADLINE, async || {
        watching.not_ready().await.contains("ZooKeeper is away")
    })
    .await;
    assert_eq!(watching.get("/healthz").await.status, 200);
    assert_eq!(watching.get("/").await.status, 200);

    let log = watching.program.log();
    assert!(!log.contains("zookeeper_client"), "every attempt is told: {log}");

    zk.restart().await;
    eventually("a fresh answer", DEADLINE, async || {
        let answer = watching.get("/sentinels").await;
        answer.header("age").is_none() && answer.status == 200
    })
    .await;
    watching.wait_leader().await;
}
