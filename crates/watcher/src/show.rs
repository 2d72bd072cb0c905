//! What of a group the outside world is shown: the settled record, with the replicas that may be read. `group_of` is pure.
//!
//! A record that is not settled names somebody who is no master yet, so what was shown before stays. While ZooKeeper is away it
//! is shown what the Sentinels name, by the same decision as would be recorded.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sinks::{Assurance, Board, Fitness, Group, Master, Offer, Origin, Replica};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use topology::{Addr, Epoch, LinkStatus, MasterName, Role};
use tracing::{debug, info, warn};
use zkpaths::{Member, Phase, State};

use crate::situation::{Age, Record, Situation};
use crate::verdict::Publication;
use crate::view::Sighting;

/// A link that is down for no longer than this is no reason to send readers elsewhere: at each failover all of them are, for a moment.
const GRACE: Duration = Duration::from_secs(3);
/// The same for replicas of which only a Sentinel tells: it asks them every ten seconds.
const GRACE_BY_REPORT: Duration = Duration::from_secs(15);

/// How one group is shown.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    /// Its name.
    pub(crate) name: MasterName,
    /// Where clients connect in front of it.
    pub(crate) external_port: Option<u16>,
    /// How far behind a replica may be, in bytes.
    pub(crate) max_lag: u64,
    /// Where it is shown.
    pub(crate) board: Board,
}

/// A replica as it is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    addr: Addr,
    /// Whom it follows; none while that is not known.
    of: Option<Addr>,
    link: LinkStatus,
    /// How far it has come; none where readings are of different moments, and cannot be compared.
    offset: Option<i64>,
    grace: Duration,
}

impl Seen {
    fn follows(&self, master: &Addr) -> bool {
        self.of.as_ref() == Some(master) && self.link == LinkStatus::Up
    }
}

/// Whether a replica has followed the master, and since when it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Following {
    Yes,
    Lost { at: Instant },
}

impl Show {
    /// Shows what is recorded, again and again, until `stop`.
    pub(crate) async fn keep(self, mut situation: Situation, stop: CancellationToken) {
        let mut past: BTreeMap<Addr, Following> = BTreeMap::new();
        let mut refused = None;
        loop {
            // Marked as seen before they are read: what changes in between wakes us again.
            situation.state.mark_unchanged();
            situation.members.mark_unchanged();
            situation.reported.mark_unchanged();
            situation.glance.mark_unchanged();
            let mut wake = None;
            if let Some(state) = self.settled(&situation) {
                let now = Instant::now();
                let (replicas, farthest) = seen(&situation, &state.master.addr);
                wake = remember(&mut past, &replicas, &state.master.addr, now);
                let sure = assurance(&situation, &state);
                let offer = self.offer(self.group_of(&state, &replicas, farthest, &past, sure, now));
                // While ZooKeeper is away the record is older than what the Sentinels announced, and no wonder.
                if sure == Assurance::Current {
                    refused = self.tell_of_refusal(&state, offer, refused);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = situation.state.changed() => if changed.is_err() { return },
                changed = situation.members.changed() => if changed.is_err() { return },
                () = next(&mut situation.reported) => {}
                () = looked(situation.record, &mut situation.glance) => {}
                () = until(wake) => {}
            }
        }
    }

    /// While nothing can be recorded: shows whom a majority of the Sentinels names, and who answers as a master.
    pub(crate) fn announced(&self, publication: &Publication, since_ms: u64) {
        let shown = self.board.pictures().borrow().groups.get(&self.name).cloned();
        let mut replicas = shown.map(|group| group.replicas).unwrap_or_default();
        replicas.remove(&publication.record.addr);
        let (epoch, addr) = (publication.record.epoch, publication.record.addr.clone());
        let offer = self.offer(Group {
            name: self.name.clone(),
            external_port: self.external_port,
            assurance: Assurance::Current,
            master: Master {
                addr: addr.clone(),
                epoch,
                run_id: Some(publication.run_id.clone()),
                cause: publication.cause.word().to_owned(),
                since_ms,
                origin: Origin::Announced,
                seen: Instant::now(),
            },
            replicas,
        });
        if offer == Offer::Moved {
            info!(name = %self.name, master = %addr, %epoch, reason = publication.why.word(), "zookeeper is away; told the sinks alone");
        }
    }

    fn offer(&self, group: Group) -> Offer {
        let (epoch, master): (Epoch, Addr) = (group.master.epoch, group.master.addr.clone());
        let offer = self.board.offer(group);
        if let Offer::Older { shown } = offer {
            debug!(name = %self.name, %master, %epoch, %shown, "older than what is shown");
        }
        offer
    }

    /// Tells once of a record that goes back: the sinks keep what is newer.
    fn tell_of_refusal(&self, state: &State, offer: Offer, told: Option<Epoch>) -> Option<Epoch> {
        let Offer::Older { shown } = offer else {
            return None;
        };
        if told != Some(state.epoch) {
            let (master, epoch) = (&state.master.addr, state.epoch);
            warn!(
                name = %self.name, %master, %epoch, %shown,
                "the record is older than what the sinks have, which keep it; restart the watcher if the group was made anew"
            );
        }
        Some(state.epoch)
    }

    fn settled(&self, situation: &Situation) -> Option<State> {
        situation
            .state()
            .filter(|state| state.name == self.name && state.phase == Phase::Settled)
    }

    fn group_of(
        &self,
        state: &State,
        replicas: &[Seen],
        farthest: Option<i64>,
        past: &BTreeMap<Addr, Following>,
        assurance: Assurance,
        now: Instant,
    ) -> Group {
        let fit = |seen: &Seen| {
            let stays = match past.get(&seen.addr) {
                Some(Following::Yes) => true,
                Some(Following::Lost { at }) => now.saturating_duration_since(*at) < seen.grace,
                None => false,
            };
            let behind = farthest
                .zip(seen.offset)
                .map(|(farthest, offset)| farthest.saturating_sub(offset));
            let lags =
                behind.is_some_and(|behind| u64::try_from(behind).is_ok_and(|behind| behind > self.max_lag));
            match (stays, lags) {
                (false, _) => Fitness::Astray,
                (true, true) => Fitness::Lagging,
                (true, false) => Fitness::Fit,
            }
        };
        let replica = |seen: &Seen| Replica {
            addr: seen.addr.clone(),
            fitness: fit(seen),
        };
        Group {
            name: self.name.clone(),
            external_port: self.external_port,
            assurance,
            master: Master {
                addr: state.master.addr.clone(),
                epoch: state.epoch,
                run_id: state.master.run_id.clone(),
                cause: state.cause.word().to_owned(),
                since_ms: state.since_ms,
                origin: Origin::Recorded,
                seen: now,
            },
            replicas: replicas
                .iter()
                .map(|seen| (seen.addr.clone(), replica(seen)))
                .collect(),
        }
    }
}

/// Whether somebody who would know still says so: who is cut off must not undo what others have done meanwhile.
fn assurance(situation: &Situation, state: &State) -> Assurance {
    let current = match situation.record {
        Record::ZooKeeper => Age::of(&situation.state.borrow()) == Age::Current,
        Record::Memory => {
            let record = state.record();
            let says =
                |sighting: &Sighting| matches!(sighting, Sighting::Reports(report) if *report == record);
            let glance = situation.glance.borrow().clone();
            glance.sentinels.values().any(|(_, sighting)| says(sighting))
        }
    };
    if current {
        Assurance::Current
    } else {
        Assurance::Doubtful
    }
}

/// The replicas, and how far the master has come, where that is known of the same moment.
fn seen(situation: &Situation, master: &Addr) -> (Vec<Seen>, Option<i64>) {
    let followed = situation.members.borrow();
    let znodes = followed.value.iter().flat_map(|znodes| znodes.values());
    let members: Vec<Member> = znodes.filter_map(|bytes| Member::decode(bytes).ok()).collect();
    let farthest = members
        .iter()
        .find(|member| member.addr == *master)
        .map(|member| member.offset);
    let mut replicas: Vec<Seen> = members
        .into_iter()
        .filter(|member| member.addr != *master)
        .map(|member| Seen {
            addr: member.addr,
            of: match member.role {
                Role::Replica { of } => Some(of),
                Role::Master => None,
            },
            link: member.link.unwrap_or(LinkStatus::Down),
            offset: Some(member.offset),
            grace: GRACE,
        })
        .collect();
    let reported = situation.reported.borrow();
    let alive = reported.iter().filter(|replica| {
        replica.addr != *master && !replica.flags.subjectively_down && !replica.flags.disconnected
    });
    replicas.extend(alive.map(|replica| Seen {
        addr: replica.addr.clone(),
        of: replica.of.clone(),
        link: replica.link,
        offset: None,
        grace: GRACE_BY_REPORT,
    }));
    (replicas, farthest)
}

/// Notes who follows the master, and since when one that did does not. Returns when the next grace ends.
fn remember(
    past: &mut BTreeMap<Addr, Following>,
    replicas: &[Seen],
    master: &Addr,
    now: Instant,
) -> Option<Instant> {
    past.retain(|addr, _| replicas.iter().any(|seen| seen.addr == *addr));
    let mut next: Option<Instant> = None;
    for seen in replicas {
        if seen.follows(master) {
            past.insert(seen.addr.clone(), Following::Yes);
            continue;
        }
        match past.get_mut(&seen.addr) {
            Some(following @ Following::Yes) => *following = Following::Lost { at: now },
            Some(Following::Lost { .. }) | None => {}
        }
        if let Some(Following::Lost { at }) = past.get(&seen.addr) {
            let ends = *at + seen.grace;
            next = next.into_iter().chain([ends]).filter(|end| *end > now).min();
        }
    }
    next
}

/// Waits for news of the replicas from Sentinels; for ever where replicas are registered.
async fn next<T>(news: &mut watch::Receiver<T>) {
    if news.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for the next look, where what the Sentinels say is all there is.
async fn looked<T>(record: Record, glance: &mut watch::Receiver<T>) {
    match record {
        Record::ZooKeeper => std::future::pending().await,
        Record::Memory => next(glance).await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
