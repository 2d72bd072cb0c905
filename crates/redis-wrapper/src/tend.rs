//! While Redis runs: once a second, and whenever `/redis/state` changes, its entry is kept current and its role is
//! compared with the record.
//!
//! ZooKeeper being away changes nothing here: the entry waits, the role stays. What Redis itself does not answer is
//! reported and left to it.

mod correct;
mod wearing;

use std::collections::BTreeMap;
use std::time::Duration;

use instance::{InstanceError, LastingRedis, Snapshot};
use program::chain;
use registry::{Followed, Freshness, Registration, Session, Znode};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use topology::{Addr, Role};
use tracing::{info, warn};
use zkpaths::{Member, PayloadError, State};

use self::wearing::Wearing;
use crate::act;
use crate::admin::Phase;
use crate::belt::{Worn, in_step};
use crate::keep::{Accepted, Keep, Look, Record, disagreement, keep, unsettled, went_back};
use crate::launch::local_addr;
use crate::observe::addresses;
use crate::run::Wrapper;
use crate::settlements::Settlements;
use crate::started::{Started, started};

const EVERY: Duration = Duration::from_secs(1);
/// An entry whose facts have not changed is written again after this long, so that its time tells that it is alive.
const REFRESH: Duration = Duration::from_secs(10);

/// What is remembered between two looks.
pub(crate) struct Tending<'a> {
    wrapper: &'a Wrapper,
    registration: &'a Registration,
    state: watch::Receiver<Followed<Option<Znode>>>,
    members: watch::Receiver<Followed<BTreeMap<String, Vec<u8>>>>,
    redis: LastingRedis,
    wearing: Wearing,
    written: Option<(Member, Instant)>,
    disagrees_since: Option<(Addr, Instant)>,
    last: Option<Keep>,
    known: Option<Accepted>,
    settlements: Settlements,
    silent: bool,
    ready: bool,
}

impl<'a> Tending<'a> {
    /// `claim` is the record that we have claimed at the start, if we have.
    pub(crate) fn new(wrapper: &'a Wrapper, registration: &'a Registration, claim: Option<Accepted>) -> Self {
        let state = wrapper.registry.follow(wrapper.registry.tree().state());
        let members = wrapper
            .registry
            .follow_children(wrapper.registry.tree().members());
        let config = &wrapper.config;
        let ours = config.lease.length.is_some() && !wrapper.basis.template.sets_min_replicas();
        Self {
            wrapper,
            registration,
            state,
            members,
            wearing: Wearing::new(if ours { Worn::Off } else { Worn::NotOurs }),
            redis: wrapper.dialer.lasting_redis(&local_addr(&wrapper.config.network)),
            written: None,
            disagrees_since: None,
            last: None,
            known: claim,
            settlements: Settlements::default(),
            silent: false,
            ready: false,
        }
    }

    /// Looks for ever; the caller stops polling it.
    pub(crate) async fn tend(&mut self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let notifier = &self.wrapper.process.notifier;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                changed = self.state.changed() => if changed.is_err() { tick.tick().await; }
            }
            match self.snapshot().await {
                Ok(snapshot) => self.answered(&snapshot).await,
                Err(reason) => self.is_silent(&reason),
            }
            let metrics = &self.wrapper.page.metrics;
            metrics.looks.inc();
            let up = matches!(*self.wrapper.registry.session().borrow(), Session::Up { .. });
            metrics.session_up.set(up.into());
            // The loop has turned: that is what the watchdog guards.
            notifier.watchdog();
        }
    }

    /// Asks our Redis. Sentinels close every connection when they move roles, so a second try on a new one is due.
    async fn snapshot(&self) -> Result<Snapshot, InstanceError> {
        match self.redis.get().await?.snapshot().await {
            Err(reason) if reason.broke_the_connection() => self.redis.get().await?.snapshot().await,
            answer => answer,
        }
    }

    async fn answered(&mut self, snapshot: &Snapshot) {
        if self.silent {
            info!("redis answers again");
            self.silent = false;
        }
        self.wrapper.page.update(|status| status.answers = true);
        self.write_entry(snapshot);
        self.wrapper.node.look(snapshot);
        self.wear(&snapshot.replication.role).await;
        self.compare(snapshot).await;
        self.tell_ready();
    }

    /// Tells systemd, once.
    fn tell_ready(&mut self) {
        let registered = *self.registration.status().borrow();
        let session = *self.wrapper.registry.session().borrow();
        let Some(why) = started(registered, session).filter(|_| !self.ready) else {
            return;
        };
        if why == Started::WithoutZooKeeper {
            warn!("redis serves and is not registered yet: zookeeper is away");
        }
        self.ready = true;
        self.wrapper.process.notifier.ready();
    }

    /// While ZooKeeper is away, those that were in step last.
    async fn wear(&mut self, role: &Role) {
        let in_step = match &self.members.borrow().value {
            Some(members) => in_step(members, &self.wrapper.identity.addr),
            None => return,
        };
        if let Ok(redis) = self.redis.get().await {
            self.wearing.wear(&redis, role, in_step).await;
        }
    }

    fn is_silent(&mut self, reason: &InstanceError) {
        // Killing it would make it begin anew.
        if matches!(reason, InstanceError::Loading { .. } | InstanceError::Busy { .. }) {
            return;
        }
        if !self.silent {
            warn!(reason = %chain(reason), "redis does not answer");
        }
        self.silent = true;
        self.wrapper.page.update(|status| status.answers = false);
    }

    fn write_entry(&mut self, snapshot: &Snapshot) {
        let mut member = self.wrapper.identity.member(snapshot, act::now_ms());
        member.fenced = self.wrapper.page.fenced().filter(|_| member.role.is_fenced());
        let now = Instant::now();
        let current = self.written.as_ref().is_some_and(|(before, at)| {
            Member {
                at_ms: member.at_ms,
                ..before.clone()
            } == member
                && now - *at < REFRESH
        });
        if current {
            return;
        }
        let role_before = self.written.as_ref().map(|(before, _)| before.role.clone());
        if role_before.as_ref() != Some(&member.role) {
            self.tell_role(&member, role_before.is_some());
        }
        self.registration.update(member.encode());
        self.wrapper.page.update(|status| {
            status.answers = true;
            status.phase = Phase::Serving(Box::new(member.clone()));
        });
        self.written = Some((member, now));
    }

    fn tell_role(&self, member: &Member, changed: bool) {
        let line = match &member.role {
            Role::Master => format!("master at {}", member.addr),
            role @ Role::Replica { .. } if role.is_fenced() => format!("fenced at {}", member.addr),
            Role::Replica { of } => format!("replica of {of} at {}", member.addr),
        };
        self.wrapper.process.notifier.status(&line);
        if changed {
            info!(role = %line, "role changed");
        }
    }

    /// Compares role and record; asks others only while they disagree.
    async fn compare(&mut self, snapshot: &Snapshot) {
        let Wrapper {
            identity,
            dialer,
            observer,
            registry,
            ..
        } = self.wrapper;
        let role = &snapshot.replication.role;
        let record = self.current_record();
        let disputed = match &record {
            Record::Named(state) => disagreement(&identity.addr, role, Some(state)).cloned(),
            Record::Unknown | Record::Empty => None,
        };
        let (mut recorded_role, mut sentinels) = (None, Some(Vec::new()));
        if let Some(recorded) = &disputed {
            let answer = async { dialer.redis(recorded).await?.role().await };
            recorded_role = answer.await.ok();
            sentinels = match registry.children(&registry.tree().sentinels()).await {
                Ok(registered) => {
                    let answers = observer.ask_sentinels(&registered).await;
                    (!answers.is_empty() || addresses(&registered).is_empty()).then_some(answers)
                }
                Err(_) => None,
            };
        }
        let namesakes = match &record {
            Record::Named(state) if self.is_unsettled(snapshot, state) => observer.namesakes().await.ok(),
            Record::Named(_) | Record::Unknown | Record::Empty => None,
        };
        let look = Look {
            me: identity.addr.clone(),
            role: role.clone(),
            run_id: snapshot.run_id.clone(),
            replication_id: snapshot.replication.id.clone(),
            record,
            known: self.known.clone(),
            recorded_role,
            sentinels,
            standing: self.standing(disputed),
            namesakes,
            settled: self.settlements.lately(),
        };
        let decided = keep(&look);
        if self.last.as_ref() != Some(&decided) {
            info!(decision = ?decided, "role compared with the record");
        }
        let namesakes = look.namesakes.as_deref();
        self.settlements
            .tell(&decided, &identity.addr, &look.record, namesakes);
        self.correct(&decided, &look, snapshot).await;
        self.accept(&look.record);
        self.last = Some(decided);
    }

    fn is_unsettled(&self, snapshot: &Snapshot, state: &State) -> bool {
        let me = &self.wrapper.identity.addr;
        unsettled(me, &snapshot.run_id, &snapshot.replication.id, state)
    }

    /// The record, if the copy is as good as a read.
    fn current_record(&mut self) -> Record {
        let followed = self.state.borrow_and_update();
        let up = matches!(*self.wrapper.registry.session().borrow(), Session::Up { .. });
        let data = match &followed.value {
            Some(node) if up && followed.freshness == Freshness::Current => {
                node.as_ref().map(|node| node.data.as_slice()).unwrap_or_default()
            }
            _ => return Record::Unknown,
        };
        match State::decode(data) {
            Ok(Some(state)) => Record::Named(Box::new(state)),
            Ok(None) | Err(PayloadError::Json { .. } | PayloadError::Address { .. }) => Record::Empty,
            Err(PayloadError::Newer { .. }) => Record::Unknown,
        }
    }

    /// The record only goes forward: what went back is not remembered.
    fn accept(&mut self, record: &Record) {
        if let Record::Named(state) = record
            && !went_back(self.known.as_ref(), state)
        {
            self.known = Some(Accepted::from(state.as_ref()));
        }
    }

    fn standing(&mut self, disputed: Option<Addr>) -> Duration {
        let now = Instant::now();
        match (disputed, self.disagrees_since.take()) {
            (None, _) => Duration::ZERO,
            (Some(recorded), Some((before, since))) if before == recorded => {
                self.disagrees_since = Some((before, since));
                now - since
            }
            (Some(recorded), _) => {
                self.disagrees_since = Some((recorded, now));
                Duration::ZERO
            }
        }
    }
}
