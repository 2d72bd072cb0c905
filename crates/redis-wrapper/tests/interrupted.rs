//! A wrapper that ends in the middle of its start: whoever comes next finishes, and nobody waits for the dead.

use std::time::{Duration, Instant};

use testkit::{Exit, Program, Running, Signal, ZooKeeper, ports};

const SOON: Duration = Duration::from_secs(25);

/// What the log says at each step of a start, in order.
const STEPS: &[&str] = &[
    "zookeeper session is up",
    "role decided",
    "child started",
    "Running mode=standalone",
    "Ready to accept connections",
    "master published",
    "redis serves",
];

fn wrapper(zk: &ZooKeeper, root: &str) -> Running {
    Program::new("redis-wrapper")
        .env("ZK_HOSTS", zk.hosts())
        .env("ZK_ROOT", root)
        .env("BIND_IP", "127.0.0.1")
        .env("PORT0", ports::free().to_string())
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_at_any_step_it_ends_clean_and_soon() {
    let zk = ZooKeeper::start().await;
    for (index, step) in STEPS.iter().enumerate() {
        let wrapper = wrapper(&zk, &format!("/term-{index}"));
        wrapper.wait_log(step, SOON).await;
        let start = Instant::now();
        wrapper.terminate();
        assert_eq!(
            wrapper.wait_exit(SOON).await,
            Exit::Code(0),
            "at `{step}`:\n{}",
            wrapper.log_tail()
        );
        assert!(
            start.elapsed() < Duration::from_secs(7),
            "at `{step}` after {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_it_is_replaced() {
    let zk = ZooKeeper::start().await;
    for (index, step) in STEPS.iter().enumerate() {
        let root = format!("/kill-{index}");
        let first = wrapper(&zk, &root);
        first.wait_log(step, SOON).await;
        first.signal(Signal::SIGKILL);
        let second = wrapper(&zk, &root);
        let line = second.wait_log("redis serves", SOON).await;
        assert!(line.contains("role=\"master\""), "after `{step}`: {line}");
        let master = zk
            .client()
            .get(&format!("{root}/master"))
            .await
            .unwrap_or_default();
        assert!(
            line.contains(&master.replace(' ', ":")),
            "after `{step}`: {master:?}, {line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_redis_refuses_is_asked_for_again() {
    let zk = ZooKeeper::start().await;
    let group = testkit::Group::new(&zk.hosts()).redis(1).start().await;
    let node = group.redis(0);
    // It refuses as long as it cannot save; then it can again.
    node.set("key", "value").await;
    let dump = node
        .program()
        .launch()
        .env
        .iter()
        .find(|(name, _)| name == "DATA_DIR")
        .unwrap()
        .1
        .clone()
        + "/dump.rdb";
    std::fs::create_dir(&dump).unwrap();
    node.program().terminate();
    node.program()
        .wait_log("Error trying to save the DB, can't exit", SOON)
        .await;
    std::fs::remove_dir(&dump).unwrap();
    assert_eq!(
        node.program().wait_exit(SOON).await,
        Exit::Code(0),
        "{}",
        node.program().log_tail()
    );
}
