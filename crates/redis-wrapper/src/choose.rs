//! Choosing a role: look, decide, record, under the bootstrap lock.
//!
//! A wait or a lost race goes back to the look: there is no other way back. Nothing is started here.

mod take;

use std::time::Duration;

use failover::Deadlines;
use program::chain;
use registry::{LockError, LockGuard, Registration};
use settings::Durability;
use supervisor::Exit;
use tokio::time::{Instant, sleep};
use topology::{Addr, Epoch, MasterRecord};
use tracing::{debug, info, warn};
use zkpaths::{Holding, Lock, State};

use self::take::is_moving;
use crate::candidacy::Candidate;
use crate::decide::address::holder;
use crate::decide::{PATIENCE, Plan, StandBy, WhyWait, decide, quorum};
use crate::member::describe;
use crate::observe::Seen;
use crate::run::Wrapper;
use crate::salvage::{self, Verdict, WhyKeep};
use crate::view::View;

const LOCK_DEADLINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const PROMOTION: Deadlines = Deadlines {
    lock: Duration::from_secs(5),
    whole: Duration::from_secs(15),
};
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// The role that was chosen, and what has been done about it.
#[derive(Default)]
pub(crate) struct Chosen {
    /// Whom to replicate; `None` to be master.
    pub(crate) replica_of: Option<Addr>,
    /// The record that we have claimed, to be master.
    pub(crate) claimed: Option<State>,
    /// What to tell Sentinels that still name somebody else.
    pub(crate) announce: Option<(Box<Seen>, MasterRecord)>,
    /// Held until our Redis answers, so that the next node to decide finds it.
    pub(crate) guard: Option<LockGuard>,
    /// A winner's, until its Redis answers: others compare their disks with its own.
    pub(crate) candidacy: Option<Registration>,
    /// What our disk holds.
    pub(crate) held: Option<Holding>,
    /// Why our data set must be kept aside before Redis starts, as of which epoch.
    pub(crate) salvage: Option<(Epoch, WhyKeep)>,
}

impl Chosen {
    fn replica(of: Addr, held: Option<&Holding>, seen: &Seen) -> Self {
        let epoch = seen.view.believed().map_or(Epoch(0), |record| record.epoch);
        let lost = salvage::judge(held.unwrap_or(&Holding::Nothing), &of, &seen.view);
        Self {
            replica_of: Some(of),
            held: held.cloned(),
            salvage: match lost {
                Verdict::Nothing(_) => None,
                Verdict::Keep(why) => Some((epoch, why)),
            },
            ..Self::default()
        }
    }
}

/// What a turn with the lock came to.
enum Turn {
    /// There is a role.
    Role(Box<Chosen>),
    /// Going on would do harm.
    End(Exit),
    /// Look again from the front door.
    Again,
    /// Let others go first, for so long at most.
    StandBy(Duration, String),
}

/// What came of having another node promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promoted {
    /// The next look tells.
    Perhaps,
    /// Nobody, for now.
    Nobody,
    /// Too few answer, and waiting with the lock in our hand keeps others from starting.
    TooFew,
}

/// Since when the group, and not ZooKeeper or another starter, keeps us from deciding.
#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    last: Option<WhyWait>,
    address_taken: Option<Instant>,
    /// Too few Sentinels were heard to have another promoted.
    unheard: Option<Instant>,
}

impl Waiting {
    /// Notes for how long somebody has had our address.
    fn for_our_address(&mut self, view: &mut View) {
        self.address_taken = match holder(view) {
            Some(_) => Some(self.address_taken.unwrap_or_else(Instant::now)),
            None => None,
        };
        view.own.held_for = self.address_taken.map_or(Duration::ZERO, |since| since.elapsed());
    }
}

impl Wrapper {
    /// Looks and decides until there is a role; the bootstrap lock is held from the look to the record.
    pub(crate) async fn choose(&self) -> Result<Chosen, Exit> {
        let mut waiting = Waiting::default();
        let mut candidate = self.candidate();
        loop {
            self.connected().await;
            if let Err(reason) = candidate.enter().await {
                warn!(reason = %chain(&reason), "candidacy not registered; trying again");
                sleep(LOOK_AGAIN).await;
                continue;
            }
            let Some(guard) = self.locked().await else {
                continue;
            };
            let mut lost = guard.lost();
            let turn = tokio::select! {
                turn = self.choose_locked(&mut waiting, &mut candidate) => turn,
                _ = lost.wait_for(|lost| *lost) => Turn::Again,
            };
            match turn {
                Turn::Role(chosen) if chosen.replica_of.is_none() => {
                    return Ok(Chosen {
                        guard: Some(guard),
                        held: candidate.holds().cloned(),
                        candidacy: candidate.leave(),
                        ..*chosen
                    });
                }
                Turn::Role(chosen) => {
                    guard.release().await;
                    return Ok(*chosen);
                }
                Turn::End(exit) => {
                    guard.release().await;
                    return Err(exit);
                }
                Turn::Again => {
                    guard.release().await;
                    sleep(LOOK_AGAIN).await;
                }
                Turn::StandBy(left, why) => {
                    guard.release().await;
                    self.progress(&why);
                    candidate.stand_by(left, &why).await;
                }
            }
        }
    }

    fn candidate(&self) -> Candidate<'_> {
        let identity = &self.identity;
        Candidate::new(&self.registry, &self.node, identity.id, identity.addr.clone())
    }

    async fn connected(&self) {
        self.progress("waiting for zookeeper");
        while let Err(reason) = self.registry.connected(CONNECT_PATIENCE).await {
            // Of the reason the registry tells, once a minute.
            debug!(reason = %chain(&reason), "waiting for zookeeper");
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn locked(&self) -> Option<LockGuard> {
        match self
            .registry
            .lock(Lock::Bootstrap, &self.identity.addr.to_string(), LOCK_DEADLINE)
            .await
        {
            Ok(guard) => Some(guard),
            Err(LockError::Deadline { path, holder, .. }) => {
                let holder = holder.as_deref().unwrap_or("nobody by now");
                info!(%path, holder, "another node is deciding its role; waiting");
                self.progress(&format!("waiting for the start lock; {holder} has it"));
                None
            }
            Err(reason) => {
                warn!(reason = %chain(&reason), "bootstrap lock not taken; trying again");
                sleep(LOOK_AGAIN).await;
                None
            }
        }
    }

    async fn choose_locked(&self, waiting: &mut Waiting, candidate: &mut Candidate<'_>) -> Turn {
        let mut quiet = None;
        let turn = self.choose_quietly(waiting, candidate, &mut quiet).await;
        if let Some(guard) = quiet {
            guard.release().await;
        }
        turn
    }

    /// `quiet` is the failover lock, where it had to be taken: while it is ours nobody moves the role.
    async fn choose_quietly(
        &self,
        waiting: &mut Waiting,
        candidate: &mut Candidate<'_>,
        quiet: &mut Option<LockGuard>,
    ) -> Turn {
        loop {
            candidate.about_to_look();
            let mut seen = match self.observer.look().await {
                Ok(seen) => seen,
                Err(reason) => {
                    warn!(reason = %chain(&reason), "the group could not be read; looking again");
                    return Turn::Again;
                }
            };
            candidate.complete(&mut seen);
            waiting.for_our_address(&mut seen.view);
            let waited = waiting.since.map_or(Duration::ZERO, |since| since.elapsed());
            let mut plan = decide(&seen.view, waited);
            if let Plan::Promote { candidate: best, why } = &plan {
                if let Some(guard) = quiet.take() {
                    guard.release().await;
                }
                let resume = Some(&self.config.durability).filter(|promise| **promise == Durability::Quorum);
                let instead = resume.and_then(|_| quorum::resume(&seen.view, best));
                plan = if let Some(resume) = instead {
                    resume
                } else {
                    info!(candidate = %describe(best), reason = ?why, "having another node promoted");
                    match self.promote_another(&seen, best, *why, waiting).await {
                        Promoted::Perhaps => continue,
                        // Others may start meanwhile, and be fitter.
                        Promoted::Nobody => return Turn::Again,
                        Promoted::TooFew => quorum::too_few(&seen.view),
                    }
                };
            }
            match plan {
                Plan::Wait(why) => {
                    waiting.since.get_or_insert_with(Instant::now);
                    let said = waiting.last;
                    if waiting.last.replace(why) != Some(why) && why == WhyWait::MasterDenies {
                        warn!("the master does not let us in; check REDIS_PASSWORD and REDIS_USER");
                        self.progress("the master does not let us in");
                    } else if waiting.last != said {
                        info!(reason = ?why, "role not decided yet");
                        self.progress("waiting to decide a role");
                    }
                    if why == WhyWait::MasterDenies {
                        // Nobody else is kept from starting by our password.
                        return Turn::Again;
                    }
                    sleep(LOOK_AGAIN).await;
                }
                Plan::Replica { of, why } => {
                    info!(role = "replica", master = %of, reason = ?why, "role decided");
                    return Turn::Role(Box::new(Chosen::replica(of, candidate.holds(), &seen)));
                }
                Plan::Master { .. } if quiet.is_none() && is_moving(&seen) => match self.quiet().await {
                    Some(guard) => *quiet = Some(guard),
                    None => return Turn::Again,
                },
                Plan::Master { epoch, why, disk } => {
                    info!(disk = ?disk, "nobody alive holds data; this node's disk wins");
                    return self.claim(seen, epoch, why).await;
                }
                Plan::StandBy(StandBy::Missing { nodes, left }) => {
                    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                    return Turn::StandBy(
                        left,
                        format!("waiting for nodes seen lately: {}", nodes.join(" ")),
                    );
                }
                Plan::StandBy(StandBy::AddressTaken { by }) => {
                    let addr = &self.identity.addr;
                    let why = format!(
                        "the address we announce, {addr}, is not free: {by} has it; waiting until it has gone"
                    );
                    return Turn::StandBy(LOOK_AGAIN, why);
                }
                Plan::StandBy(StandBy::Fresher { node, why }) => {
                    return Turn::StandBy(PATIENCE, format!("{node} starts with the fresher disk: {why:?}"));
                }
                Plan::StandBy(StandBy::TooFew) => {
                    let why =
                        "too few nodes answer to promote one of them (DURABILITY=quorum); waiting for more";
                    return Turn::StandBy(LOOK_AGAIN, why.to_owned());
                }
                // Done above.
                Plan::Promote { .. } => {}
                Plan::Refuse(why) => return Turn::End(self.refuse(&why)),
            }
        }
    }
}
