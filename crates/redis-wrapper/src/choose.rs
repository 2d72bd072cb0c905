//! Choosing a role: look, decide, record, under the bootstrap lock.
//!
//! A wait or a lost race goes back to the look: there is no other way back. Nothing is started here.

use std::time::Duration;

use program::chain;
use registry::{LockError, LockGuard};
use supervisor::Exit;
use tokio::time::{Instant, sleep};
use topology::{Addr, Epoch, MasterRecord};
use tracing::{error, info, warn};
use zkpaths::Lock;

use crate::act;
use crate::decide::{Plan, WhyMaster, WhyRefuse, WhyWait, decide};
use crate::member::describe;
use crate::observe::Seen;
use crate::promote;
use crate::run::Wrapper;

const LOCK_DEADLINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// The role that was chosen, and what has been done about it.
pub(crate) struct Chosen {
    /// Whom to replicate; `None` to be master.
    pub(crate) replica_of: Option<Addr>,
    /// What to tell Sentinels that still name somebody else.
    pub(crate) announce: Option<(Box<Seen>, MasterRecord)>,
    /// Held until our Redis answers, so that the next node to decide finds it.
    pub(crate) guard: Option<LockGuard>,
}

/// Since when the group, and not ZooKeeper or another starter, keeps us from deciding.
#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    last: Option<WhyWait>,
}

impl Wrapper {
    /// Looks and decides until there is a role; the bootstrap lock is held from the look to the record.
    pub(crate) async fn choose(&self) -> Result<Chosen, Exit> {
        let mut waiting = Waiting::default();
        loop {
            self.connected().await;
            let Some(guard) = self.locked().await else {
                continue;
            };
            let mut lost = guard.lost();
            let chosen = tokio::select! {
                chosen = self.choose_locked(&mut waiting) => chosen,
                _ = lost.wait_for(|lost| *lost) => None,
            };
            match chosen {
                Some(Ok(chosen)) if chosen.replica_of.is_none() => {
                    return Ok(Chosen {
                        guard: Some(guard),
                        ..chosen
                    });
                }
                Some(end) => {
                    guard.release().await;
                    return end;
                }
                None => {
                    guard.release().await;
                    sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    async fn connected(&self) {
        while let Err(reason) = self.registry.connected(CONNECT_PATIENCE).await {
            warn!(reason = %chain(&reason), "waiting for zookeeper");
            self.progress("waiting for zookeeper");
        }
    }

    async fn locked(&self) -> Option<LockGuard> {
        match self
            .registry
            .lock(Lock::Bootstrap, &self.identity.addr.to_string(), LOCK_DEADLINE)
            .await
        {
            Ok(guard) => Some(guard),
            Err(LockError::Deadline { path, .. }) => {
                info!(%path, "another node is deciding its role; waiting");
                self.progress("waiting for the bootstrap lock");
                None
            }
            Err(reason) => {
                warn!(reason = %chain(&reason), "bootstrap lock not taken; trying again");
                sleep(LOOK_AGAIN).await;
                None
            }
        }
    }

    /// `None`: look again from the front door.
    async fn choose_locked(&self, waiting: &mut Waiting) -> Option<Result<Chosen, Exit>> {
        loop {
            let seen = match self.observer.look().await {
                Ok(seen) => seen,
                Err(reason) => {
                    warn!(reason = %chain(&reason), "the group could not be read; looking again");
                    return None;
                }
            };
            match decide(
                &seen.view,
                waiting.since.map_or(Duration::ZERO, |since| since.elapsed()),
            ) {
                Plan::Wait(why) => {
                    waiting.since.get_or_insert_with(Instant::now);
                    if waiting.last.replace(why) != Some(why) {
                        info!(reason = ?why, "role not decided yet");
                        self.progress("waiting to decide a role");
                    }
                    sleep(LOOK_AGAIN).await;
                }
                Plan::Replica { of, why } => {
                    info!(role = "replica", master = %of, reason = ?why, "role decided");
                    return Some(Ok(Chosen {
                        replica_of: Some(of),
                        announce: None,
                        guard: None,
                    }));
                }
                Plan::Master { epoch, why } => return self.claim(seen, epoch, why).await,
                Plan::Promote { candidate, why } => {
                    info!(candidate = %describe(&candidate), reason = ?why, "having another node promoted");
                    match promote::promote(&self.observer, &candidate).await {
                        Ok(master) => info!(%master, "another node is master now"),
                        Err(reason) => warn!(reason = %chain(&reason), "nobody was promoted; looking again"),
                    }
                }
                Plan::Refuse(why) => return Some(Err(self.refuse(&why))),
            }
        }
    }

    async fn claim(&self, seen: Seen, epoch: Epoch, why: WhyMaster) -> Option<Result<Chosen, Exit>> {
        if let Err(reason) = act::claim(&self.registry, &seen, epoch, why).await {
            info!(reason = %chain(&reason), "not recorded as master; looking again");
            return None;
        }
        info!(role = "master", %epoch, reason = ?why, "role decided");
        let record = MasterRecord {
            addr: self.identity.addr.clone(),
            epoch,
        };
        let announce = match why {
            WhyMaster::RecordedIsGone => Some((Box::new(seen), record)),
            WhyMaster::FirstStart | WhyMaster::ResumeAlone => None,
        };
        Some(Ok(Chosen {
            replica_of: None,
            announce,
            guard: None,
        }))
    }

    fn refuse(&self, why: &WhyRefuse) -> Exit {
        let path = self.registry.tree().root();
        let own = &self.config.group.name;
        match why {
            WhyRefuse::OtherGroup(name) => {
                error!(%path, "the tree belongs to the group `{name}`, not to `{own}`; set MASTER_NAME={name}, or another ZK_ROOT for this group");
                Exit::Configuration
            }
            WhyRefuse::TwoMasters(masters) => {
                let masters: Vec<String> = masters.iter().map(ToString::to_string).collect();
                error!(
                    masters = masters.join(" "),
                    "several nodes answer as master and none is recorded; make all but one a replica, or stop them"
                );
                Exit::Unavailable
            }
            WhyRefuse::MasterDenies(master) => {
                error!(%master, "the master refuses our credentials; check REDIS_PASSWORD and REDIS_USER");
                Exit::Configuration
            }
        }
    }
}
