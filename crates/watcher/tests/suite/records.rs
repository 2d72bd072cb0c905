//! What stands in ZooKeeper, however it came there, is put right and never read wrongly.

use std::time::Duration;

use testkit::{Redis, ZooKeeper, eventually};
use topology::{Addr, Epoch};
use uuid::Uuid;
use zkpaths::{Cause, Further, Phase, RecordedMaster, State};

use crate::group::{DEADLINE, Group, MASTER, STATE, Watching, servers};

const NAMED: &str = "/redis/masters/master1";

fn state(addr: &Addr, epoch: u64, phase: Phase) -> State {
    State {
        group: Uuid::from_u128(7),
        name: "master1".parse().unwrap(),
        epoch: Epoch(epoch),
        master: RecordedMaster {
            addr: addr.clone(),
            run_id: None,
        },
        phase,
        cause: Cause::FirstStart,
        since_ms: 1_700_000_000_000,
        replaces: None,
        known: None,
        further: Further::default(),
    }
}

async fn write_state(zk: &ZooKeeper, state: &State) {
    zk.client()
        .set(STATE, &String::from_utf8(state.encode()).unwrap())
        .await;
}

#[tokio::test]
async fn wrong_and_malformed_records_are_put_right() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    for (name, garbage) in [
        ("a", ""),
        ("b", "nonsense"),
        ("c", "127.0.0.1 99999"),
        ("d", "{\"host\":1}"),
    ] {
        group.register(name, garbage).await;
    }
    let watching = group.watcher().await;
    let (zk, master) = (group.zk.client(), group.nodes[0].addr());
    group.wait_master(master, DEADLINE).await;
    let first = group.state().await.unwrap();
    assert_eq!(
        (&first.cause, &first.phase, &first.master.addr),
        (&Cause::Repair, &Phase::Settled, master)
    );
    assert!(first.master.run_id.is_some());
    watching
        .program
        .wait_log("unreadable Sentinel registration ignored", DEADLINE)
        .await;
    assert_eq!(
        watching.number("redis_zk_watcher_sentinels_registered").await,
        Some(3.0)
    );

    let in_time = Duration::from_secs(3);
    let newline = format!("{}\n", master.contract());
    for wrong in [
        "",
        "garbage",
        &group.nodes[1].addr().contract(),
        &newline,
        "\u{fffd}\u{0}",
    ] {
        zk.set(MASTER, wrong).await;
        group.wait_master(master, in_time).await;
    }
    for wrong in ["x y z", ""] {
        zk.set(NAMED, wrong).await;
        // It is not watched; the next look finds it.
        zk.wait_for_data(NAMED, &master.contract(), Duration::from_secs(8))
            .await;
    }
    zk.delete(MASTER).await;
    group.wait_master(master, in_time).await;
    assert_eq!(group.state().await.unwrap(), first);

    for wrong in ["{", "", "[1,2]", "{\"epoch\":\"high\"}", "\u{fffd}"] {
        zk.set(STATE, wrong).await;
        eventually("the state to be recorded again", in_time, async || {
            group.state().await
        })
        .await;
        let again = group.state().await.unwrap();
        assert_eq!((again.epoch, &again.master.addr), (first.epoch, master));
        assert_ne!(again.group, first.group);
    }
    let line = watching
        .program
        .wait_log(r#"unreadable znode path="state""#, DEADLINE)
        .await;
    assert!(line.contains('{'), "{line}");
}

#[tokio::test]
async fn without_sentinels_the_state_is_the_authority_and_a_claim_is_settled() {
    if !servers() {
        return;
    }
    let (zk, redis) = tokio::join!(ZooKeeper::start(), Redis::start());
    write_state(&zk, &state(redis.addr(), 3, Phase::Claimed)).await;
    let watching = Watching::start(zk.hosts());
    watching.ready().await;
    zk.client()
        .wait_for_data(MASTER, &redis.addr().contract(), DEADLINE)
        .await;
    let data = zk.client().get(STATE).await.unwrap();
    let settled = State::decode(data.as_bytes()).unwrap().unwrap();
    assert_eq!((settled.phase, settled.epoch), (Phase::Settled, Epoch(3)));
    assert_eq!(
        (settled.group, settled.cause),
        (Uuid::from_u128(7), Cause::FirstStart)
    );
    let run_id = redis.info("run_id").await.unwrap();
    assert_eq!(settled.master.run_id.unwrap().as_str(), run_id);

    // A dead address is never written back.
    redis.kill();
    zk.client().set(MASTER, "").await;
    eventually("the watcher to have looked", DEADLINE, async || {
        let status = watching.get("/v1/status").await.json();
        status["watcher"]["last_outcome"] == "not-master-yet"
    })
    .await;
    assert_eq!(zk.client().get(MASTER).await.as_deref(), Some(""));
    redis.restart().await;
    zk.client()
        .wait_for_data(MASTER, &redis.addr().contract(), Duration::from_secs(3))
        .await;
}

/// During an update two versions share the tree.
#[tokio::test]
async fn what_a_newer_version_wrote_is_left_until_the_sentinels_move_on() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let (zk, master) = (group.zk.client(), group.nodes[0].addr());
    let text = |phase: &str| {
        format!(
            r#"{{"group":"00000000-0000-0000-0000-000000000007","name":"master1","epoch":0,"master":{{"addr":"{master}"}},"phase":{phase},"cause":"eclipse","since_ms":1,"shadow":{{"of":"moon"}}}}"#
        )
    };
    let watching = Watching::start(group.zk.hosts());
    for (phase, outcome) in [
        (r#"{"draining":3}"#, "newer-record"),
        (r#""draining""#, "unknown-phase"),
    ] {
        let newer = text(phase);
        zk.set(STATE, &newer).await;
        eventually("the watcher to have looked", DEADLINE, async || {
            let status = watching.get("/v1/status").await.json();
            status["watcher"]["last_outcome"] == outcome
        })
        .await;
        assert_eq!(zk.get(STATE).await, Some(newer));
        watching.program.wait_log(outcome, DEADLINE).await;
    }
    assert_eq!(zk.get(MASTER).await.as_deref(), Some(""));

    // What is understood is completed, and what is not understood of it kept.
    zk.set(STATE, &text(r#""claimed""#)).await;
    group.wait_master(master, DEADLINE).await;
    let settled = group.state().await.unwrap();
    assert_eq!(settled.cause, Cause::Other("eclipse".to_owned()));
    assert_eq!(settled.further.names().collect::<Vec<_>>(), ["shadow"]);

    zk.set(STATE, &text(r#""draining""#)).await;
    group.nodes[0].kill();
    let to = group.new_master(master).await;
    group.wait_master(&to, DEADLINE).await;
    let after = group.state().await.unwrap();
    assert_eq!((after.group, after.phase), (settled.group, Phase::Settled));
    assert_eq!(after.further, Further::default());
}

#[tokio::test]
async fn a_higher_recorded_epoch_is_not_overwritten() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    // The Sentinels have epoch 0; whoever wrote this knew better.
    write_state(&group.zk, &state(group.nodes[0].addr(), 9, Phase::Settled)).await;
    let watching = group.watcher().await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
    watching.program.wait_log("sentinels-stale", DEADLINE).await;
    assert_eq!(group.state().await.unwrap().epoch, Epoch(9));
}

#[tokio::test]
async fn one_epoch_with_two_masters_is_told_and_left_to_a_person() {
    if !servers() {
        return;
    }
    let group = Group::start().await;
    let lone = Redis::start().await;
    let before = state(lone.addr(), 0, Phase::Settled);
    write_state(&group.zk, &before).await;
    let watching = group.watcher().await;
    watching
        .program
        .wait_log("two masters in one epoch", DEADLINE)
        .await;
    assert_eq!(group.state().await, Some(before));
    let conflicts = watching.number("redis_zk_watcher_conflicts_total").await;
    assert!(conflicts >= Some(1.0), "{conflicts:?}");

    // The person decides; the next epoch says so.
    lone.kill();
    eventually("the Sentinels' master to be recorded", DEADLINE, async || {
        group.state().await.filter(|state| state.epoch == Epoch(1))
    })
    .await;
    group.wait_master(group.nodes[0].addr(), DEADLINE).await;
}
