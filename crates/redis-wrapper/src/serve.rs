//! From a started Redis to a registered one: it answers, the record is completed, and the group hears of it.

use std::time::Duration;

use instance::{Probe, Snapshot};
use registry::{LockGuard, Registered, Registration};
use supervisor::{Child, Exit};
use tokio::time::{Instant, sleep};
use topology::Role;
use tracing::{error, info};

use crate::admin::Phase;
use crate::choose::Chosen;
use crate::run::Wrapper;
use crate::{act, announce, launch};

/// A Redis that neither answers nor loads after this long never will, and others wait for our lock.
const SILENCE: Duration = Duration::from_secs(20);

impl Wrapper {
    /// Waits for our Redis to answer, completes the record and registers.
    pub(crate) async fn serve(&self, chosen: Chosen, child: &Child) -> Result<Registration, Exit> {
        let Chosen {
            replica_of: _,
            claimed,
            announce,
            mut guard,
            candidacy: _candidacy,
            held,
            salvage: _,
        } = chosen;
        let mut snapshot = self.answer(child, &mut guard).await?;
        self.node.begin(&snapshot, held.as_ref()).await;
        if let Some(claimed) = &claimed {
            self.complete(claimed, held.as_ref(), &mut snapshot).await;
        }
        let member = self.identity.member(&snapshot, act::now_ms());
        let path = self.registry.tree().member(self.identity.id);
        let registration = self.registry.register(path, member.encode());
        if let Some(guard) = guard {
            // The next node to decide must find this one registered.
            let mut registered = registration.status();
            let _ = tokio::time::timeout(
                Duration::from_secs(2),
                registered.wait_for(|status| *status == Registered::Present),
            )
            .await;
            guard.release().await;
        }
        let role = member.role.word();
        info!(role, redis = %self.identity.addr, pid = child.pid(), version = %snapshot.server_version, "redis serves");
        self.page.update(|status| {
            status.answers = true;
            status.phase = Phase::Serving(Box::new(member));
        });
        let still_master = snapshot.replication.role == Role::Master;
        if let Some((seen, record)) = announce.filter(|_| still_master) {
            announce::announce_everywhere(&self.dialer, &self.config.group.name, &seen, &record).await;
        }
        Ok(registration)
    }

    /// Waits until our Redis answers. While it loads, others decide without waiting for us.
    async fn answer(&self, child: &Child, guard: &mut Option<LockGuard>) -> Result<Box<Snapshot>, Exit> {
        let local = launch::local_addr(&self.config.network);
        let started = Instant::now();
        loop {
            match self.dialer.probe(&local).await {
                // Somebody else's Redis on our port is not the one we started, which is about to say so and end.
                Probe::Answered(snapshot) if snapshot.process_id.is_some_and(|pid| pid != child.pid()) => {
                    sleep(Duration::from_millis(50)).await;
                }
                Probe::Answered(snapshot) => return Ok(snapshot),
                Probe::Loading | Probe::Busy => {
                    self.progress("redis is loading its data set");
                    self.process.notifier.extend_timeout(Duration::from_secs(30));
                    // Others find it at its address by now; loading may take minutes.
                    if let Some(guard) = guard.take() {
                        guard.release().await;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                Probe::Refused | Probe::Unreachable if started.elapsed() > SILENCE => {
                    error!(redis = %local, "redis was started and does not answer there; check REDIS_CONF and the arguments after --");
                    return Err(Exit::Unavailable);
                }
                Probe::Refused | Probe::Unreachable => sleep(Duration::from_millis(5)).await,
                Probe::Denied(reason) => {
                    error!(%reason, "our own redis refuses us; check REDIS_PASSWORD and the users of REDIS_CONF");
                    return Err(Exit::Configuration);
                }
            }
        }
    }
}
