//! Keeps the lease while our Redis runs: tells [`Lease`] what becomes known, and does what it says.
//!
//! A task of its own: nothing that others wait for holds it up, and it goes on while the program stops, until Redis has ended.
//! Errands run side by side, one of each kind; what they bring is taken before the time is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use instance::Dialer;
use registry::{Followed, Znode};
use supervisor::{BootTime, Child};
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use topology::Addr;
use tracing::{error, info, warn};
use zkpaths::Member;

use super::errands::{self, Around, Means};
use super::words::{Action, Input, Standing, Way};
use super::{FENCE_DEADLINE, Lease};
use crate::admin::Page;
use crate::launch::local_addr;
use crate::observe::addresses;
use crate::run::Wrapper;

/// While a lease runs, the clock is looked at this often: tokio's timers stand still while the machine sleeps.
const LOOK: Duration = Duration::from_millis(50);

/// For a new connection to a Sentinel or a member, which outlives the round that wanted it.
const DIAL_DEADLINE: Duration = Duration::from_millis(800);

type Errands = FuturesUnordered<Pin<Box<dyn Future<Output = Vec<Input>> + Send>>>;
type Children = BTreeMap<String, Vec<u8>>;

impl Wrapper {
    /// Starts the task, which ends with `child`: before Redis answers for the first time, as from then on its writes are under
    /// a lease.
    pub(crate) fn keep_lease(&self, child: &Child) {
        let Some(length) = self.config.lease.length else {
            info!("no lease is kept (LEASE is off): a master that is cut off goes on taking writes");
            return;
        };
        let (me, local) = (&self.identity.addr, local_addr(&self.config.network));
        let means = Means {
            registry: self.registry.clone(),
            redis: Arc::new(self.dialer.within(FENCE_DEADLINE).lasting_redis(&local)),
            name: self.config.group.name.clone(),
            me: me.clone(),
            length,
            run_id: Arc::new(OnceLock::new()),
            tasks: self.tasks.tracker().clone(),
            written: Arc::new(Mutex::new(None)),
        };
        let tree = self.registry.tree();
        let keeper = Keeper {
            lease: Lease::new(me.clone(), length, BootTime::now()),
            state: self.registry.follow(tree.state()),
            members: self.registry.follow_children(tree.members()),
            registered: self.registry.follow_children(tree.sentinels()),
            dialer: self.dialer.within(DIAL_DEADLINE),
            around: Around::default(),
            errands: Errands::new(),
            wake: Duration::ZERO,
            page: self.page.clone(),
            child: child.clone(),
            relieved: self.relieved.clone(),
            means,
        };
        self.tasks.spawn("lease", keeper.keep());
    }
}

struct Keeper {
    means: Means,
    lease: Lease,
    state: watch::Receiver<Followed<Option<Znode>>>,
    members: watch::Receiver<Followed<Children>>,
    registered: watch::Receiver<Followed<Children>>,
    dialer: Dialer,
    around: Around,
    errands: Errands,
    wake: Duration,
    page: Arc<Page>,
    child: Child,
    relieved: CancellationToken,
}

impl Keeper {
    async fn keep(mut self) {
        let (child, relieved) = (self.child.clone(), self.relieved.clone());
        tokio::select! {
            _ = child.exited() => {}
            () = relieved.cancelled() => {}
            () = self.run() => {}
        }
    }

    async fn run(&mut self) {
        loop {
            let inputs = self.next().await;
            for input in inputs {
                let before = self.lease.standing();
                let actions = self.lease.step(BootTime::now(), input);
                // Doing comes before telling: the fence waits for no log.
                for action in actions {
                    self.act(&action);
                }
                self.tell(before);
            }
        }
    }

    async fn next(&mut self) -> Vec<Input> {
        tokio::select! {
            biased;
            Some(inputs) = self.errands.next() => inputs,
            () = changed(&mut self.state) => self.recorded(),
            () = changed(&mut self.members) => self.who_is_around(),
            () = changed(&mut self.registered) => self.who_is_around(),
            () = sleep(self.wake) => vec![Input::Woke],
        }
    }

    /// The record as last read. A renewal checks its version, so an old copy does no harm.
    fn recorded(&mut self) -> Vec<Input> {
        let followed = self.state.borrow_and_update();
        let known = followed.value.as_ref();
        known
            .map(|node| Input::Recorded(errands::record(node.as_ref(), &self.means.me)))
            .into_iter()
            .collect()
    }

    /// Who else there is: while ZooKeeper is away, those who were there last.
    fn who_is_around(&mut self) -> Vec<Input> {
        let registered = match &self.registered.borrow_and_update().value {
            Some(children) => addresses(children),
            None => return Vec::new(),
        };
        let members = match &self.members.borrow_and_update().value {
            Some(children) => others(children, &self.means.me),
            None => return Vec::new(),
        };
        let (dialer, around) = (&self.dialer, &mut self.around);
        around.sentinels.retain(|addr, _| registered.contains(addr));
        around.members.retain(|addr, _| members.contains(addr));
        for addr in registered {
            let lasting = || Arc::new(dialer.lasting_sentinel(&addr));
            around.sentinels.entry(addr.clone()).or_insert_with(lasting);
        }
        for addr in members {
            let lasting = || Arc::new(dialer.lasting_redis(&addr));
            around.members.entry(addr.clone()).or_insert_with(lasting);
        }
        let (others, sentinels) = (around.members.len(), around.sentinels.len());
        vec![Input::Around { others, sentinels }]
    }

    fn act(&mut self, action: &Action) {
        let means = self.means.clone();
        match *action {
            Action::Renew { state, epoch } => self.begin(errands::renew(means, state, epoch)),
            Action::AskSentinels => {
                let (around, deadline) = (self.around.clone(), self.means.length / 6);
                self.begin(errands::ask_around(means, around, deadline));
            }
            Action::AskRole => self.begin(errands::ask_role(means)),
            Action::Fence(_) => self.begin(errands::fence(means, !self.lease.has_a_stray())),
            Action::Disconnect => self.begin(errands::disconnect(means)),
            Action::Unfence(_) => self.begin(errands::unfence(means)),
            Action::Kill(_) => self.child.kill(),
            Action::Release => self.begin(errands::release(means)),
            Action::WakeAt(at) => {
                let left = at.since(BootTime::now());
                self.wake = match self.lease.standing() {
                    Standing::Idle | Standing::Free => left,
                    Standing::Held { .. }
                    | Standing::Fencing { .. }
                    | Standing::Fenced { .. }
                    | Standing::Unfencing { .. }
                    | Standing::Killed { .. } => left.min(LOOK),
                };
            }
        }
    }

    fn begin(&mut self, errand: impl Future<Output = Vec<Input>> + Send + 'static) {
        self.errands.push(Box::pin(errand));
    }

    /// One line for each change, and the numbers.
    fn tell(&self, before: Standing) {
        let now = self.lease.standing();
        if now == before {
            return;
        }
        self.page
            .metrics
            .lease
            .show(before, now, self.lease.longest_gap());
        let fenced = now.fenced().map(|why| why.to_string());
        if fenced != before.fenced().map(|why| why.to_string()) {
            self.page.update(|status| status.fenced.clone_from(&fenced));
        }
        let lease_ms = self.means.length.as_millis();
        match (before, now) {
            (Standing::Held { by, .. }, Standing::Held { by: now, .. }) if by == now => {}
            (Standing::Unfencing { .. }, Standing::Held { by, .. }) => {
                info!(by = by.word(), "lease renewed; redis is master again");
            }
            (
                _,
                Standing::Held {
                    by: Way::Beginning, ..
                },
            ) => {
                info!(lease_ms, "redis takes writes under a lease");
            }
            (
                _,
                Standing::Held {
                    by: Way::ZooKeeper, ..
                },
            ) => info!("zookeeper renews the lease"),
            (
                _,
                Standing::Held {
                    by: Way::Sentinels, ..
                },
            ) => {
                warn!("zookeeper does not renew the lease; a majority of the sentinels stands in");
            }
            (Standing::Held { .. }, Standing::Free) => {
                info!("no lease is needed: nobody could be promoted");
            }
            (_, Standing::Fencing { why, .. }) => warn!(reason = %why, "fencing redis"),
            (Standing::Fencing { .. }, Standing::Fenced { .. }) => {
                warn!("redis is fenced: it takes no writes until the lease is renewed");
            }
            (_, Standing::Fenced { why }) => warn!(reason = %why, "redis is fenced"),
            (_, Standing::Killed { why }) => {
                error!(reason = %why, pid = self.child.pid(), "redis did not take the fence in 200 ms; killed");
            }
            (Standing::Fenced { .. }, Standing::Idle) => {
                info!("redis is fenced no more: it follows a master");
            }
            (_, Standing::Idle | Standing::Free | Standing::Unfencing { .. }) => {}
        }
    }
}

/// Waits for news; there are none any more once ZooKeeper's session has been closed.
async fn changed<T>(copy: &mut watch::Receiver<T>) {
    if copy.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn others(members: &Children, me: &Addr) -> BTreeSet<Addr> {
    let decoded = members.values().filter_map(|data| Member::decode(data).ok());
    let addrs = decoded.map(|member| member.addr);
    addrs.filter(|addr| addr != me).collect()
}
