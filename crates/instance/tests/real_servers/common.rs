//! What the tests of this crate share: a dialer with short deadlines, and a small stock group.
use std::time::{Duration, Instant};

use instance::{Credentials, DialSettings, Dialer, InstanceError};
use topology::{Addr, MasterName};

pub(crate) const DEADLINE: Duration = Duration::from_secs(1);
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const NAME: &str = "m1";

pub(crate) fn name() -> MasterName {
    NAME.parse().unwrap()
}

pub(crate) fn settings() -> DialSettings {
    DialSettings {
        redis: Credentials::default(),
        sentinel: Credentials::default(),
        tls: None,
        connect_deadline: DEADLINE,
        response_deadline: DEADLINE,
        keep_alive: None,
    }
}

pub(crate) fn dialer() -> Dialer {
    Dialer::new(settings()).unwrap()
}

pub(crate) fn credentials(user: Option<&str>, password: &str) -> Credentials {
    Credentials {
        user: user.map(str::to_owned),
        password: Some(password.to_owned()),
    }
}

/// Whether `call` ended within the deadlines of [`settings`], with room for a busy machine.
pub(crate) async fn promptly<T>(call: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let answer = call.await;
    let took = start.elapsed();
    assert!(took < 4 * DEADLINE, "took {took:?}");
    answer
}

/// A master, two replicas and three Sentinels that know each other.
pub(crate) struct Stock {
    pub(crate) redis: Vec<testkit::Redis>,
    pub(crate) sentinels: Vec<testkit::Sentinel>,
}

impl Stock {
    pub(crate) async fn start() -> Self {
        let master = testkit::Redis::start().await;
        let mut redis = vec![master];
        for _ in 0..2 {
            let replica = testkit::Redis::builder().replica_of(redis[0].addr());
            redis.push(replica.start().await);
        }
        for replica in &redis[1..] {
            replica.wait_replica_of(redis[0].addr(), PATIENCE).await;
        }
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            // A test that wants a failover asks for it; a busy machine must not cause one.
            let sentinel = testkit::Sentinel::builder()
                .monitor(NAME, redis[0].addr(), 2)
                .down_after(Duration::from_secs(30));
            sentinels.push(sentinel.start().await);
        }
        for sentinel in &sentinels {
            sentinel.wait_knows(NAME, 2, 2, PATIENCE).await;
        }
        Self { redis, sentinels }
    }

    pub(crate) async fn dial(&self, index: usize) -> instance::Sentinel {
        dialer().sentinel(self.sentinels[index].addr()).await.unwrap()
    }

    pub(crate) fn master(&self) -> &Addr {
        self.redis[0].addr()
    }
}

/// A port where nothing listens.
pub(crate) fn nobody() -> Addr {
    Addr::new("127.0.0.1", testkit::ports::free()).unwrap()
}

pub(crate) fn assert_hides(error: &InstanceError, secret: &str) {
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(secret), "{shown}");
}
