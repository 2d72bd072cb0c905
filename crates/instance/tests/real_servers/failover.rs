//! What Sentinels say while a stock failover runs: reports, replies and events.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{DEADLINE, PATIENCE, Stock, name};
use instance::{EventStream, FailoverReply, InstanceError, Silence};
use tokio::time::{Instant, timeout};
use topology::{Addr, Epoch, SentinelEvent, SwitchMaster};

#[tokio::test]
async fn one_epoch_names_one_master_throughout_a_failover() {
    let stock = Stock::start().await;
    let leader = stock.dial(0).await;
    assert_eq!(leader.failover(&name()).await.unwrap(), FailoverReply::Started);
    assert_eq!(leader.failover(&name()).await.unwrap(), FailoverReply::InProgress);

    let sentinels = [leader, stock.dial(1).await, stock.dial(2).await];
    let mut seen: BTreeMap<Epoch, (Addr, u32)> = BTreeMap::new();
    let (mut led, mut finished) = (false, false);
    let end = Instant::now() + PATIENCE;
    while !finished {
        assert!(Instant::now() < end, "the failover did not end; seen {seen:?}");
        let mut settled = 0;
        for sentinel in &sentinels {
            let report = sentinel.report(&name()).await.unwrap().unwrap();
            let record = report.record;
            let known = seen.entry(record.epoch).or_insert((record.addr.clone(), 0));
            assert_eq!(
                known.0,
                record.addr,
                "epoch {} of {}",
                record.epoch,
                sentinel.addr()
            );
            known.1 += 1;
            led |= report.flags.failover_in_progress;
            let done = record.epoch > Epoch(0) && !report.flags.failover_in_progress;
            settled += usize::from(done && &record.addr != stock.master());
        }
        finished = settled == sentinels.len();
    }
    assert!(led, "no report showed the failover in progress");
    assert!(
        seen.len() == 2 && seen.values().all(|(_, times)| *times > 10),
        "{seen:?}"
    );
}

async fn next_switch(events: &mut EventStream) -> SwitchMaster {
    let switch = async {
        loop {
            if let SentinelEvent::SwitchMaster(switch) = events.next().await.unwrap() {
                return switch;
            }
        }
    };
    timeout(PATIENCE, switch).await.expect("a +switch-master")
}

#[tokio::test]
async fn a_switch_is_told_by_every_sentinel_and_the_end_by_an_error() {
    let stock = Stock::start().await;
    let mut streams = Vec::new();
    for index in 0..3 {
        streams.push(stock.dial(index).await.events().await.unwrap());
    }
    let reply = stock.dial(0).await.failover(&name()).await.unwrap();
    assert_eq!(reply, FailoverReply::Started);
    let mut masters = Vec::new();
    for events in &mut streams {
        let switch = next_switch(events).await;
        assert_eq!((&switch.name, &switch.from), (&name(), stock.master()));
        masters.push(switch.to);
    }
    masters.dedup();
    assert_eq!(masters.len(), 1);

    stock.sentinels[0].kill();
    let killed = last_words(&mut streams[0]).await;
    assert!(
        matches!(
            &killed,
            InstanceError::Unreachable {
                silence: Silence::Closed,
                ..
            }
        ),
        "{killed:?}"
    );

    // Stopped, the connection stays open and only the missing sign of life tells.
    stock.sentinels[1].stop();
    let start = Instant::now();
    let stopped = last_words(&mut streams[1]).await;
    assert!(
        matches!(
            &stopped,
            InstanceError::Unreachable {
                silence: Silence::Deadline,
                ..
            }
        ),
        "{stopped:?}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(1) + 4 * DEADLINE,
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_quiet_stream_stays_open_and_may_be_left_and_resumed() {
    let server = testkit::Sentinel::builder().start().await;
    let sentinel = crate::common::dialer().sentinel(server.addr()).await.unwrap();
    let mut events = sentinel.events().await.unwrap();
    // Over several signs of life, left in the middle of each.
    for _ in 0..30 {
        timeout(Duration::from_millis(100), events.next())
            .await
            .expect_err("no event");
    }
    let master = testkit::Redis::start().await;
    sentinel
        .monitor(&name(), master.addr(), "1".parse().unwrap())
        .await
        .unwrap();
    let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    assert!(event.concerns(&name()), "{event:?}");
}

/// The error that ends a stream, whatever is still published before it.
async fn last_words(events: &mut EventStream) -> InstanceError {
    let end = async {
        loop {
            if let Err(error) = events.next().await {
                return error;
            }
        }
    };
    timeout(PATIENCE, end).await.expect("the stream ends")
}
