//! Transactions: all or nothing, and no guesses about the outcome.

mod common;

use std::time::{Duration, Instant};

use common::{Party, tree, wired};
use registry::{CommitError, Expected, RegistryError, Write};
use testkit::ZooKeeper;

fn set(path: &zkpaths::ZkPath, data: &str, expected: Expected) -> Write {
    Write::Set {
        path: path.clone(),
        data: data.as_bytes().to_vec(),
        expected,
    }
}

#[tokio::test]
async fn a_conflict_names_its_path_and_writes_nothing() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let (master, state) = (tree().master(), tree().state());
    let at = async |path| Expected::Version(party.registry.read(path).await.unwrap().unwrap().version);
    let (master_at, state_at) = (at(&master).await, at(&state).await);
    party
        .registry
        .commit(&[set(&state, "{}", state_at), set(&master, "a 1", master_at)])
        .await
        .unwrap();
    zk.client().set(master.as_str(), "z 9").await;
    let fresh = at(&state).await;
    let error = party
        .registry
        .commit(&[set(&state, "new", fresh), set(&master, "b 2", master_at)])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CommitError::Conflict { path } if *path == master),
        "{error:?}"
    );
    assert!(error.to_string().contains("/redis/master"), "{error}");
    assert_eq!(zk.client().get(state.as_str()).await.as_deref(), Some("{}"));
    let check = Write::Check {
        path: state.clone(),
        expected: state_at,
    };
    let error = party
        .registry
        .commit(&[check, set(&master, "b 2", Expected::Any)])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CommitError::Conflict { path } if *path == state),
        "{error:?}"
    );
}

#[tokio::test]
async fn sets_tell_the_versions_they_made() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let (master, state) = (tree().master(), tree().state());
    let before = party.registry.read(&state).await.unwrap().unwrap().version;
    let check = |expected| Write::Check {
        path: state.clone(),
        expected,
    };
    let writes = [
        check(Expected::Version(before)),
        set(&state, "{}", Expected::Any),
        set(&master, "a 1", Expected::Any),
    ];
    let made = party.registry.commit_sets(&writes).await.unwrap();
    assert_eq!(made.len(), 2);
    assert_eq!(
        made[0],
        party.registry.read(&state).await.unwrap().unwrap().version
    );
    let again = [set(&master, "b 2", Expected::Version(made[1]))];
    let made = party.registry.commit_sets(&again).await.unwrap();
    let now = party.registry.read(&master).await.unwrap().unwrap().version;
    assert_eq!(made, [now]);
}

#[tokio::test]
async fn a_missing_znode_is_named() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let missing = tree().master().child("missing");
    for write in [
        set(&missing, "x", Expected::Any),
        Write::Check {
            path: missing.clone(),
            expected: Expected::Any,
        },
        Write::Delete {
            path: missing.clone(),
            expected: Expected::Any,
        },
    ] {
        let error = party
            .registry
            .commit(&[set(&tree().master(), "x", Expected::Any), write])
            .await
            .unwrap_err();
        assert!(
            matches!(&error, CommitError::Missing { path } if *path == missing),
            "{error:?}"
        );
    }
    let delete = Write::Delete {
        path: tree().state(),
        expected: Expected::Any,
    };
    party.registry.commit(&[delete]).await.unwrap();
    assert_eq!(party.registry.read(&tree().state()).await.unwrap(), None);
    let delete = Write::Delete {
        path: tree().root(),
        expected: Expected::Any,
    };
    let error = party.registry.commit(&[delete]).await.unwrap_err();
    assert!(
        matches!(&error, CommitError::Unavailable(RegistryError::Refused { path, .. }) if path == "/redis"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_lost_answer_is_an_unknown_outcome() {
    let (zk, wire, party) = wired().await;
    wire.cut();
    let begun = Instant::now();
    let commit = party
        .registry
        .commit(&[set(&tree().master(), "a 1", Expected::Any)])
        .await;
    assert!(matches!(commit, Err(CommitError::Unknown)), "{commit:?}");
    assert!(
        begun.elapsed() < Duration::from_millis(2500),
        "{:?}",
        begun.elapsed()
    );
    let read = party.registry.read(&tree().master()).await;
    assert!(matches!(read, Err(RegistryError::Unavailable { .. })), "{read:?}");
    wire.heal();
    party.registry.connected(common::LONG).await.unwrap();
    // Applied or not, both are right; what the caller was told is not a guess.
    let data = zk.client().get("/redis/master").await;
    assert!(
        data.as_deref() == Some("") || data.as_deref() == Some("a 1"),
        "{data:?}"
    );
}

#[tokio::test]
async fn appended_children_are_numbered_and_the_oldest_are_forgotten() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let history = tree().history();
    for entry in ["a", "b", "c", "d"] {
        party
            .registry
            .append(&history, entry.as_bytes(), 3)
            .await
            .unwrap();
    }
    let kept = party.registry.children(&history).await.unwrap();
    let kept: Vec<&[u8]> = kept.values().map(Vec::as_slice).collect();
    assert_eq!(kept, [b"b", b"c", b"d"], "in the order of their numbers");
}

#[tokio::test]
async fn an_ephemeral_is_told_from_what_stays() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let (stays, goes) = (
        tree().sentinels().child("stays"),
        tree().sentinels().child("goes"),
    );
    zk.client().create(stays.as_str(), "").await;
    zk.client().create_ephemeral(goes.as_str(), "").await;
    let ephemeral = async |path| party.registry.read(path).await.unwrap().unwrap().ephemeral;
    assert_eq!((ephemeral(&stays).await, ephemeral(&goes).await), (false, true));
}
