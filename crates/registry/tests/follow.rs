//! Followed values: current, stale, and never growing.

mod common;

use std::collections::BTreeMap;

use common::{LONG, Party, member, tree, until, wired};
use registry::{Freshness, Session};
use testkit::{ZooKeeper, eventually};

/// Watches that the server keeps, of all its clients.
async fn watches(zk: &ZooKeeper) -> u64 {
    eventually("mntr", LONG, async || {
        let answer = zk.four_letters("mntr").await?;
        let line = answer
            .lines()
            .find_map(|line| line.strip_prefix("zk_watch_count"))?;
        line.trim().parse().ok()
    })
    .await
}

#[tokio::test]
async fn sees_every_state_of_a_znode() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    let mut followed = party.registry.follow(member("a"));
    until(&mut followed, "missing", |now| {
        now.value == Some(None) && now.freshness == Freshness::Current
    })
    .await;
    for data in ["one", "two", "", "three"] {
        zk.client().set(member("a").as_str(), data).await;
        until(
            &mut followed,
            data,
            |now| matches!(&now.value, Some(Some(znode)) if znode.data == data.as_bytes()),
        )
        .await;
    }
    zk.client().delete(member("a").as_str()).await;
    until(&mut followed, "deleted", |now| now.value == Some(None)).await;
}

#[tokio::test]
async fn sees_what_changed_while_disconnected() {
    let (zk, wire, party) = wired().await;
    zk.client().set("/redis/master", "a 1").await;
    let mut followed = party.registry.follow(tree().master());
    let has = |data: &'static str| {
        move |now: &registry::Followed<Option<registry::Znode>>| {
            now.freshness == Freshness::Current
                && matches!(&now.value, Some(Some(znode)) if znode.data == data.as_bytes())
        }
    };
    until(&mut followed, "a 1", has("a 1")).await;
    for (data, lost, back) in [
        ("b 2", Session::Suspect, Session::Up { generation: 1 }),
        ("c 3", Session::Connecting, Session::Up { generation: 2 }),
    ] {
        let before = followed.borrow().value.clone();
        wire.cut();
        party.wait(lost).await;
        zk.client().set("/redis/master", data).await;
        {
            let stale = followed.borrow();
            assert!(
                matches!(stale.freshness, Freshness::StaleSince(_)),
                "{:?}",
                stale.freshness
            );
            assert_eq!(stale.value, before, "the last value is kept");
        }
        wire.heal();
        party.wait(back).await;
        until(&mut followed, data, has(data)).await;
    }
    // The watch is set again, too.
    zk.client().set("/redis/master", "d 4").await;
    until(&mut followed, "d 4", has("d 4")).await;
}

#[tokio::test]
async fn children_come_change_and_go() {
    let (zk, wire, party) = wired().await;
    let parent = member("parent");
    let mut followed = party.registry.follow_children(parent.clone());
    let expect = async |followed: &mut tokio::sync::watch::Receiver<_>, children: &[(&str, &str)]| {
        let expected: BTreeMap<String, Vec<u8>> = children
            .iter()
            .map(|(name, data)| ((*name).to_owned(), data.as_bytes().to_vec()))
            .collect();
        until(
            followed,
            &format!("{children:?}"),
            |now: &registry::Followed<BTreeMap<String, Vec<u8>>>| {
                now.value.as_ref() == Some(&expected) && now.freshness == Freshness::Current
            },
        )
        .await;
    };
    let client = zk.client();
    expect(&mut followed, &[]).await;
    client.create(parent.child("a").as_str(), "1").await;
    expect(&mut followed, &[("a", "1")]).await;
    client.create(parent.child("b").as_str(), "1").await;
    client.set(parent.child("a").as_str(), "2").await;
    expect(&mut followed, &[("a", "2"), ("b", "1")]).await;
    client.delete(parent.child("a").as_str()).await;
    client.set(parent.child("b").as_str(), "2").await;
    client.create(parent.child("a").as_str(), "3").await;
    expect(&mut followed, &[("a", "3"), ("b", "2")]).await;
    wire.cut();
    party.wait(Session::Suspect).await;
    client.delete(parent.child("b").as_str()).await;
    client.create(parent.child("c").as_str(), "1").await;
    client.set(parent.child("a").as_str(), "4").await;
    assert_eq!(followed.borrow().value.as_ref().map(BTreeMap::len), Some(2));
    wire.heal();
    expect(&mut followed, &[("a", "4"), ("c", "1")]).await;
    for round in 0..50 {
        client.set(parent.child("a").as_str(), &round.to_string()).await;
    }
    expect(&mut followed, &[("a", "49"), ("c", "1")]).await;
    // One on the list, one on each child.
    assert_eq!(watches(&zk).await, 3);
    for name in ["a", "c"] {
        client.delete(parent.child(name).as_str()).await;
    }
    expect(&mut followed, &[]).await;
    client.delete(parent.as_str()).await;
    client.create(parent.child("again").as_str(), "1").await;
    expect(&mut followed, &[("again", "1")]).await;
    assert_eq!(
        party.registry.children(&parent).await.unwrap(),
        BTreeMap::from([("again".to_owned(), b"1".to_vec())])
    );
}

#[tokio::test]
async fn followers_that_nobody_reads_are_gone() {
    let zk = ZooKeeper::start().await;
    let party = Party::join(&zk.hosts()).await;
    zk.client().create(member("a").as_str(), "1").await;
    let before = party.tasks.len();
    for _ in 0..200 {
        let mut node = party.registry.follow(member("a"));
        let mut missing = party.registry.follow(member("missing"));
        let mut children = party.registry.follow_children(tree().members());
        until(&mut node, "node", |now| now.freshness == Freshness::Current).await;
        until(&mut missing, "missing", |now| now.freshness == Freshness::Current).await;
        until(&mut children, "children", |now| {
            now.freshness == Freshness::Current
        })
        .await;
    }
    eventually("the tasks to end", LONG, async || party.tasks.len() == before).await;
    eventually("the watches to be removed", LONG, async || {
        let count = watches(&zk).await;
        if count == 0 {
            Ok(())
        } else {
            Err(count.to_string())
        }
    })
    .await;
}
