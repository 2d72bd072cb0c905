//! Registrations and claims: there, and there again.

mod common;

use std::time::{Duration, Instant};

use common::{LONG, Party, SESSION, connect, member, until, wired};
use registry::{Claim, Registered, Session};
use testkit::{ZooKeeper, eventually};

#[tokio::test]
async fn is_put_back_after_an_expiry() {
    let (zk, wire, party) = wired().await;
    let registration = party.registry.register(member("a"), b"first".to_vec());
    let mut status = registration.status();
    until(&mut status, "present", |status| *status == Registered::Present).await;
    wire.cut();
    registration.update(b"second".to_vec());
    zk.client().wait_for_children("/redis/members", 0, LONG).await;
    until(&mut status, "pending", |status| *status == Registered::Pending).await;
    wire.heal();
    let begun = Instant::now();
    party.wait(Session::Up { generation: 2 }).await;
    zk.client()
        .wait_for_data(member("a").as_str(), "second", Duration::from_secs(1))
        .await;
    assert!(begun.elapsed() < SESSION, "{:?}", begun.elapsed());
    until(&mut status, "present again", |status| {
        *status == Registered::Present
    })
    .await;
}

#[tokio::test]
async fn is_there_after_an_outage_longer_than_the_session() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let registration = party.registry.register(member("a"), b"first".to_vec());
    zk.client()
        .wait_for_data(member("a").as_str(), "first", LONG)
        .await;
    zk.kill();
    party.wait(Session::Connecting).await;
    registration.update(b"second".to_vec());
    // The test's own client would come back by the library's long pauses.
    zk.client().close().await;
    zk.restart().await;
    zk.client()
        .wait_for_data(member("a").as_str(), "second", Duration::from_secs(2))
        .await;
}

#[tokio::test]
async fn the_last_update_wins_and_leaving_is_at_once() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let registration = party.registry.register(member("deep").child("er"), b"0".to_vec());
    for data in 1..=500 {
        registration.update(data.to_string().into_bytes());
    }
    let path = registration.path().as_str().to_owned();
    zk.client().wait_for_data(&path, "500", LONG).await;
    assert!(
        zk.client().version(&path).await.unwrap() < 500,
        "updates are coalesced"
    );
    registration.leave().await;
    assert_eq!(zk.client().get(&path).await, None);
}

#[tokio::test]
async fn what_someone_deletes_is_put_back() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let registration = party.registry.register(member("a"), b"data".to_vec());
    for _ in 0..3 {
        zk.client()
            .wait_for_data(member("a").as_str(), "data", LONG)
            .await;
        zk.client().delete(member("a").as_str()).await;
    }
    registration.update(b"news".to_vec());
    zk.client()
        .wait_for_data(member("a").as_str(), "news", LONG)
        .await;
}

#[tokio::test]
async fn a_foreign_znode_is_respected_until_it_goes() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    zk.client()
        .create_ephemeral(member("a").as_str(), "foreign")
        .await;
    let registration = party.registry.register(member("a"), b"ours".to_vec());
    let mut status = registration.status();
    until(&mut status, "taken", |status| *status == Registered::Taken).await;
    assert_eq!(
        zk.client().get(member("a").as_str()).await.as_deref(),
        Some("foreign")
    );
    zk.client().delete(member("a").as_str()).await;
    zk.client()
        .wait_for_data(member("a").as_str(), "ours", LONG)
        .await;
}

#[tokio::test]
async fn one_claim_at_a_time() {
    let (zk, wire, first) = wired().await;
    let second = Party::join(&zk.hosts()).await;
    let Claim::Held(held) = first
        .registry
        .claim(member("id"), b"first".to_vec())
        .await
        .unwrap()
    else {
        panic!("the first claim is free");
    };
    for party in [&first, &second] {
        let claim = party
            .registry
            .claim(member("id"), b"other".to_vec())
            .await
            .unwrap();
        assert!(matches!(claim, Claim::Taken), "{claim:?}");
    }
    // The first one's session dies without a word.
    wire.cut();
    let handed = eventually("the claim to be free", LONG, async || {
        match second
            .registry
            .claim(member("id"), b"second".to_vec())
            .await
            .unwrap()
        {
            Claim::Held(registration) => Some(registration),
            Claim::Taken => None,
        }
    })
    .await;
    assert_eq!(
        zk.client().get(member("id").as_str()).await.as_deref(),
        Some("second")
    );
    wire.heal();
    let mut status = held.status();
    until(&mut status, "taken", |status| *status == Registered::Taken).await;
    held.update(b"intruder".to_vec());
    held.leave().await;
    assert_eq!(
        zk.client().get(member("id").as_str()).await.as_deref(),
        Some("second")
    );
    handed.leave().await;
    assert_eq!(zk.client().get(member("id").as_str()).await, None);
}

#[tokio::test]
async fn a_claim_is_taken_again_after_an_expiry() {
    let (zk, wire, party) = wired().await;
    let Claim::Held(held) = party
        .registry
        .claim(member("id"), b"ours".to_vec())
        .await
        .unwrap()
    else {
        panic!("the claim is free");
    };
    wire.cut();
    zk.client().wait_for_children("/redis/members", 0, LONG).await;
    wire.heal();
    zk.client()
        .wait_for_data(member("id").as_str(), "ours", LONG)
        .await;
    let mut status = held.status();
    until(&mut status, "present", |status| *status == Registered::Present).await;
}

#[tokio::test]
async fn a_claim_given_up_leaves_nothing() {
    let (zk, wire, party) = wired().await;
    wire.cut();
    let claim = party.registry.claim(member("id"), b"late".to_vec());
    // It has been sent, and arrives when the wire is healed, after the caller has gone.
    let given_up = tokio::time::timeout(Duration::from_millis(100), claim).await;
    assert!(given_up.is_err(), "{given_up:?}");
    wire.heal();
    eventually("the claim's task to end", LONG, async || party.tasks.len() == 1).await;
    assert_eq!(zk.client().get(member("id").as_str()).await, None);
}

#[tokio::test]
async fn a_second_wrapper_of_the_same_name_waits_for_the_dead_one() {
    let zk = ZooKeeper::start().await;
    let first = Party::join(&zk.hosts()).await;
    let Claim::Held(_held) = first
        .registry
        .claim(member("id"), b"first".to_vec())
        .await
        .unwrap()
    else {
        panic!("the claim is free");
    };
    let second = Party::start(connect(&zk.hosts()));
    second.registry.connected(LONG).await.unwrap();
    first.registry.close().await;
    let claim = second
        .registry
        .claim(member("id"), b"second".to_vec())
        .await
        .unwrap();
    assert!(
        matches!(claim, Claim::Held(_)),
        "free as soon as the first has closed"
    );
}
