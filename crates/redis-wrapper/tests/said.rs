//! What a wrapper says where a person would otherwise wonder: one line, with what to look at.

use std::time::Duration;

use testkit::{Exit, Group, Program, ZooKeeper, eventually, http, ports};

const SOON: Duration = Duration::from_secs(20);

fn wrapper(zk: &ZooKeeper, port: u16) -> Program {
    Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", port.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_port_in_use_is_named() {
    let zk = ZooKeeper::start().await;
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let admin = taken.local_addr().unwrap().port();
    let wrapper = wrapper(&zk, ports::free())
        .env("ADMIN_PORT", admin.to_string())
        .start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(69));
    let log = wrapper.log();
    assert!(
        log.contains(&format!("ADMIN_PORT is {admin}")) && log.contains("in use"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_somebody_shuts_down_is_no_error() {
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(1).start().await;
    // The answer is the end of the connection.
    let _ = group.redis(0).command(&["SHUTDOWN"]).await;
    let wrapper = group.redis(0).program();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(0));
    let log = wrapper.log();
    assert!(log.contains("somebody else shut redis down"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_goes_on_with_an_empty_disk_says_so() {
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(1).start().await;
    let node = group.redis(0);
    node.set("key", "value").await;
    let warning = "goes on with an empty data set";
    for emptied in [false, true] {
        node.program().terminate();
        node.program().wait_exit(SOON).await;
        if emptied {
            std::fs::remove_dir_all(node.data_dir()).unwrap();
            std::fs::create_dir(node.data_dir()).unwrap();
        }
        node.program().restart();
        group.wait_settled(SOON).await;
        let told = node.program().log().contains(warning);
        assert_eq!(told, emptied, "{}", node.program().log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_answer_is_no_master_to_the_metrics() {
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts()).redis(1).start().await;
    let node = group.redis(0);
    let told = async || {
        let metrics = http::get(node.http(), "/metrics").await.ok()?.body;
        let number = |name: &str| {
            let line = metrics
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map(str::to_owned)
        };
        let role = http::get(node.http(), "/role").await.ok()?.json();
        let master = number("redis_zk_redis_master")?;
        let answers = number("redis_zk_redis_answers")?;
        Some((master, answers, role["answers"].as_bool()?))
    };
    let told_so = async |word: &str, answers: bool| {
        eventually("the page to follow", SOON, async || {
            let now = told().await.ok_or("no page".to_owned())?;
            if now == (word.to_owned(), word.to_owned(), answers) {
                Ok(())
            } else {
                Err(format!("{now:?}"))
            }
        })
        .await;
    };
    told_so("1", true).await;
    let redis = nix::unistd::Pid::from_raw(node.program().child_pid().unwrap().try_into().unwrap());
    nix::sys::signal::kill(redis, nix::sys::signal::Signal::SIGSTOP).unwrap();
    told_so("0", false).await;
    nix::sys::signal::kill(redis, nix::sys::signal::Signal::SIGCONT).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_says_what_holds_and_another_what_looks_like_a_slip() {
    let zk = ZooKeeper::start().await;
    let port = ports::free();
    let wrapper = wrapper(&zk, port)
        .env("REDIS_PASSWORD", "hunter2")
        .env("MASTERNAME", "sessions")
        .env("REDIS_HOST", "10.0.0.7")
        .start();
    wrapper.wait_log("redis serves", SOON).await;
    let log = wrapper.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("INFO program: starting"))
        .collect();
    let [line] = lines[..] else { panic!("{log}") };
    let port = format!("PORT0={port}");
    for word in [
        "redis-wrapper",
        "version=",
        "MASTER_NAME=master1",
        "LEASE=1500ms",
        "REDIS_PASSWORD=(set)",
        &port,
    ] {
        assert!(line.contains(word), "{word} is not in {line}");
    }
    assert!(
        log.contains("MASTERNAME is no setting and has no effect; is MASTER_NAME meant?"),
        "{log}"
    );
    assert!(!log.contains("REDIS_HOST") && !log.contains("hunter2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_cannot_be_is_one_of_the_listed_problems_and_nothing_is_made() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("not/yet");
    let refused = wrapper(&zk, ports::free())
        .env("ZK_HOSTS", "zk1:x,zk2:0")
        .env("DOWN_AFTER", "2000")
        .env("DATA_DIR", data.to_string_lossy())
        .env("RUN_AS", "nosuchuser")
        .start();
    assert_eq!(refused.wait_exit(SOON).await, Exit::Code(64));
    let log = refused.log();
    for words in [
        "RUN_AS: there is no user `nosuchuser`",
        "`zk1:x`",
        "`zk2:0`",
        "DOWN_AFTER: `2000` has no unit: write 2000ms or 2s",
    ] {
        assert!(log.contains(words), "{words} is not in {log}");
    }
    assert!(!dir.path().join("not").exists(), "{log}");
    let made = wrapper(&zk, ports::free())
        .env("DATA_DIR", data.to_string_lossy())
        .start();
    made.wait_log("redis serves", SOON).await;
    assert!(data.is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_only_root_can_read_is_refused_for_another_user() {
    use std::os::unix::fs::PermissionsExt;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED, not tested: RUN_AS needs root");
        return;
    }
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(dir.path(), 0o755);
    let (conf, data) = (dir.path().join("redis.conf"), dir.path().join("data"));
    std::fs::write(&conf, "maxmemory 100mb\n").unwrap();
    let start = || {
        wrapper(&zk, ports::free())
            .env("REDIS_CONF", conf.to_string_lossy())
            .env("DATA_DIR", data.to_string_lossy())
            .env("RUN_AS", "nobody")
            .start()
    };
    mode(&conf, 0o600);
    let refused = start();
    assert_eq!(refused.wait_exit(SOON).await, Exit::Code(64));
    let log = refused.log();
    assert!(
        log.contains("REDIS_CONF") && log.contains("cannot be read by `nobody`"),
        "{log}"
    );
    assert!(!data.exists(), "{log}");
    mode(&conf, 0o644);
    start().wait_log("redis serves", SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_redis_refuses_claims_nothing() {
    let zk = ZooKeeper::start().await;
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("redis.conf");
    std::fs::write(&conf, "maxmemory 100mb\nmaxmemorrry 100mb\n").unwrap();
    let wrapper = wrapper(&zk, ports::free())
        .env("REDIS_CONF", conf.to_string_lossy())
        .start();
    assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
    let log = wrapper.log();
    assert!(
        log.contains("redis-server refused its configuration") && log.contains("'maxmemorrry 100mb'"),
        "{log}"
    );
    assert_eq!(zk.client().get("/redis/state").await, None, "{log}");
    std::fs::write(&conf, "maxmemory 100mb\n").unwrap();
    wrapper.restart();
    wrapper.wait_log("redis serves", SOON).await;
    let log = wrapper.log();
    assert_eq!(log.matches("child started").count(), 1, "{log}");
    let generated = std::fs::read_dir(wrapper.own_dir()).unwrap();
    for entry in generated
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
    {
        let names = std::fs::read_dir(entry.path()).unwrap().filter_map(Result::ok);
        let left = names
            .filter(|file| file.file_name().to_string_lossy().contains("rehearsal"))
            .count();
        assert_eq!(left, 0, "the rehearsal leaves nothing");
    }
}
