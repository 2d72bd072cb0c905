//! A redis.conf that was written for a Redis without wrapper.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use testkit::{Exit, Program, RedisClient, ZooKeeper, ports};

const SOON: Duration = Duration::from_secs(20);
const STOCK: &str = "/etc/redis/redis.conf";

fn wrapper(zk: &ZooKeeper, port: u16, conf: &Path) -> Program {
    Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
        .env("REDIS_CONF", conf.to_string_lossy())
}

/// An address of this host that is not loopback, where it has one; nothing is sent.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(("10.255.255.254", 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}

async fn setting(redis: &RedisClient, name: &str) -> String {
    let answer = redis.command(&["CONFIG", "GET", name]).await.unwrap();
    testkit::text(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_distributions_redis_conf_serves_other_hosts() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("redis.conf");
    let stock = std::fs::read_to_string(STOCK).unwrap_or_else(|error| {
        eprintln!("{STOCK}: {error}; its lines that matter are used instead");
        "bind 127.0.0.1 -::1\nprotected-mode yes\ndaemonize yes\n".to_owned()
    });
    std::fs::write(&conf, stock).unwrap();
    let ip = outward().unwrap_or_else(|| {
        eprintln!("this host has no address but loopback: that others get in is not tested");
        Ipv4Addr::LOCALHOST.into()
    });
    let port = ports::free();
    let wrapper = wrapper(&zk, port, &conf)
        .env("BIND_IP", ip.to_string())
        .arg("--")
        .arg("--dir")
        .arg(dir.path())
        .start();
    wrapper.wait_log("redis serves role=\"master\"", SOON).await;
    let log = wrapper.log();
    assert!(
        log.contains("`protected-mode` is overridden: peers connect from other hosts; REDIS_PASSWORD"),
        "{log}"
    );
    let redis = RedisClient::new(&format!("{ip}:{port}").parse().unwrap(), None);
    redis.set("from", "another host").await;
    let protected = setting(&redis, "protected-mode").await;
    assert!(protected.contains("no"), "{protected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_no_write_and_shows_itself_whatever_redis_conf_says() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("redis.conf");
    std::fs::write(&conf, "slave-read-only no\n").unwrap();
    let port = ports::free();
    let wrapper = wrapper(&zk, port, &conf)
        .arg("--")
        .arg("--replica-announced")
        .arg("no")
        .start();
    wrapper.wait_log("redis serves role=\"master\"", SOON).await;
    let log = wrapper.log();
    for named in [
        "REDIS_CONF line 1: `slave-read-only` is overridden",
        "argument `--replica-announced`: `replica-announced` is overridden",
    ] {
        assert!(log.contains(named), "{named} in {log}");
    }
    let redis = RedisClient::new(&format!("127.0.0.1:{port}").parse().unwrap(), None);
    for name in ["replica-read-only", "replica-announced"] {
        let answer = setting(&redis, name).await;
        assert!(answer.contains("yes"), "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_command_that_is_needed_claims_nothing() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("redis.conf");
    std::fs::write(&conf, "rename-command FLUSHALL \"\"\n").unwrap();
    let fine = wrapper(&zk, ports::free(), &conf).start();
    fine.wait_log("redis serves", SOON).await;
    fine.terminate();
    assert_eq!(fine.wait_exit(SOON).await, Exit::Code(0));
    let before = zk.client().get("/redis/state").await;

    let refused = wrapper(&zk, ports::free(), &conf)
        .arg("--")
        .arg("--rename-command")
        .arg("config")
        .arg("")
        .start();
    assert_eq!(refused.wait_exit(SOON).await, Exit::Code(64));
    let log = refused.log();
    let reason = "argument `--rename-command`: the command CONFIG is sent by the wrapper and the Sentinels";
    assert!(log.contains(reason) && refused.child_pid().is_none(), "{log}");
    assert_eq!(zk.client().get("/redis/state").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_shut_the_wrapper_out_claim_nothing() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (conf, users) = (dir.path().join("redis.conf"), dir.path().join("users.acl"));
    std::fs::write(&users, "user default on >s3cret ~* &* +@all\n").unwrap();
    let aclfile = format!("aclfile {}\n", users.display());
    for (text, part) in [
        (
            "user default on >s3cret ~* &* +@all\n",
            "line 1: the user `default` needs a password",
        ),
        (&aclfile, "users.acl: the user `default` needs a password"),
        (
            &format!("{aclfile}user app on\n"),
            "no `user` beside an `aclfile`",
        ),
        ("aclfile none.acl\n", "none.acl cannot be read"),
    ] {
        std::fs::write(&conf, text).unwrap();
        let wrapper = wrapper(&zk, ports::free(), &conf).start();
        assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
        let log = wrapper.log();
        assert!(log.contains(part) && !log.contains("s3cret"), "{part} in {log}");
        assert!(wrapper.child_pid().is_none());
    }
    assert_eq!(zk.client().get("/redis/state").await.unwrap_or_default(), "");

    std::fs::write(&conf, &aclfile).unwrap();
    let wrapper = wrapper(&zk, ports::free(), &conf)
        .env("REDIS_PASSWORD", "s3cret")
        .start();
    wrapper.wait_log("redis serves", SOON).await;
}
