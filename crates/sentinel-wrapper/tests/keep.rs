//! What happens to a Sentinel that runs: the master moves, ZooKeeper goes, ghosts come.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::time::Duration;

use common::{Group, NAME, SOON, Wrapper, add_member, registration};
use testkit::{Redis, Signal, eventually, http};
use topology::Addr;

async fn promote(redis: &Redis) {
    redis.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
}

#[tokio::test]
async fn told_of_a_higher_epoch_in_the_name_of_a_peer() {
    let group = Group::start(2, 1).await;
    let wrappers = group.wrappers(3).await;
    let pids: Vec<_> = wrappers
        .iter()
        .map(|wrapper| wrapper.program.child_pid())
        .collect();
    let next = &group.replicas[0];
    // A record alone is not believed: the node itself must say that it is master.
    group.record(next.addr(), 7).await;
    wrappers[0].program.wait_log("MasterUnconfirmed", SOON).await;
    assert_eq!(
        wrappers[0].sentinel.master(NAME).await.as_ref(),
        Some(group.master.addr())
    );
    promote(next).await;
    for wrapper in &wrappers {
        wrapper.wait_names(next.addr(), 7, SOON).await;
    }
    // The old master is a known replica now, and nobody is known twice.
    for (wrapper, pid) in wrappers.iter().zip(pids) {
        wrapper.sentinel.wait_knows(NAME, 2, 2, SOON).await;
        eventually("a quorum", SOON, async || wrapper.quorum().await).await;
        assert_eq!(wrapper.program.child_pid(), pid, "told, not started again");
    }
}

#[tokio::test]
async fn a_lone_sentinel_is_started_again() {
    let group = Group::start(1, 1).await;
    let wrapper = &group.wrappers(1).await[0];
    let path = wrapper.wait_registered(group.zk.client()).await;
    let (pid, id) = (wrapper.program.child_pid(), wrapper.id().await);
    promote(&group.replicas[0]).await;
    group.record(group.replicas[0].addr(), 7).await;
    wrapper.wait_names(group.replicas[0].addr(), 7, SOON).await;
    assert_ne!(wrapper.program.child_pid(), pid);
    assert_eq!(wrapper.id().await, id);
    assert_eq!(
        group.zk.client().get(&path).await,
        Some(wrapper.addr.contract()),
        "the program did not end"
    );
    // Removed by somebody: the same cure.
    wrapper
        .sentinel
        .command(&["SENTINEL", "REMOVE", NAME])
        .await
        .unwrap();
    wrapper.wait_names(group.replicas[0].addr(), 7, SOON).await;
}

#[tokio::test]
async fn everything_moved() {
    let mut group = Group::start(1, 1).await;
    let wrappers = group.wrappers(2).await;
    let zk = group.zk.client();
    for name in zk.children("/redis/members").await {
        zk.delete(&format!("/redis/members/{name}")).await;
    }
    group.master.kill();
    group.replicas.remove(0).kill();
    let master = Redis::start().await;
    let replica = Redis::builder().replica_of(master.addr()).start().await;
    add_member(zk, master.addr()).await;
    add_member(zk, replica.addr()).await;
    for wrapper in &wrappers {
        eventually("the master to look down", SOON, async || {
            wrapper
                .sentinel
                .field(NAME, "flags")
                .await
                .filter(|flags| flags.contains("s_down"))
        })
        .await;
    }
    group.record(master.addr(), 9).await;
    for wrapper in &wrappers {
        wrapper.wait_names(master.addr(), 9, SOON).await;
        // No dead address is left behind, where a stranger might appear and be enslaved.
        wrapper.sentinel.wait_knows(NAME, 1, 1, SOON).await;
    }
}

#[tokio::test]
async fn two_masters_of_one_epoch_are_a_persons_business() {
    let group = Group::start(1, 3).await;
    let wrapper = &group.wrappers(1).await[0];
    promote(&group.replicas[0]).await;
    group.record(group.replicas[0].addr(), 3).await;
    wrapper
        .program
        .wait_log("two masters share one epoch", SOON)
        .await;
    group.record(group.master.addr(), 2).await;
    group.record(group.replicas[0].addr(), 3).await;
    wrapper.wait_names(group.master.addr(), 3, SOON).await;
}

#[tokio::test]
async fn rescheduled_five_times_and_still_three() {
    let group = Group::start(1, 1).await;
    let mut wrappers = group.wrappers(3).await;
    let zk = group.zk.client();
    let slots = zk.children("/redis/identities").await;
    for _ in 0..5 {
        wrappers.remove(0).program.kill_tree();
        wrappers.push(group.wrapper());
        for wrapper in &wrappers {
            let mut living: Vec<u16> = wrappers.iter().map(|other| other.addr.port()).collect();
            living.retain(|port| *port != wrapper.addr.port());
            living.sort_unstable();
            eventually("exactly the living", SOON, async || {
                let known = wrapper.known_sentinels().await;
                if known == living {
                    Ok(())
                } else {
                    Err(format!("{known:?}, not {living:?}"))
                }
            })
            .await;
        }
    }
    for wrapper in &wrappers {
        eventually("a quorum", SOON, async || wrapper.quorum().await).await;
        wrapper.sentinel.wait_knows(NAME, 1, 2, SOON).await;
    }
    assert_eq!(
        zk.children("/redis/identities").await,
        slots,
        "the same three identities"
    );
    zk.wait_for_children("/redis/sentinels", 3, SOON).await;
}

#[tokio::test]
async fn ghosts_of_sentinels_and_replicas_are_forgotten() {
    let group = Group::start(1, 1).await;
    let wrappers = group.wrappers(3).await;
    let master = group.master.addr();
    let ghost = format!(
        "127.0.0.1,1,{},1,{NAME},127.0.0.1,{},1",
        "ab".repeat(20),
        master.port()
    );
    for wrapper in &wrappers {
        wrapper
            .sentinel
            .command(&["PUBLISH", "__sentinel__:hello", &ghost])
            .await
            .unwrap();
        wrapper.sentinel.wait_knows(NAME, 1, 3, SOON).await;
    }
    for wrapper in &wrappers {
        wrapper
            .sentinel
            .wait_knows(NAME, 1, 2, Duration::from_secs(30))
            .await;
        eventually("a quorum", SOON, async || wrapper.quorum().await).await;
    }
}

#[tokio::test]
async fn zookeeper_away_stops_nothing() {
    let group = Group::start(1, 1).await;
    let (port, admin) = (testkit::ports::free(), testkit::ports::free());
    let data = group.data_dir("one");
    let program = common::program(&group.zk.hosts(), port, &data).env("ADMIN_PORT", admin.to_string());
    let wrapper = Wrapper::start(port, program);
    let admin = Addr::new("127.0.0.1", admin).unwrap();
    let page = async |path: &str| {
        http::get(&admin, path)
            .await
            .map(|answer| answer.status)
            .unwrap_or_default()
    };
    eventually("ready", SOON, async || page("/ready").await == 200).await;
    let pid = wrapper.program.child_pid();
    group.zk.kill();
    eventually("not ready", SOON, async || page("/ready").await == 503).await;
    let end = tokio::time::Instant::now() + Duration::from_secs(8);
    while tokio::time::Instant::now() < end {
        assert_eq!(page("/healthz").await, 200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(
        wrapper.sentinel.master(NAME).await.as_ref(),
        Some(group.master.addr())
    );
    group.zk.restart().await;
    eventually("registered again", SOON, async || {
        registration(group.zk.client(), &wrapper.addr).await
    })
    .await;
    eventually("ready again", SOON, async || page("/ready").await == 200).await;
    assert_eq!(wrapper.program.child_pid(), pid, "never touched");
    let role = http::get(&admin, "/role").await.unwrap().json();
    assert_eq!(
        (role["role"].as_str(), role["in_step"].as_bool()),
        (Some("sentinel"), Some(true)),
        "{role}"
    );
    let metrics = http::get(&admin, "/metrics").await.unwrap().body;
    assert!(metrics.contains("redis_zk_sentinel_in_step 1"), "{metrics}");
}

#[tokio::test]
async fn an_identity_that_was_taken_is_given_up() {
    let group = Group::start(0, 1).await;
    let wrapper = &group.wrappers(1).await[0];
    let zk = group.zk.client();
    wrapper.wait_registered(zk).await;
    let id = wrapper.id().await;
    let holder = format!("/redis/identities/{id}/holder");
    zk.wait_for_data(&holder, &wrapper.addr.contract(), SOON).await;
    wrapper.program.stop();
    zk.wait_for(&holder, SOON, |data| data.is_none()).await;
    zk.create_ephemeral(&holder, "127.0.0.1 1").await;
    wrapper.program.signal(Signal::SIGCONT);
    eventually("another run id", SOON, async || {
        Some(wrapper.id().await).filter(|now| *now != id)
    })
    .await;
    wrapper.wait_registered(zk).await;
    wrapper
        .program
        .wait_log("another sentinel took this run id", SOON)
        .await;
}
