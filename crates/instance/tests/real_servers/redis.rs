//! The commands to a Redis, on a real one.

use crate::common::{DEADLINE, PATIENCE, dialer, nobody, promptly};
use instance::{InstanceError, ShutdownMode, Silence};
use testkit::eventually;
use topology::{LinkStatus, Role};

#[tokio::test]
async fn a_node_follows_and_is_promoted() {
    let (first, second) = tokio::join!(testkit::Redis::start(), testkit::Redis::start());
    let (master, other) = (
        dialer().redis(first.addr()).await.unwrap(),
        dialer().redis(second.addr()).await.unwrap(),
    );
    assert_eq!(other.role().await.unwrap(), Role::Master);
    other.follow_master(first.addr()).await.unwrap();
    let replica = Role::Replica {
        of: first.addr().clone(),
    };
    assert_eq!(other.role().await.unwrap(), replica);
    second.wait_replica_of(first.addr(), PATIENCE).await;

    first.set("key", "value").await;
    let (of_master, of_replica) = eventually("equal offsets", PATIENCE, async || {
        let (a, b) = (master.snapshot().await.unwrap(), other.snapshot().await.unwrap());
        (a.replication.offset == b.replication.offset).then_some((a, b))
    })
    .await;
    assert_eq!(of_master.replication.role, Role::Master);
    assert_eq!(of_master.replication.connected_replicas, 1);
    assert_eq!(of_replica.replication.role, replica);
    assert_eq!(of_replica.replication.link, Some(LinkStatus::Up));
    assert_eq!(of_replica.replication.id, of_master.replication.id);
    assert_ne!(of_replica.run_id, of_master.run_id);
    assert_eq!(Some(of_master.server_version), first.info("redis_version").await);

    other.promote().await.unwrap();
    assert_eq!(other.role().await.unwrap(), Role::Master);
    let promoted = other.snapshot().await.unwrap();
    assert_eq!(promoted.replication.second_id, of_master.replication.id);
    assert_eq!(second.get("key").await.as_deref(), Some("value"));
}

#[tokio::test]
async fn settings_are_read_and_changed() {
    let server = testkit::Redis::start().await;
    let redis = dialer().redis(server.addr()).await.unwrap();
    redis.ping().await.unwrap();
    redis.config_set("replica-priority", "7").await.unwrap();
    assert_eq!(
        redis.config_get("replica-priority").await.unwrap().as_deref(),
        Some("7")
    );
    assert_eq!(redis.config_get("no-such-setting").await.unwrap(), None);
    let refused = redis.config_set("replica-priority", "many").await.unwrap_err();
    assert!(
        matches!(
            refused,
            InstanceError::Protocol {
                command: "CONFIG SET",
                ..
            }
        ),
        "{refused:?}"
    );
    // A refusal is an answer: the connection stays.
    assert!(redis.is_alive());
    redis.ping().await.unwrap();
}

#[tokio::test]
async fn clients_are_disconnected_and_a_lasting_handle_returns() {
    let server = testkit::Redis::start().await;
    let killer = dialer().redis(server.addr()).await.unwrap();
    let plain = dialer().redis(server.addr()).await.unwrap();
    let lasting = dialer().lasting_redis(server.addr());
    let before = lasting.get().await.unwrap();
    before.ping().await.unwrap();

    assert_eq!(killer.kill_clients().await.unwrap(), 2);
    killer.ping().await.unwrap();
    // Whether or not the end of the connection has been noticed yet, the next look succeeds.
    lasting.snapshot().await.unwrap();
    lasting.get().await.unwrap().ping().await.unwrap();

    eventually("the kill to be noticed", PATIENCE, async || !plain.is_alive()).await;
    let lost = plain.ping().await.unwrap_err();
    assert!(
        matches!(
            &lost,
            InstanceError::Unreachable {
                silence: Silence::Closed,
                command: "PING",
                ..
            }
        ),
        "{lost:?}"
    );
    assert!(!before.is_alive());
}

#[tokio::test]
async fn a_lasting_handle_outlives_its_server() {
    let server = testkit::Redis::start().await;
    let lasting = dialer().lasting_redis(server.addr());
    let first = lasting.snapshot().await.unwrap();
    server.kill();
    let gone = lasting.snapshot().await.unwrap_err();
    assert!(matches!(gone, InstanceError::Refused { .. }), "{gone:?}");
    server.restart().await;
    assert_ne!(lasting.snapshot().await.unwrap().run_id, first.run_id);

    // A stopped server breaks the connection by its silence, not by closing it.
    let held = lasting.get().await.unwrap();
    server.stop();
    let silent = promptly(lasting.snapshot()).await.unwrap_err();
    assert!(
        matches!(
            &silent,
            InstanceError::Unreachable {
                silence: Silence::Deadline,
                ..
            }
        ),
        "{silent:?}"
    );
    assert!(!held.is_alive());
    server.cont();
    lasting.snapshot().await.unwrap();
}

#[tokio::test]
async fn shutdown_counts_as_done_when_the_connection_closes() {
    let server = testkit::Redis::start().await;
    let redis = dialer().redis(server.addr()).await.unwrap();
    redis
        .within(PATIENCE)
        .shutdown(ShutdownMode::NoSave)
        .await
        .unwrap();
    server.process().wait_exit(PATIENCE).await;
    let gone = redis.ping().await.unwrap_err();
    assert!(matches!(gone, InstanceError::Unreachable { .. }), "{gone:?}");
}

#[tokio::test]
async fn every_call_ends_by_its_own_deadline() {
    let refused = promptly(dialer().redis(&nobody())).await.unwrap_err();
    assert!(matches!(refused, InstanceError::Refused { .. }), "{refused:?}");

    let server = testkit::Redis::start().await;
    let redis = dialer().redis(server.addr()).await.unwrap();
    server.stop();
    let patient = redis.within(DEADLINE * 6);
    let start = std::time::Instant::now();
    let silent = promptly(redis.role()).await.unwrap_err();
    assert!(
        matches!(
            &silent,
            InstanceError::Unreachable {
                silence: Silence::Deadline,
                command: "ROLE",
                ..
            }
        ),
        "{silent:?}"
    );
    let silent = patient.ping().await.unwrap_err();
    assert!(
        matches!(
            &silent,
            InstanceError::Unreachable {
                silence: Silence::Deadline,
                ..
            }
        ),
        "{silent:?}"
    );
    assert!(
        start.elapsed() >= DEADLINE * 7,
        "the longer deadline was not used"
    );
    let late = promptly(dialer().redis_within(server.addr(), DEADLINE / 2))
        .await
        .unwrap_err();
    assert!(
        matches!(
            &late,
            InstanceError::Unreachable {
                silence: Silence::Deadline,
                ..
            }
        ),
        "{late:?}"
    );
}
