//! What happens to a Sentinel that runs: the master moves, ZooKeeper goes, ghosts come.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::time::{Duration, Instant};

use common::{Group, NAME, SOON, Wrapper, add_member, registration, remove_member};
use testkit::{Redis, Signal, eventually, http};
use topology::Addr;

/// The hello of a Sentinel that never was.
fn ghost_of(master: &Addr) -> String {
    let id = "ab".repeat(20);
    format!("127.0.0.1,1,{id},1,{NAME},127.0.0.1,{},1", master.port())
}

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
async fn a_sentinel_that_never_was_is_forgotten() {
    let group = Group::start(1, 1).await;
    let wrappers = group.wrappers(3).await;
    let ghost = ghost_of(group.master.addr());
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

/// Half a minute goes by first: Redis nodes restart slowly, and are not to be forgotten for that.
#[tokio::test]
async fn a_replica_that_is_gone_is_forgotten() {
    let mut group = Group::start(2, 1).await;
    let wrappers = group.wrappers(2).await;
    let gone = group.replicas.remove(0);
    remove_member(group.zk.client(), gone.addr()).await;
    gone.kill();
    let begun = Instant::now();
    for wrapper in &wrappers {
        wrapper
            .sentinel
            .wait_knows(NAME, 1, 1, Duration::from_secs(90))
            .await;
        eventually("a quorum", SOON, async || wrapper.quorum().await).await;
        let line = wrapper.program.wait_log("ghosts removed", SOON).await;
        assert!(line.contains(&format!("replica {}", gone.addr())), "{line}");
    }
    let patience = sentinel_wrapper::ghosts::REPLICA_PATIENCE;
    assert!(begun.elapsed() >= patience, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn surplus_run_ids_are_removed_and_none_that_is_held() {
    let group = Group::start(0, 1).await;
    let zk = group.zk.client();
    for n in 1..=20 {
        let id = format!("{n:02x}").repeat(20);
        zk.create(&format!("/redis/identities/{id}"), "").await;
    }
    // In the middle of those that would go, by their order.
    let held = "13".repeat(20);
    zk.create_ephemeral(&format!("/redis/identities/{held}/holder"), "")
        .await;
    let wrapper = &group.wrappers(1).await[0];
    let id = wrapper.id().await;
    let left = zk
        .wait_for_children("/redis/identities", sentinel_wrapper::ghosts::FREE_KEPT + 2, SOON)
        .await;
    assert!(left.contains(&id) && left.contains(&held), "{left:?}");
}

/// Forgetting takes as long as the Sentinel needs to know the living again, or twelve seconds.
#[tokio::test]
async fn systemd_hears_of_us_also_while_a_sentinel_recovers() {
    let group = Group::start(0, 1).await;
    // A member that no Sentinel will ever find.
    add_member(group.zk.client(), &Addr::new("127.0.0.1", 1).unwrap()).await;
    let port = testkit::ports::free();
    let data = group.data_dir("one");
    let socket = data.join("notify");
    let systemd = tokio::net::UnixDatagram::bind(&socket).unwrap();
    let program = common::program(&group.zk.hosts(), port, &data)
        .env("NOTIFY_SOCKET", socket.display().to_string())
        .env("WATCHDOG_USEC", "3000000");
    let wrapper = Wrapper::start(port, program);
    wrapper.wait_registered(group.zk.client()).await;
    let ghost = ghost_of(group.master.addr());
    wrapper
        .sentinel
        .command(&["PUBLISH", "__sentinel__:hello", &ghost])
        .await
        .unwrap();
    let mut beats = vec![Instant::now()];
    let mut word = [0; 1000];
    while !wrapper.program.log().contains("ghosts removed") {
        let heard = tokio::time::timeout(Duration::from_secs(3), systemd.recv(&mut word)).await;
        let length = heard.expect("a watchdog would have fired").unwrap();
        if word[..length].starts_with(b"WATCHDOG=1") {
            beats.push(Instant::now());
        }
        assert!(
            beats[0].elapsed() < Duration::from_secs(60),
            "{}",
            wrapper.program.log()
        );
    }
    let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    assert!(
        wrapper.program.log().contains("recovered=false"),
        "the longest way"
    );
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
