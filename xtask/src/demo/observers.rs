//! Everything that can be seen from outside, told when it changes: Sentinels' events as they come, everything else by asking
//! again and again.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, select_all};
use testkit::{RedisClient, RunningGroup, Writer, ZkClient};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use topology::{Addr, LinkStatus, Role, SentinelEvent};

use super::events::Subscription;
use super::view::{replication, told_master};

/// How exact the times are: ZooKeeper's, since everybody goes by it, and those that cost a connection each.
const PACE: Duration = Duration::from_millis(3);
const CONNECTION_PACE: Duration = Duration::from_millis(20);
const RECONNECT: Duration = Duration::from_millis(200);
/// Longer than any demo.
const ANY_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Something seen, and when.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// One observer knows how things are; from here on it tells changes.
    Ready,
    /// A Sentinel published something.
    Event { by: Addr, event: SentinelEvent },
    /// `/redis/master` changed.
    Published(Option<Addr>),
    /// A Redis says something else than before; `None` when it does not answer.
    Role {
        of: Addr,
        says: Option<(Role, Option<LinkStatus>)>,
    },
    /// A watcher tells another master.
    Told { by: Addr, master: Option<Addr> },
    /// Another node than before accepts writes.
    Written { by: Addr },
}

/// Observers at work. They work while [`next`](Self::next) is waited for.
pub(super) struct Observation<'a> {
    observers: Vec<LocalBoxFuture<'a, Infallible>>,
    seen: Receiver<Seen>,
}

impl<'a> Observation<'a> {
    /// Begins to observe, and returns when all that follows is change.
    pub(super) async fn begin(group: &'a RunningGroup, hosts: &str, writer: Option<&'a Writer>) -> Self {
        let (tell, seen) = channel(256);
        let mut observers: Vec<LocalBoxFuture<'a, Infallible>> = Vec::new();
        for node in group.all_sentinels() {
            observers.push(events(node.addr().clone(), tell.clone()).boxed_local());
        }
        for node in group.all_redis() {
            observers.push(role(RedisClient::clone(node), tell.clone()).boxed_local());
        }
        for node in group.all_watchers() {
            observers.push(told(node.http().clone(), tell.clone()).boxed_local());
        }
        observers.push(published(ZkClient::new(hosts), group.path("master"), tell.clone()).boxed_local());
        if let Some(writer) = writer {
            observers.push(written(writer, tell).boxed_local());
        }
        let mut observation = Self { observers, seen };
        let mut waiting = observation.observers.len();
        while waiting > 0 {
            if matches!(observation.next().await.what, What::Ready) {
                waiting -= 1;
            }
        }
        observation
    }

    /// The next change. Nothing is lost when the wait is given up.
    pub(super) async fn next(&mut self) -> Seen {
        let work = select_all(&mut self.observers);
        tokio::select! {
            biased;
            Some(seen) = self.seen.recv() => seen,
            (never, ..) = work => match never {},
        }
    }
}

async fn say(tell: &Sender<Seen>, what: What) {
    let at = Instant::now();
    // Nobody listens: then nobody polls this either.
    let _ = tell.send(Seen { at, what }).await;
}

async fn events(by: Addr, tell: Sender<Seen>) -> Infallible {
    let mut ready = false;
    loop {
        if let Ok(mut subscription) = Subscription::open(&by).await {
            if !ready {
                say(&tell, What::Ready).await;
                ready = true;
            }
            while let Ok(event) = subscription.next().await {
                let by = by.clone();
                say(&tell, What::Event { by, event }).await;
            }
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn role(redis: RedisClient, tell: Sender<Seen>) -> Infallible {
    let of = redis.addr();
    let look = async || replication(&redis).await.map(|seen| (seen.role, seen.link));
    changes(&tell, CONNECTION_PACE, look, |says| What::Role {
        of: of.clone(),
        says,
    })
    .await
}

async fn told(watcher: Addr, tell: Sender<Seen>) -> Infallible {
    let look = async || told_master(&watcher).await;
    let by = &watcher;
    changes(&tell, CONNECTION_PACE, look, |master| What::Told {
        by: by.clone(),
        master,
    })
    .await
}

async fn published(zk: ZkClient, path: String, tell: Sender<Seen>) -> Infallible {
    let look = async || {
        zk.get(&path)
            .await
            .and_then(|text| Addr::from_contract(&text).ok())
    };
    changes(&tell, PACE, look, What::Published).await
}

async fn written(writer: &Writer, tell: Sender<Seen>) -> Infallible {
    let mut last = writer.wait_write(ANY_TIME).await.master;
    say(&tell, What::Ready).await;
    loop {
        let write = writer.wait_write(ANY_TIME).await;
        if write.master != last {
            last = write.master.clone();
            let what = What::Written { by: write.master };
            let _ = tell
                .send(Seen {
                    at: write.acknowledged,
                    what,
                })
                .await;
        }
    }
}

async fn changes<T: PartialEq + Clone>(
    tell: &Sender<Seen>,
    pace: Duration,
    look: impl AsyncFn() -> T,
    what: impl Fn(T) -> What,
) -> Infallible {
    let mut last = look().await;
    say(tell, What::Ready).await;
    loop {
        tokio::time::sleep(pace).await;
        let now = look().await;
        if now != last {
            say(tell, what(now.clone())).await;
            last = now;
        }
    }
}
