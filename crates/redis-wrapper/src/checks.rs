//! `/primary` and `/replica` of the admin page: asks our Redis, and leaves the answer to [`crate::traffic`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use httpd::{Check, Router, check};
use instance::{Dialer, LastingRedis, Snapshot};
use registry::{Followed, Registry, Znode};
use tokio::sync::watch;
use tokio::time::timeout;
use topology::Addr;
use zkpaths::{Member, State};

use crate::admin::Page;
use crate::traffic::{Seen, primary, replica};

/// Load balancers ask often and wait little.
const DEADLINE: Duration = Duration::from_millis(500);

/// What the answers are made of. Clones share it.
#[derive(Clone)]
pub(crate) struct Checks {
    me: Addr,
    redis: Arc<LastingRedis>,
    page: Arc<Page>,
    state: watch::Receiver<Followed<Option<Znode>>>,
    members: watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>>,
}

impl Checks {
    pub(crate) fn new(registry: &Registry, dialer: &Dialer, local: &Addr, me: Addr, page: Arc<Page>) -> Self {
        let tree = registry.tree();
        Self {
            me,
            redis: Arc::new(dialer.within(DEADLINE).lasting_redis(local)),
            page,
            state: registry.follow(tree.state()),
            members: registry.follow_children(tree.members()),
        }
    }

    pub(crate) fn router(&self) -> Router {
        let (for_primary, for_replica) = (self.clone(), self.clone());
        Router::new()
            .route(
                "/primary",
                check(move |_| {
                    let checks = for_primary.clone();
                    async move { checks.answer(primary).await }
                }),
            )
            .route(
                "/replica",
                check(move |query: String| {
                    let checks = for_replica.clone();
                    async move { checks.answer(|seen| replica(seen, &query)).await }
                }),
            )
    }

    async fn answer(&self, judge: impl FnOnce(&Seen<'_>) -> Check) -> Check {
        let redis = timeout(DEADLINE, self.ask()).await.ok().flatten();
        let status = self.page.status();
        let record = self.record();
        let master_offset = record
            .as_ref()
            .and_then(|state| self.offset_of(&state.master.addr));
        judge(&Seen {
            me: &self.me,
            redis: redis.as_ref(),
            fenced: status.fenced.as_deref(),
            record: record.as_ref(),
            master_offset,
        })
    }

    /// Whoever moves roles closes connections, so a second try on a new one is due.
    async fn ask(&self) -> Option<Snapshot> {
        match self.redis.get().await.ok()?.snapshot().await {
            Err(reason) if reason.broke_the_connection() => {
                self.redis.get().await.ok()?.snapshot().await.ok()
            }
            answer => answer.ok(),
        }
    }

    /// As last read: while ZooKeeper is away, no role changes but through the Sentinels, and then our own Redis is fenced or a replica.
    fn record(&self) -> Option<State> {
        let followed = self.state.borrow();
        let node = followed.value.as_ref()?.as_ref()?;
        State::decode(&node.data).ok()?
    }

    fn offset_of(&self, master: &Addr) -> Option<i64> {
        let followed = self.members.borrow();
        let members = followed.value.as_ref()?.values();
        let mut decoded = members.filter_map(|data| Member::decode(data).ok());
        decoded
            .find(|member| member.addr == *master)
            .map(|member| member.offset)
    }
}
