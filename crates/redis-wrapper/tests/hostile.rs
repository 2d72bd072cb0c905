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
        "line 2: `port`",
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
async fn zookeeper_away_at_the_start_is_waited_for() {
    let zk = ZooKeeper::start().await;
    zk.kill();
    let port = ports::free();
    let wrapper = wrapper(&zk, port).start();
    let log = wrapper.wait_log("waiting for zookeeper", SOON).await;
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
