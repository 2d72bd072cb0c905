//! What goes wrong around a wrapper is one clear line, and nothing else breaks.

use std::path::Path;
use std::time::Duration;

use testkit::{Exit, Group, Program, ZooKeeper, ports};

const SOON: Duration = Duration::from_secs(20);

fn wrapper(zk: &ZooKeeper, port: u16) -> Program {
    Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
}

#[tokio::test]
async fn every_bad_setting_is_named_at_once() {
    let wrapper = Program::new("redis-wrapper")
        .env("ZK_HOSTS", "zk1:notaport")
        .env("NET_IFACE", "nope0")
        .env("PORT0", "99999")
        .env("REDIS_CONF", "/no/such/file.conf")
        .env("DATA_DIR", "/proc/no")
        .start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
    let log = wrapper.log();
    for name in ["ZK_HOSTS", "NET_IFACE", "PORT0", "REDIS_CONF", "DATA_DIR"] {
        assert!(log.contains(name), "{name} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_claims_nothing() {
    let zk = ZooKeeper::start().await;
    let port = ports::free();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let wrapper = wrapper(&zk, port).start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(69));
    assert!(
        wrapper.log().contains("choose another PORT0"),
        "{}",
        wrapper.log()
    );
    assert_eq!(zk.client().get("/redis/state").await.unwrap_or_default(), "");
    drop(taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_groups_tree_is_refused_and_left_alone() {
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(1).start().await;
    let before = zk.client().get("/redis/state").await;
    let stranger = wrapper(&zk, ports::free()).env("MASTER_NAME", "other").start();
    assert_eq!(stranger.wait_exit(SOON).await, Exit::Code(64));
    let log = stranger.log();
    assert!(
        log.contains("`master1`") && log.contains("`other`") && log.contains("ZK_ROOT"),
        "{log}"
    );
    assert_eq!(zk.client().get("/redis/state").await, before);
    group.wait_settled(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_records_are_reported_and_replaced() {
    let zk = ZooKeeper::start().await;
    zk.client().create("/redis", "").await;
    zk.client().create("/redis/master", "nonsense").await;
    zk.client().create("/redis/state", "{ half a reco").await;
    zk.client().create("/redis/members", "").await;
    zk.client().create("/redis/members/junk", "\u{0}\u{1}").await;
    zk.client().create("/redis/sentinels", "").await;
    zk.client()
        .create("/redis/sentinels/junk", "not an address")
        .await;
    let group = Group::new(&zk.hosts()).redis(1).launch();
    group.redis(0).program().wait_log("redis serves", SOON).await;
    let log = group.redis(0).program().log();
    assert!(log.contains("nonsense") && log.contains("half a reco"), "{log}");
    assert_eq!(
        zk.client().get("/redis/master").await.unwrap(),
        group.redis(0).addr().contract()
    );
}

/// During an update two versions share the tree.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_versions_record_is_not_taken_for_none() {
    let zk = ZooKeeper::start().await;
    let port = ports::free();
    let state = |phase: &str| {
        format!(
            r#"{{"group":"00000000-0000-0000-0000-000000000007","name":"master1","epoch":4,"master":{{"addr":"127.0.0.1:1"}},"phase":{phase},"cause":"eclipse","since_ms":1}}"#
        )
    };
    zk.client().create("/redis", "").await;
    let newer = state(r#"{"draining":3}"#);
    zk.client().create("/redis/state", &newer).await;
    let wrapper = wrapper(&zk, port).start();
    wrapper.wait_log("reason=NewerRecord", SOON).await;
    assert_eq!(zk.client().get("/redis/state").await, Some(newer));
    let word = state(r#""draining""#);
    zk.client().set("/redis/state", &word).await;
    // It sees that the shape can be read now, and still waits.
    wrapper
        .wait_log("readable again, or gone path=\"state\"", SOON)
        .await;
    assert_eq!(zk.client().get("/redis/state").await, Some(word));
    let told = wrapper.log().matches("unreadable in zookeeper").count();
    assert_eq!(told, 1, "{}", wrapper.log());

    // The newer version is done.
    zk.client().set("/redis/state", &state(r#""settled""#)).await;
    wrapper.wait_log("redis serves", SOON).await;
    let now = zk.client().get("/redis/state").await.unwrap();
    let now = zkpaths::State::decode(now.as_bytes()).unwrap().unwrap();
    assert_eq!((now.group.as_u128(), now.epoch), (7, topology::Epoch(5)));
}

/// Nobody else may be there to put it right.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_put_back_by_the_master() {
    let zk = ZooKeeper::start().await;
    let _group = Group::new(&zk.hosts()).redis(1).start().await;
    let read = async || {
        let data = zk.client().get("/redis/state").await?;
        zkpaths::State::decode(data.as_bytes()).ok().flatten()
    };
    let settled = testkit::eventually("a settled record", SOON, async || {
        read()
            .await
            .filter(|state| state.phase == zkpaths::Phase::Settled && state.known.is_some())
    })
    .await;
    for damage in ["{ half a reco", "[]", "\u{0}"] {
        zk.client().set("/redis/state", damage).await;
        let again = testkit::eventually("the record to be back", SOON, read).await;
        assert_eq!((again.group, again.record()), (settled.group, settled.record()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_template_is_honoured_and_never_touched() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("my redis.conf");
    let text =
        "maxmemory 64mb\nport 1\ndaemonize yes\nreplicaof 127.0.0.1 1\nlogfile /dev/null\nappendonly no\n";
    std::fs::write(&template, text).unwrap();
    let port = ports::free();
    let wrapper = wrapper(&zk, port)
        .env("REDIS_CONF", template.to_string_lossy())
        .arg("--")
        .arg("--maxclients")
        .arg("77")
        .arg("--bind")
        .arg("0.0.0.0")
        .start();
    wrapper.wait_log("redis serves role=\"master\"", SOON).await;
    let log = wrapper.log();
    for named in [
        "REDIS_CONF line 2: `port`",
        "line 3: `daemonize`",
        "line 4: `replicaof`",
        "line 5: `logfile`",
        "`--bind`",
    ] {
        assert!(log.contains(named), "{named} in {log}");
    }
    let client = testkit::RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    for (setting, value) in [
        ("maxmemory", "67108864"),
        ("maxclients", "77"),
        ("appendonly", "no"),
        ("bind", "127.0.0.1"),
    ] {
        let answer = client.command(&["CONFIG", "GET", setting]).await.unwrap();
        assert!(testkit::text(&answer).contains(value), "{setting}: {answer:?}");
    }
    client.command(&["CONFIG", "REWRITE"]).await.unwrap();
    assert_eq!(std::fs::read_to_string(&template).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_template_includes_and_whole_lines_as_arguments_count() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    // Relative names are relative to DATA_DIR, where redis-server runs.
    for (name, text) in [
        ("redis.conf", &b"include conf.d/*.conf\nprotected-mode no\n"[..]),
        ("conf.d/1.conf", b"# caf\xe9\nport 1\nrequirepass included\n"),
        ("more.conf", b"maxclients 77\nbind 0.0.0.0\n"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let port = ports::free();
    let wrapper = wrapper(&zk, port)
        .env("DATA_DIR", dir.path().to_string_lossy())
        .env("REDIS_CONF", dir.path().join("redis.conf").to_string_lossy())
        .arg("--")
        .arg("--port 2")
        .arg("--include")
        .arg("more.conf")
        .arg("--daemonize yes")
        .start();
    wrapper.wait_log("redis serves role=\"master\"", SOON).await;
    let log = wrapper.log();
    for named in [
        "conf.d/1.conf line 2: `port`",
        "argument `--port`",
        "more.conf line 2: `bind`",
        "argument `--daemonize`",
    ] {
        assert!(log.contains(named), "{named} in {log}");
    }
    let client = testkit::RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), Some("included"));
    for (setting, value) in [
        ("maxclients", "77"),
        ("bind", "127.0.0.1"),
        ("masterauth", "included"),
    ] {
        let answer = client.command(&["CONFIG", "GET", setting]).await.unwrap();
        assert!(testkit::text(&answer).contains(value), "{setting}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_redis_would_refuse_claims_nothing() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("redis.conf");
    for (text, part) in [
        ("include none.conf\n", "none.conf cannot be read"),
        ("requirepass \"open\n", "line 1: unbalanced quotes"),
        ("dir none\n", "cannot be entered"),
        ("cluster-enabled yes\n", "leave `cluster-enabled` out"),
    ] {
        std::fs::write(&template, text).unwrap();
        let wrapper = wrapper(&zk, ports::free())
            .env("REDIS_CONF", template.to_string_lossy())
            .start();
        assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
        assert!(wrapper.log().contains(part), "{part} in {}", wrapper.log());
    }
    assert_eq!(zk.client().get("/redis/state").await.unwrap_or_default(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_redis_never_share_the_directory_that_a_template_names() {
    let zk = ZooKeeper::start().await;
    let shared = tempfile::tempdir().unwrap();
    let dir = shared.path().canonicalize().unwrap().display().to_string();
    let confs = tempfile::tempdir().unwrap();
    let conf = confs.path().join("redis.conf");
    std::fs::write(&conf, format!("dir {dir}\n")).unwrap();
    let first = wrapper(&zk, ports::free())
        .env("REDIS_CONF", conf.to_string_lossy())
        .start();
    first.wait_log("redis serves", SOON).await;
    let members = zk.client().children("/redis/members").await;

    let next = || wrapper(&zk, ports::free()).env("STOP_GRACE", "1s");
    let others = [
        next().env("REDIS_CONF", conf.to_string_lossy()).start(),
        next().arg("--").arg("--dir").arg(&dir).start(),
        next().arg("--").arg(format!("--dir {dir}")).start(),
        next().env("DATA_DIR", &dir).start(),
    ];
    let holder = format!("redis-server (process {})", first.child_pid().unwrap());
    for other in &others {
        assert_eq!(other.wait_exit(SOON).await, Exit::Code(73));
        let log = other.log();
        let error = log.lines().find(|line| line.contains("cannot start")).unwrap();
        for part in [dir.as_str(), &holder, "DATA_DIR"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(other.child_pid().is_none());
    }
    assert_eq!(zk.client().children("/redis/members").await, members);
}

#[tokio::test(flavor = "multi_thread")]
async fn zookeeper_away_at_the_start_is_waited_for() {
    let zk = ZooKeeper::start().await;
    zk.kill();
    let port = ports::free();
    let wrapper = wrapper(&zk, port).start();
    let log = wrapper.wait_log("zookeeper is not reachable", SOON).await;
    assert!(log.contains("ZK_HOSTS"), "the reason names the setting: {log}");
    zk.restart().await;
    wrapper.wait_log("redis serves", SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_work_throughout_and_are_never_shown() {
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(2)
        .password("s3cr et\"x")
        .start()
        .await;
    for node in group.all_redis() {
        let log = node.program().log();
        assert!(!log.contains("s3cr"), "{log}");
        for pid in [Some(node.program().pid()), node.program().child_pid()]
            .into_iter()
            .flatten()
        {
            let argv = std::fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap();
            assert!(!String::from_utf8_lossy(&argv).contains("s3cr"));
        }
        let child = node.program().child_pid().unwrap();
        let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap();
        assert!(
            !String::from_utf8_lossy(&environment).contains("s3cr"),
            "redis needs no copy of the secret"
        );
    }
}

/// A `replicaof` that is followed by `replicaof no one` would make Redis copy whoever listens at that port on its own host.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_names_a_master_costs_no_data() {
    let (zk, stranger) = tokio::join!(ZooKeeper::start(), testkit::Redis::start());
    stranger.set("stranger", "data").await;
    let dir = tempfile::tempdir().unwrap();
    let (conf, inner) = (dir.path().join("redis.conf"), dir.path().join("inner.conf"));
    std::fs::write(&inner, format!("slaveof nowhere.invalid {}\n", stranger.port())).unwrap();
    let text = format!(
        "include {}\nreplicaof nowhere.invalid {}\n",
        inner.display(),
        stranger.port()
    );
    std::fs::write(&conf, text).unwrap();
    let port = ports::free();
    let wrapper = wrapper(&zk, port)
        .env("REDIS_CONF", conf.display().to_string())
        .start();
    wrapper.wait_log("redis serves", SOON).await;
    let redis = testkit::RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    redis.set("mine", "important").await;
    wrapper.terminate();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(0));
    wrapper.restart();
    wrapper.wait_log("redis serves", SOON).await;
    // Redis tries its master once a second, at the replication cron's turn.
    let turns = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < turns {
        assert_eq!(redis.get("mine").await.as_deref(), Some("important"));
        assert_eq!(redis.get("stranger").await, None);
    }
    assert!(
        !wrapper.log().contains("Connecting to MASTER"),
        "{}",
        wrapper.log()
    );
    assert!(
        wrapper.log().contains("`slaveof` is overridden"),
        "{}",
        wrapper.log()
    );
}
