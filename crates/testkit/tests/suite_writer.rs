//! The writer writes through a failover, and knows afterwards how long it took and what was lost.

use std::time::{Duration, Instant};

use testkit::{Need, Redis, Sentinel, SentinelClient, Writer, require};

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn writer_counts_gap_and_losses_of_a_failover() {
    if !require(&[Need::Redis, Need::Sentinel]) {
        return;
    }
    let master = Redis::start().await;
    let replica = Redis::builder().replica_of(master.addr()).start().await;
    replica.wait_replica_of(master.addr(), DEADLINE).await;
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        sentinels.push(Sentinel::start("master1", master.addr(), 2).await);
    }
    for sentinel in &sentinels {
        sentinel.wait_knows("master1", 1, 2, DEADLINE).await;
    }
    let clients = sentinels.iter().map(|sentinel| SentinelClient::clone(sentinel));
    let writer = Writer::through(clients, "master1").start();
    assert_eq!(&writer.wait_write(DEADLINE).await.master, master.addr());

    let killed = Instant::now();
    master.kill();
    assert_eq!(&writer.wait_write(DEADLINE).await.master, replica.addr());
    let written = writer.stop();

    let away = written.away_after(killed).unwrap();
    let gap = written.longest_gap().unwrap();
    // The Sentinels wait a second before they find the master down.
    assert!(away > Duration::from_millis(900), "{away:?}");
    assert!(gap.from <= killed + Duration::from_millis(100) && gap.length() >= Duration::from_millis(900));
    let lost = written.lost(&replica).await;
    assert!(
        lost.iter().all(|write| &write.master == master.addr()),
        "{lost:?}"
    );

    let final_write = written.writes().last().unwrap();
    replica
        .command(&["SREM", "testkit:writes", &final_write.number.to_string()])
        .await
        .unwrap();
    let without_last = written.lost(&replica).await;
    assert_eq!(without_last.len(), lost.len() + 1);
    assert_eq!(without_last.last(), Some(final_write));
}
