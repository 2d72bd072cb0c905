//! While Redis runs: once a second, and whenever `/redis/state` changes, its entry is kept current and its role is
//! compared with the record.
//!
//! ZooKeeper being away changes nothing here: the entry waits, the role stays. What Redis itself does not answer is
//! reported and left to it.

use std::time::Duration;

use instance::{InstanceError, LastingRedis, Snapshot};
use program::chain;
use registry::{Followed, Freshness, Registered, Registration, Session, Znode};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use topology::{Addr, Role};
use tracing::{info, warn};
use zkpaths::{Member, State};

use crate::act;
use crate::admin::Phase;
use crate::keep::{Accepted, Keep, Look, Record, disagreement, keep, went_back};
use crate::launch::local_addr;
use crate::observe::addresses;
use crate::run::Wrapper;

const EVERY: Duration = Duration::from_secs(1);
/// An entry whose facts have not changed is written again after this long, so that its time tells that it is alive.
const REFRESH: Duration = Duration::from_secs(10);

/// What is remembered between two looks.
pub(crate) struct Tending<'a> {
    wrapper: &'a Wrapper,
    registration: &'a Registration,
    state: watch::Receiver<Followed<Option<Znode>>>,
    redis: LastingRedis,
    written: Option<(Member, Instant)>,
    disagrees_since: Option<(Addr, Instant)>,
    last: Option<Keep>,
    known: Option<Accepted>,
    silent: bool,
    ready: bool,
}

impl<'a> Tending<'a> {
    pub(crate) fn new(wrapper: &'a Wrapper, registration: &'a Registration) -> Self {
        let state = wrapper.registry.follow(wrapper.registry.tree().state());
        Self {
            wrapper,
            registration,
            state,
            redis: wrapper.dialer.lasting_redis(&local_addr(&wrapper.config.network)),
            written: None,
            disagrees_since: None,
            last: None,
            known: None,
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
        self.compare(snapshot).await;
        let registered = *self.registration.status().borrow() == Registered::Present;
        if !self.ready && registered {
            self.ready = true;
            self.wrapper.process.notifier.ready();
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
        let member = self.wrapper.identity.member(snapshot, act::now_ms());
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
        };
        let decided = keep(&look);
        if self.last.as_ref() != Some(&decided) {
            info!(decision = ?decided, "role compared with the record");
        }
        self.correct(&decided, role, snapshot).await;
        self.accept(&look.record);
        self.last = Some(decided);
    }

    async fn correct(&mut self, decided: &Keep, role: &Role, snapshot: &Snapshot) {
        let Wrapper {
            identity,
            registry,
            page,
            ..
        } = self.wrapper;
        match decided {
            Keep::Nothing(_) => {}
            Keep::Settle => match act::settle(registry, &identity.addr, snapshot).await {
                Ok(state) => info!(master = %identity.addr, epoch = %state.epoch, "record completed"),
                Err(reason) => warn!(reason = %chain(&reason), "record not completed yet; trying again"),
            },
            Keep::Restore => {
                page.metrics.corrections.inc();
                let Some(known) = &self.known else { return };
                match act::restore(registry, known, &self.wrapper.config.group.name, snapshot).await {
                    Ok(state) => {
                        warn!(master = %identity.addr, epoch = %state.epoch, "zookeeper had lost the record; put back");
                    }
                    Err(reason) => warn!(reason = %chain(&reason), "record not put back yet; trying again"),
                }
            }
            Keep::Follow { to, why } => {
                page.metrics.corrections.inc();
                let followed = async {
                    let redis = self.redis.get().await?;
                    redis.follow_master(to).await?;
                    // Clients that still think they speak to a master look again.
                    if *role == Role::Master {
                        redis.kill_clients().await
                    } else {
                        Ok(0)
                    }
                };
                match followed.await {
                    Ok(_) => warn!(master = %to, reason = ?why, "following the recorded master"),
                    Err(reason) => {
                        warn!(master = %to, reason = %chain(&reason), "not following yet; trying again");
                    }
                }
            }
        }
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
            Ok(None) => Record::Empty,
            Err(_) => Record::Unknown,
        }
    }

    /// The record only goes forward: what went back is not remembered.
    fn accept(&mut self, record: &Record) {
        if let Record::Named(state) = record
            && !went_back(self.known.as_ref(), state)
        {
            self.known = Some(Accepted {
                group: state.group,
                master: state.record(),
            });
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
