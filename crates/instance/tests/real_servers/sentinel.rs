//! What a Sentinel is asked and told, on a small stock group.

use std::collections::BTreeSet;

use crate::common::{NAME, PATIENCE, Stock, credentials, dialer, name, settings};
use instance::{Dialer, FailoverReply, InstanceError, QuorumCheck};
use testkit::eventually;
use topology::{Addr, Epoch, Hello, LinkStatus, MasterRecord, RunId};

#[tokio::test]
async fn a_sentinel_reports_its_group() {
    let stock = Stock::start().await;
    let sentinel = stock.dial(0).await;
    sentinel.ping().await.unwrap();

    let report = sentinel.report(&name()).await.unwrap().unwrap();
    assert_eq!(&report.record.addr, stock.master());
    assert_eq!(report.record.epoch, Epoch(0));
    assert_eq!(
        (report.replicas, report.other_sentinels, report.quorum),
        (2, 2, 2)
    );
    assert_eq!(
        (report.role_reported.as_str(), report.failover_state),
        ("master", None)
    );
    assert!(!report.flags.subjectively_down && !report.flags.disconnected);
    let run_id: RunId = stock.redis[0].info("run_id").await.unwrap().parse().unwrap();
    assert_eq!(report.run_id, Some(run_id));

    let peers = sentinel.peers(&name()).await.unwrap();
    let mut others = BTreeSet::new();
    for index in [1, 2] {
        let other = stock.dial(index).await;
        others.insert((other.my_id().await.unwrap(), other.addr().clone()));
    }
    let seen = peers.iter().map(|peer| (peer.run_id.clone(), peer.addr.clone()));
    assert_eq!(seen.collect::<BTreeSet<_>>(), others);

    let replicas = eventually("links up", PATIENCE, async || {
        let replicas = sentinel.replicas(&name()).await.unwrap();
        let up = replicas
            .iter()
            .all(|replica| replica.link == LinkStatus::Up && replica.offset > 0);
        if up {
            Ok(replicas)
        } else {
            Err(format!("{replicas:?}"))
        }
    })
    .await;
    let addrs: BTreeSet<&Addr> = replicas.iter().map(|replica| &replica.addr).collect();
    assert_eq!(addrs, stock.redis[1..].iter().map(|redis| redis.addr()).collect());
    for replica in &replicas {
        assert_eq!(
            (replica.priority, replica.of.as_ref()),
            (100, Some(stock.master()))
        );
    }
    let QuorumCheck::Ok(text) = sentinel.check_quorum(&name()).await.unwrap() else {
        panic!("no quorum")
    };
    assert!(text.contains("3 usable"), "{text}");

    // The first sign of a death is a flag, long before down-after.
    stock.redis[0].kill();
    eventually("disconnected", PATIENCE, async || {
        sentinel
            .report(&name())
            .await
            .unwrap()
            .unwrap()
            .flags
            .disconnected
    })
    .await;
}

#[tokio::test]
async fn a_group_it_does_not_know() {
    let server = testkit::Sentinel::builder().start().await;
    let sentinel = dialer().sentinel(server.addr()).await.unwrap();
    assert_eq!(sentinel.report(&name()).await.unwrap(), None);
    let unknown = [
        sentinel.peers(&name()).await.unwrap_err(),
        sentinel.replicas(&name()).await.unwrap_err(),
        sentinel.check_quorum(&name()).await.unwrap_err(),
        sentinel.reset(&name()).await.unwrap_err(),
        sentinel.remove(&name()).await.unwrap_err(),
        sentinel.set(&name(), "quorum", "2").await.unwrap_err(),
    ];
    for error in unknown {
        assert!(matches!(error, InstanceError::NoSuchMaster { .. }), "{error:?}");
    }
    let reply = sentinel.failover(&name()).await.unwrap();
    assert_eq!(reply, FailoverReply::NoSuchMaster);
}

#[tokio::test]
async fn a_group_is_given_changed_and_taken_away() {
    let master = testkit::Redis::start().await;
    let server = testkit::Sentinel::builder().start().await;
    let sentinel = dialer().sentinel(server.addr()).await.unwrap();
    sentinel
        .monitor(&name(), master.addr(), "2".parse().unwrap())
        .await
        .unwrap();
    sentinel
        .set(&name(), "down-after-milliseconds", "1234")
        .await
        .unwrap();
    let report = sentinel.report(&name()).await.unwrap().unwrap();
    assert_eq!((&report.record.addr, report.quorum), (master.addr(), 2));
    assert_eq!(report.down_after.as_millis(), 1234);
    let again = sentinel
        .monitor(&name(), master.addr(), "2".parse().unwrap())
        .await;
    assert!(matches!(again.unwrap_err(), InstanceError::Protocol { .. }));

    // Alone it neither has a quorum of two nor a replica to promote.
    assert!(matches!(
        sentinel.check_quorum(&name()).await.unwrap(),
        QuorumCheck::No(_)
    ));
    assert_eq!(
        sentinel.failover(&name()).await.unwrap(),
        FailoverReply::NoGoodReplica
    );
    sentinel.remove(&name()).await.unwrap();
    assert_eq!(sentinel.report(&name()).await.unwrap(), None);
}

#[tokio::test]
async fn the_last_vote_is_read_without_voting() {
    let stock = Stock::start().await;
    let sentinel = stock.dial(0).await;
    assert_eq!(sentinel.last_vote(stock.master()).await.unwrap(), Epoch(0));
    let candidate = "ab".repeat(20);
    let port = stock.master().port().to_string();
    let vote = [
        "SENTINEL",
        "IS-MASTER-DOWN-BY-ADDR",
        "127.0.0.1",
        &port,
        "5",
        &candidate,
    ];
    stock.sentinels[0].command(&vote).await.unwrap();
    for _ in 0..2 {
        assert_eq!(sentinel.last_vote(stock.master()).await.unwrap(), Epoch(5));
    }
    assert_eq!(sentinel.last_vote(stock.redis[1].addr()).await.unwrap(), Epoch(0));
    let other = stock.dial(1).await;
    assert_eq!(other.last_vote(stock.master()).await.unwrap(), Epoch(0));
}

#[tokio::test]
async fn a_reset_forgets_and_finds_again() {
    let stock = Stock::start().await;
    let sentinel = stock.dial(0).await;
    sentinel.reset(&name()).await.unwrap();
    let report = sentinel.report(&name()).await.unwrap().unwrap();
    assert!(report.replicas < 2 || report.other_sentinels < 2, "{report:?}");
    assert_eq!(&report.record.addr, stock.master());
    stock.sentinels[0].wait_knows(NAME, 2, 2, PATIENCE).await;
}

#[tokio::test]
async fn a_hello_with_a_higher_epoch_is_adopted_at_once() {
    let stock = Stock::start().await;
    let candidate = dialer().redis(stock.redis[1].addr()).await.unwrap();
    candidate.promote().await.unwrap();
    for index in [0, 2] {
        let node = dialer().redis(stock.redis[index].addr()).await.unwrap();
        node.follow_master(stock.redis[1].addr()).await.unwrap();
    }
    let record = MasterRecord {
        addr: stock.redis[1].addr().clone(),
        epoch: Epoch(7),
    };
    for index in 0..3 {
        let sentinel = stock.dial(index).await;
        let peer = sentinel.peers(&name()).await.unwrap().remove(0);
        let hello = Hello {
            sender: peer.addr,
            sender_id: peer.run_id,
            current_epoch: record.epoch,
            name: name(),
            master: record.clone(),
        };
        sentinel.announce(&hello).await.unwrap();
        let report = sentinel.report(&name()).await.unwrap().unwrap();
        assert_eq!(report.record, record, "Sentinel {index}");

        // The same epoch with another master is not believed.
        let stale = Hello {
            master: MasterRecord {
                addr: stock.master().clone(),
                epoch: record.epoch,
            },
            ..hello
        };
        sentinel.announce(&stale).await.unwrap();
        assert_eq!(sentinel.report(&name()).await.unwrap().unwrap().record, record);
    }
    for sentinel in &stock.sentinels {
        sentinel.wait_knows(NAME, 2, 2, PATIENCE).await;
    }
}

#[tokio::test]
async fn a_password_of_its_own() {
    let server = testkit::Sentinel::builder().password("sentry").start().await;
    let mut settings = settings();
    settings.redis = credentials(None, "not-this-one");
    settings.sentinel = credentials(None, "sentry");
    let dialer = Dialer::new(settings).unwrap();
    let sentinel = dialer.sentinel(server.addr()).await.unwrap();
    sentinel.my_id().await.unwrap();
    sentinel.events().await.unwrap();
    let denied = crate::common::dialer().sentinel(server.addr()).await.unwrap_err();
    assert!(matches!(denied, InstanceError::Denied { .. }), "{denied:?}");
    let lasting = dialer.lasting_sentinel(server.addr());
    lasting.get().await.unwrap().ping().await.unwrap();
    server.restart().await;
    eventually("the handle to return", PATIENCE, async || {
        lasting.get().await?.ping().await
    })
    .await;
}
