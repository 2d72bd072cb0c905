//! The session: found, lost, resumed, replaced, closed.

mod common;

use std::time::{Duration, Instant};

use common::{LONG, Party, SESSION, connect, member, tree, wired};
use registry::{Expected, RegistryError, Session, Write};
use testkit::{Ensemble, ZooKeeper, eventually, ports};

#[tokio::test]
async fn an_unreachable_zookeeper_is_named() {
    let hosts = format!("127.0.0.1:{}", ports::free());
    let party = Party::start(connect(&hosts));
    let error = party
        .registry
        .connected(Duration::from_millis(700))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&hosts) && text.contains("ZK_HOSTS"), "{text}");
    let begun = Instant::now();
    let read = party.registry.read(&tree().master()).await.unwrap_err();
    assert!(matches!(read, RegistryError::Unavailable { .. }), "{read:?}");
    assert!(
        begun.elapsed() < Duration::from_millis(200),
        "a read without a session fails at once"
    );
    party.registry.close().await;
    party.ended().await;
}

#[tokio::test]
async fn connects_as_soon_as_zookeeper_is_there() {
    let zk = ZooKeeper::start().await;
    zk.kill();
    let party = Party::start(connect(&zk.hosts()));
    assert_eq!(*party.registry.session().borrow(), Session::Connecting);
    zk.restart().await;
    let begun = Instant::now();
    party.registry.connected(LONG).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
    for path in tree().skeleton() {
        assert_eq!(
            zk.client().get(path.as_str()).await.as_deref(),
            Some(""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_chroot_is_made() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&format!("{}/some/where", zk.hosts())).await;
    let registration = party.registry.register(member("a"), b"data".to_vec());
    zk.client()
        .wait_for_data("/some/where/redis/members/a", "data", LONG)
        .await;
    drop(registration);
    zk.client()
        .wait_for_children("/some/where/redis/members", 0, LONG)
        .await;
}

#[tokio::test]
async fn an_outage_longer_than_the_session_keeps_the_session() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let _registration = party.registry.register(member("a"), b"data".to_vec());
    zk.client()
        .wait_for_data(member("a").as_str(), "data", LONG)
        .await;
    let owner = zk.client().ephemeral_owner(member("a").as_str()).await;
    zk.kill();
    party.wait(Session::Suspect).await;
    // The library gives up after 7/5 of the timeout, we stop calling it suspect one timeout later.
    party.wait(Session::Connecting).await;
    zk.restart().await;
    let begun = Instant::now();
    party.wait(Session::Up { generation: 1 }).await;
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(zk.client().ephemeral_owner(member("a").as_str()).await, owner);
    // The resumed session is a full one.
    party.registry.ensure(&member("b")).await.unwrap();
    party.registry.remove(&member("b")).await.unwrap();
    party.registry.remove(&member("b")).await.unwrap();
}

#[tokio::test]
async fn an_expired_session_is_replaced() {
    let (_zk, wire, party) = wired().await;
    wire.cut();
    party.wait(Session::Connecting).await;
    wire.heal();
    let begun = Instant::now();
    party.wait(Session::Up { generation: 2 }).await;
    // An attempt that began while cut may take two fifths of the timeout more.
    assert!(begun.elapsed() < SESSION, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn no_write_of_an_outage_is_applied_later() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let set = |data: &[u8]| {
        [Write::Set {
            path: tree().master(),
            data: data.to_vec(),
            expected: Expected::Any,
        }]
    };
    party.registry.commit(&set(b"before")).await.unwrap();
    let version = party
        .registry
        .read(&tree().master())
        .await
        .unwrap()
        .unwrap()
        .version;
    zk.stop();
    party.wait(Session::Suspect).await;
    let begun = Instant::now();
    for _ in 0..20 {
        let error = party.registry.commit(&set(b"stale")).await.unwrap_err();
        assert!(
            matches!(error, registry::CommitError::Unavailable(_)),
            "{error:?}"
        );
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "fails at once");
    zk.cont();
    party.wait(Session::Up { generation: 1 }).await;
    // Requests of one session are answered in order, so whatever was queued is done when this is.
    let after = party.registry.read(&tree().master()).await.unwrap().unwrap();
    assert_eq!(
        (after.data.as_slice(), after.version),
        (b"before".as_slice(), version)
    );
}

#[tokio::test]
async fn a_wrong_password_is_reported_at_once() {
    let zk = ZooKeeper::start().await;
    let with = |auth: &str| {
        let mut connect = connect(&zk.hosts());
        connect.auth = Some(auth.to_owned());
        Party::start(connect)
    };
    let right = with("redis:right");
    right.registry.connected(LONG).await.unwrap();
    // The contract stays readable for everybody.
    assert_eq!(zk.client().get("/redis/master").await.as_deref(), Some(""));
    for wrong in [with("redis:wrong"), Party::start(connect(&zk.hosts()))] {
        let begun = Instant::now();
        let error = wrong.registry.connected(LONG).await.unwrap_err();
        assert!(matches!(error, RegistryError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("ZK_AUTH"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        let error = wrong.registry.read(&tree().master()).await.unwrap_err();
        assert!(matches!(error, RegistryError::Denied { .. }), "{error:?}");
        wrong.registry.close().await;
        wrong.ended().await;
    }
}

#[tokio::test]
async fn close_removes_everything_at_once() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let registration = party.registry.register(member("a"), b"data".to_vec());
    let _follow = party.registry.follow(tree().master());
    let _children = party.registry.follow_children(tree().members());
    let guard = party
        .registry
        .lock(zkpaths::Lock::Watcher, "me", LONG)
        .await
        .unwrap();
    zk.client()
        .wait_for_data(member("a").as_str(), "data", LONG)
        .await;
    let begun = Instant::now();
    party.registry.close().await;
    assert!(
        begun.elapsed() < Duration::from_millis(700),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(zk.client().get(member("a").as_str()).await, None);
    assert!(
        zk.client()
            .children(tree().lock(zkpaths::Lock::Watcher).as_str())
            .await
            .is_empty()
    );
    assert_eq!(*party.registry.session().borrow(), Session::Closed);
    assert!(matches!(
        party.registry.read(&tree().master()).await,
        Err(RegistryError::Closed)
    ));
    party.registry.close().await;
    registration.leave().await;
    guard.release().await;
    party.ended().await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_session() {
    let zk = ZooKeeper::start().await;
    let Party { registry, tasks } = Party::join(&zk.hosts()).await;
    let registration = registry.register(member("a"), b"data".to_vec());
    drop(registry);
    zk.client()
        .wait_for_data(member("a").as_str(), "data", LONG)
        .await;
    drop(registration);
    zk.client()
        .wait_for_children(tree().members().as_str(), 0, LONG)
        .await;
    tasks.close();
    tokio::time::timeout(LONG, tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn close_never_hangs() {
    let zk = ZooKeeper::start().await;
    for silent in [true, false] {
        let party = Party::join(&zk.hosts()).await;
        let _registration = party.registry.register(member("a"), b"data".to_vec());
        let _guard = party
            .registry
            .lock(zkpaths::Lock::Watcher, "me", LONG)
            .await
            .unwrap();
        if silent {
            zk.stop();
        } else {
            zk.kill();
        }
        let begun = Instant::now();
        party.registry.close().await;
        assert!(
            begun.elapsed() < Duration::from_millis(2500),
            "{:?}",
            begun.elapsed()
        );
        party.ended().await;
        zk.cont();
    }
}

#[tokio::test]
async fn the_death_of_the_leader_is_survived() {
    let ensemble = Ensemble::start(3).await;
    let party = Party::join(&ensemble.hosts()).await;
    let _registration = party.registry.register(member("a"), b"data".to_vec());
    ensemble
        .client()
        .wait_for_data(member("a").as_str(), "data", LONG)
        .await;
    let owner = ensemble.client().ephemeral_owner(member("a").as_str()).await;
    ensemble.kill(ensemble.leader().await);
    eventually("a write", LONG, async || {
        party.registry.ensure(&member("b")).await
    })
    .await;
    assert_eq!(*party.registry.session().borrow(), Session::Up { generation: 1 });
    assert_eq!(
        ensemble.client().ephemeral_owner(member("a").as_str()).await,
        owner
    );
}
