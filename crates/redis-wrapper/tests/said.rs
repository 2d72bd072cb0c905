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
