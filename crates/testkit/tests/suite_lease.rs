//! Writes have one home: a master that is cut off stops by itself, and one that is not is left alone.

use std::time::{Duration, Instant};

use testkit::{
    Group, Kind, Need, NodeWriter, RunningGroup, Signal, ZooKeeper, eventually, http, require, soak,
};
use tokio::task::JoinSet;
use topology::Role;

const LONG: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_millis(1500);
/// The fence's own deadline.
const FENCE: Duration = Duration::from_millis(200);
/// What a test's own clock and a busy machine may add.
const SLACK: Duration = Duration::from_millis(150);

async fn group(zk: &ZooKeeper) -> RunningGroup {
    Group::new(&zk.hosts())
        .redis(3)
        .sentinels(3)
        // These tests are about the fence; stock failovers have tests of their own.
        .env(Kind::Sentinel, "DOWN_AFTER", "30s")
        .watchers(1)
        .start()
        .await
}

/// Waits until `/metrics` of a node has this line.
async fn metric(group: &RunningGroup, node: usize, line: &str) {
    eventually(line, LONG, async || {
        let page = http::get(group.redis(node).http(), "/metrics")
            .await
            .map_err(|error| error.to_string())?;
        let text = page.body;
        if text.lines().any(|found| found == line) {
            return Ok(());
        }
        let about: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("lease") || line.contains("fences"))
            .collect();
        Err(about.join("\n"))
    })
    .await;
}

async fn held(group: &RunningGroup, node: usize) {
    metric(group, node, "redis_zk_redis_lease{state=\"held\"} 1").await;
    // Not only begun: renewed, and the votes of the Sentinels known.
    let renewed = async || {
        let lease = group.zk().get(&group.path("lease")).await.unwrap_or_default();
        let holder = format!("\"holder\":\"{}\"", group.redis(node).addr());
        lease.contains(&holder).then_some(()).ok_or(lease)
    };
    eventually("the lease in ZooKeeper", LONG, renewed).await;
}

fn cut_off(group: &RunningGroup, zk: &ZooKeeper) -> Instant {
    for index in [0, 1] {
        group.sentinel(index).program().kill_tree();
    }
    zk.stop();
    Instant::now()
}

async fn fenced(group: &RunningGroup, node: usize) {
    eventually("the fence", LONG, async || {
        let role = group.redis(node).role().await;
        match &role {
            Some(role) if role.is_fenced() => Ok(()),
            _ => Err(format!(
                "{role:?}; its log ends:\n{}",
                group.redis(node).program().log_tail()
            )),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zookeeper_away_refuses_no_write_while_the_sentinels_stand_in() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let master = group.master().await;
    held(&group, master).await;
    let away = Duration::from_secs(soak::rounds(12, 30) as u64);
    for halted in [false, true] {
        let writer = group.writer().start();
        writer.wait_write(LONG).await;
        if halted {
            zk.stop();
        } else {
            zk.kill();
        }
        let since = Instant::now();
        let stands_in = "a majority of the sentinels stands in";
        let log = group.redis(master).program();
        log.wait_log(stands_in, LONG).await;
        eventually("the outage to be over", LONG, async || since.elapsed() > away).await;
        let written = writer.stop();
        let accepted = written.writes().len() as u64;
        let tried = written.writes().last().unwrap().number + 1;
        assert_eq!(tried, accepted, "its log ends:\n{}", log.log_tail());
        assert!(!log.log().contains("fencing redis"), "{}", log.log_tail());
        if halted {
            zk.cont();
        } else {
            zk.restart().await;
        }
        assert_eq!(group.wait_settled(LONG).await, master);
        held(&group, master).await;
        soak::report(
            "ZooKeeper away, Sentinels there",
            1,
            &format!("{away:?}, halted {halted}: {tried} writes, 0 refused"),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_from_both_it_takes_no_write_after_its_lease_and_is_master_again_after() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let master = group.master().await;
    let mut stopped = Vec::new();
    for _ in 0..soak::rounds(2, 20) {
        held(&group, master).await;
        let writes = NodeWriter::start(group.redis(master));
        let cut = cut_off(&group, &zk);
        fenced(&group, master).await;
        let health = http::get(group.redis(master).http(), "/healthz").await.unwrap();
        let body = health.body;
        assert!(
            health.status == 200 && body.contains("fenced: its lease is over"),
            "{body}"
        );
        assert_eq!(
            http::get(group.redis(master).http(), "/ready")
                .await
                .unwrap()
                .status,
            503
        );
        metric(&group, master, "redis_zk_redis_lease{state=\"fenced\"} 1").await;
        let role = async || {
            let page = http::get(group.redis(master).http(), "/role")
                .await
                .map_err(|e| e.to_string())?;
            let said = page.body.contains("\"fenced\":\"its lease is over");
            said.then_some(()).ok_or(page.body)
        };
        eventually("the member to say so", LONG, role).await;
        eventually("some time without writes", LONG, async || {
            cut.elapsed() > LEASE * 2
        })
        .await;
        let tried = writes.stop().await;
        let last = tried.iter().rfind(|write| write.accepted).unwrap().ended;
        let late = tried
            .iter()
            .filter(|write| write.accepted && write.ended > cut + LEASE + FENCE + SLACK);
        assert_eq!(late.count(), 0, "writes after the fence");
        stopped.push(last.saturating_duration_since(cut));
        // ZooKeeper alone is enough to be master again.
        zk.cont();
        let back = Instant::now();
        eventually("it to be master again", LONG, async || {
            group.redis(master).role().await == Some(Role::Master)
        })
        .await;
        assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
        for index in [0, 1] {
            group.sentinel(index).program().restart();
        }
        assert_eq!(group.wait_settled(LONG).await, master);
        metric(&group, master, "redis_zk_redis_lease{state=\"held\"} 1").await;
    }
    soak::report(
        "cut off from ZooKeeper and two of three Sentinels: last write accepted after",
        stopped.len(),
        &soak::spread(&stopped),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn when_another_has_become_master_meanwhile_it_is_followed() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let master = group.master().await;
    held(&group, master).await;
    // The wrapper loses ZooKeeper and the Sentinels; nobody else does, and one of them promotes another.
    let wrapper = group.redis(master).program();
    wrapper.stop();
    let sentinel = group.sentinel(0);
    sentinel
        .command(&["SENTINEL", "FAILOVER", group.name()])
        .await
        .unwrap();
    let old = group.redis(master).addr().clone();
    eventually("another master in ZooKeeper", LONG, async || {
        let named = group.zk().get(&group.path("master")).await.unwrap_or_default();
        (!named.is_empty() && named != old.contract())
            .then_some(())
            .ok_or(named)
    })
    .await;
    wrapper.cont();
    let new = group.wait_settled(LONG).await;
    assert_ne!(new, master);
    held(&group, new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_host_fences_before_it_asks_and_follows_who_replaced_it() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let master = group.master().await;
    held(&group, master).await;
    let wrapper = group.redis(master).program();
    let redis = nix::unistd::Pid::from_raw(wrapper.child_pid().unwrap().try_into().unwrap());
    nix::sys::signal::kill(redis, Signal::SIGSTOP).unwrap();
    wrapper.stop();
    let since = Instant::now();
    eventually("five seconds", LONG, async || {
        since.elapsed() > Duration::from_secs(5)
    })
    .await;
    nix::sys::signal::kill(redis, Signal::SIGCONT).unwrap();
    wrapper.cont();
    wrapper.wait_log("stood still for", LONG).await;
    wrapper.wait_log("redis is fenced", LONG).await;
    wrapper.wait_log("it follows a master", LONG).await;
    assert_ne!(
        group.wait_settled(LONG).await,
        master,
        "its lease was over, so another took its place"
    );
    metric(
        &group,
        master,
        "redis_zk_redis_fences_total{reason=\"clock-jumped\"} 1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_take_the_fence_is_killed() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = group(&zk).await;
    let master = group.master().await;
    held(&group, master).await;
    let client = testkit::RedisClient::clone(group.redis(master));
    let script = "local n = 0 while true do n = n + 1 redis.call('set', 'busy', n) end";
    let mut busy = JoinSet::new();
    busy.spawn(async move { client.command(&["EVAL", script, "0"]).await.is_err() });
    let wrapper = group.redis(master).program();
    let redis = nix::unistd::Pid::from_raw(wrapper.child_pid().unwrap().try_into().unwrap());
    let cut = cut_off(&group, &zk);
    eventually("redis to be gone", LONG, async || {
        nix::sys::signal::kill(redis, None).is_err()
    })
    .await;
    let gone = cut.elapsed();
    let exit = wrapper.wait_exit(LONG).await;
    assert_eq!(exit, testkit::Exit::Code(137), "{}", wrapper.log_tail());
    assert!(gone < LEASE + FENCE + SLACK, "{gone:?}");
    assert!(
        wrapper.log().contains("did not take the fence"),
        "{}",
        wrapper.log_tail()
    );
    assert!(
        busy.join_next().await.unwrap().unwrap(),
        "the script ended with its Redis"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_fenced_whom_nobody_could_replace() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    // A lone node with Sentinels, and two nodes without.
    let lone = Group::new(&zk.hosts())
        .root("/lone")
        .redis(1)
        .sentinels(3)
        .start()
        .await;
    let two = Group::new(&zk.hosts()).root("/two").redis(2).start().await;
    let masters = [(&lone, lone.master().await), (&two, two.master().await)];
    for (group, master) in masters {
        metric(group, master, "redis_zk_redis_lease{state=\"free\"} 1").await;
    }
    zk.kill();
    for sentinel in lone.all_sentinels() {
        sentinel.program().kill_tree();
    }
    let since = Instant::now();
    eventually("several leases", LONG, async || {
        for (group, master) in masters {
            group.redis(master).set("still", "here").await;
        }
        since.elapsed() > LEASE * 4
    })
    .await;
}
