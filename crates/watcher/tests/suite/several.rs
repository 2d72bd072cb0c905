//! Several groups in one watcher, and groups without ZooKeeper.

use std::time::Duration;

use serde_json::Value;
use testkit::events::Events;
use testkit::{Exit, Redis, eventually};
use topology::Addr;

use crate::group::{DEADLINE, Group, Watching, servers};
use crate::openapi::{named, problems};

/// Who is master of a group, as the page says.
async fn master(watching: &Watching, query: &str) -> Option<Addr> {
    let answer = watching.get(&format!("/v1/master{query}")).await;
    let said = answer.json();
    let port = u16::try_from(said["port"].as_u64()?).ok()?;
    Addr::new(said["host"].as_str()?, port).ok()
}

async fn wait_master(watching: &Watching, query: &str, addr: &Addr) {
    eventually("the page to name the master", DEADLINE, async || {
        let named = master(watching, query).await;
        if named.as_ref() == Some(addr) {
            Ok(())
        } else {
            Err(format!("{named:?}; its log:\n{}", watching.program.log_tail()))
        }
    })
    .await;
}

/// A second group for the same Sentinels.
async fn other_group(group: &Group, name: &str) -> (Redis, Redis) {
    let node = Redis::start().await;
    let replica = Redis::builder().replica_of(node.addr()).start().await;
    replica.wait_replica_of(node.addr(), DEADLINE).await;
    let port = node.port().to_string();
    for sentinel in &group.sentinels {
        for words in [
            &["SENTINEL", "MONITOR", name, "127.0.0.1", &port, "2"][..],
            &[
                "SENTINEL",
                "SET",
                name,
                "failover-timeout",
                "3000",
                "down-after-milliseconds",
                "1000",
            ],
        ] {
            sentinel.command(words).await.unwrap();
        }
    }
    group.sentinels[0].wait_knows(name, 1, 2, DEADLINE).await;
    (node, replica)
}

#[tokio::test]
async fn static_sentinels_are_enough_and_a_stale_one_flips_nothing_back() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let (node, replica) = other_group(&group, "other").await;
    // One of the three is enough: it knows the others. The other address has never been a Sentinel's.
    let sentinels = format!("{},127.0.0.1:2", group.sentinels[0].addr());
    let env = [
        ("SENTINELS", sentinels.as_str()),
        ("GROUPS", "master1:7000,other"),
    ];
    let watching = Watching::with("127.0.0.1:1".to_owned(), &env);
    watching.ready().await;
    wait_master(&watching, "?group=master1", group.nodes[0].addr()).await;
    wait_master(&watching, "?group=other", node.addr()).await;
    eventually("all three to be heard", DEADLINE, async || {
        watching.number("redis_zk_watcher_sentinels_subscribed").await == Some(3.0)
            && watching.number("redis_zk_watcher_sentinels_registered").await == Some(3.0)
    })
    .await;

    // Nobody registers: the replicas are those that the Sentinels know.
    let description = watching.get("/v1/openapi.json").await.json();
    let problems = |schema: &str, value: &Value| problems(&description, &named(schema), value);
    eventually("both replicas to be told of", DEADLINE, async || {
        let answer = watching.get("/v1/replicas?group=master1").await.json();
        let mut ports: Vec<u64> = answer["replicas"]
            .as_array()?
            .iter()
            .filter(|replica| replica["link"] == "up" && replica["of"] == group.nodes[0].addr().to_string())
            .filter_map(|replica| replica["addr"].as_str()?.rsplit(':').next()?.parse().ok())
            .collect();
        ports.sort_unstable();
        let mut expected = [&group.nodes[1], &group.nodes[2]].map(|node| u64::from(node.port()));
        expected.sort_unstable();
        (ports == expected).then_some(())
    })
    .await;
    for (path, schema) in [("/v1/replicas", "Replicas"), ("/v1/status", "Status")] {
        let answer = watching.get(&format!("{path}?group=master1")).await;
        let found = problems(schema, &answer.json());
        assert_eq!(found, [""; 0], "{}", answer.body);
    }
    let groups = watching.get("/v1/groups").await;
    assert_eq!(groups.json()["groups"][0]["zookeeper"], "none", "{}", groups.body);
    assert_eq!(problems("Groups", &groups.json()), [""; 0]);
    let mut events = Events::listen(&watching.page, "/v1/events", None).await.unwrap();
    let snapshot = events.next_named("snapshot").await.json();
    assert_eq!(problems("Snapshot", &snapshot), [""; 0]);
    assert_eq!(
        snapshot["groups"][0]["members"].as_array().map(Vec::len),
        Some(2),
        "{snapshot}"
    );
    for absent in ["leader", "zookeeper_session_up"] {
        let sample = format!("redis_zk_watcher_{absent}");
        assert_eq!(watching.number(&sample).await, None, "{sample}");
    }

    // It sleeps through the failover, and wakes up with the old master.
    group.sentinels[2].stop();
    group.nodes[0].kill();
    let to = group.new_master(group.nodes[0].addr()).await;
    wait_master(&watching, "?group=master1", &to).await;
    group.nodes[0].restart().await;
    group.sentinels[2].cont();
    eventually(
        "the stale Sentinel to learn, and nobody to believe it meanwhile",
        DEADLINE,
        async || {
            assert_eq!(master(&watching, "?group=master1").await.as_ref(), Some(&to));
            group.sentinels[2].master("master1").await.as_ref() == Some(&to)
        },
    )
    .await;
    assert_eq!(
        master(&watching, "?group=other").await.as_ref(),
        Some(node.addr())
    );

    // A group that fails over alone.
    group.begin_failover("other").await;
    wait_master(&watching, "?group=other", replica.addr()).await;
    assert_eq!(master(&watching, "?group=master1").await.as_ref(), Some(&to));
    assert_eq!(watching.get("/v1/master").await.status, 400, "which group?");
    assert!(
        group.zk.client().get("/redis/state").await.is_none(),
        "nothing is recorded"
    );
}

#[tokio::test]
async fn several_trees_in_one_zookeeper() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let (node, replica) = other_group(&group, "other").await;
    let zk = group.zk.client();
    for (n, sentinel) in group.sentinels.iter().enumerate() {
        let path = format!("/groups/other/sentinels/sentinel-{n}");
        zk.create(&path, &sentinel.addr().contract()).await;
    }
    let env = [("GROUPS", "master1=/redis,other=/groups/other:7001")];
    let watching = Watching::with(group.zk.hosts(), &env);
    watching.ready().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    let recorded = "/groups/other/master";
    zk.wait_for_data(recorded, &node.addr().contract(), DEADLINE)
        .await;
    group.begin_failover("other").await;
    zk.wait_for_data(recorded, &replica.addr().contract(), DEADLINE)
        .await;
    wait_master(&watching, "?group=other", replica.addr()).await;
    wait_master(&watching, "?group=master1", group.nodes[0].addr()).await;

    // A tree that is another group's is a mistake in the settings of one group, and said so.
    let env = [("GROUPS", "master1=/groups/other")];
    let mistaken = Watching::with(group.zk.hosts(), &env);
    let code = mistaken.program.wait_exit(Duration::from_secs(20)).await;
    assert_eq!(code, Exit::Code(64), "{}", mistaken.program.log_tail());
}
