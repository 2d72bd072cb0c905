//! The session's one task: connects, for ever; says what state the session is in; ends it when the registry is closed.
//!
//! When the library gives a session up, by its own clock, ZooKeeper may still know it: after an outage of all servers it
//! does. So the old session is always asked for first, and only ZooKeeper's word that it is over leads to a new one.
//! Its ephemerals and locks then were never away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};
use zookeeper_client::{Client, Error as ZkError, SessionInfo, SessionState};

use super::outage::{Outage, diagnose};
use super::skeleton::{self, Obstacle};
use super::{Attached, CLOSE_DEADLINE, Link, Phase, Session};
use crate::backoff::Backoff;
use crate::error::Fault;

/// The pauses between attempts: everything shall be back within about a second of ZooKeeper.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// When ZooKeeper answers and denies access, only a person can help.
const DENIED_PAUSE: Duration = Duration::from_secs(5);

pub(super) async fn run(link: Arc<Link>) {
    let mut task = Task {
        link: &link,
        generation: 0,
        number: 0,
        previous: None,
        outage: None,
        obstacle: None,
    };
    tokio::select! {
        () = link.closing.cancelled() => {}
        () = task.keep() => {}
    }
    close(&link).await;
}

/// A session that may still live.
struct Previous {
    session: SessionInfo,
    /// Until when it is called suspect; after that, nobody should count on it.
    suspect_until: Instant,
}

struct Task<'a> {
    link: &'a Link,
    generation: u64,
    number: u64,
    previous: Option<Previous>,
    /// Since when there is no connection, once that has been logged.
    outage: Option<Outage>,
    /// What is in the way of using ZooKeeper, and since when, once that has been logged.
    obstacle: Option<(Fault, Outage)>,
}

impl Task<'_> {
    async fn keep(&mut self) {
        loop {
            let attached = self.attach().await;
            self.watch_over(&attached).await;
        }
    }

    /// Tries until there is a usable client.
    async fn attach(&mut self) -> Arc<Attached> {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let resumed = self.previous.as_ref().map(|previous| previous.session.clone());
            let fresh = resumed.is_none();
            let error = match self.attempt(resumed).await {
                Ok(client) => match self.enter(client, fresh).await {
                    Ok(attached) => return attached,
                    Err(obstacle) => {
                        self.obstructed(obstacle).await;
                        continue;
                    }
                },
                Err(error) => error,
            };
            if matches!(error, ZkError::SessionExpired | ZkError::SessionMoved) && !fresh {
                self.over();
                continue;
            }
            if error == ZkError::AuthFailed {
                self.previous = None;
                let fault = Fault::Denied;
                self.obstructed(Obstacle {
                    path: "/".to_owned(),
                    fault,
                })
                .await;
                continue;
            }
            tracing::debug!(reason = %error, "no zookeeper session yet");
            self.unreachable();
            pauses.pause().await;
        }
    }

    /// One attempt, and meanwhile the end of the time in which the old session may be counted on.
    async fn attempt(&self, resumed: Option<SessionInfo>) -> Result<Client, ZkError> {
        let attempt = self.link.dial.attempt(resumed);
        let Some(previous) = &self.previous else {
            return attempt.await;
        };
        tokio::pin!(attempt);
        tokio::select! {
            client = &mut attempt => return client,
            () = tokio::time::sleep_until(previous.suspect_until) => {}
        }
        self.publish(Session::Connecting, None);
        attempt.await
    }

    async fn enter(&mut self, client: Client, fresh: bool) -> Result<Arc<Attached>, Obstacle> {
        let client = match (&self.link.dial.chroot, fresh) {
            (_, true) => skeleton::make(self.link, client).await?,
            (Some(chroot), false) => skeleton::rooted(client, chroot)?,
            (None, false) => client,
        };
        self.number += 1;
        self.generation += u64::from(fresh);
        let session = client.session_id();
        let generation = self.generation;
        if fresh {
            info!(%session, generation, "zookeeper session is up");
        } else {
            info!(%session, generation, "zookeeper session is resumed");
        }
        self.outage = None;
        self.obstacle = None;
        Ok(Arc::new(Attached {
            client,
            generation,
            number: self.number,
        }))
    }

    /// Follows the client until its end.
    async fn watch_over(&mut self, attached: &Arc<Attached>) {
        let mut states = attached.client.state_watcher();
        let mut state = attached.client.state();
        let up = Session::Up {
            generation: attached.generation,
        };
        loop {
            match state {
                SessionState::SyncConnected => {
                    if let Some(outage) = self.outage.take() {
                        info!(elapsed_ms = millis(outage.since), "zookeeper connection is back");
                    }
                    self.publish(up, Some(attached));
                }
                // A server without a majority: what it answers may be old, and it takes no writes.
                SessionState::Disconnected | SessionState::ConnectedReadOnly => {
                    self.lost();
                    self.publish(Session::Suspect, Some(attached));
                }
                SessionState::Expired | SessionState::Closed => {
                    self.lost();
                    self.previous = Some(Previous {
                        session: attached.client.session().clone(),
                        suspect_until: Instant::now() + attached.client.session_timeout(),
                    });
                    return self.publish(Session::Suspect, None);
                }
                SessionState::AuthFailed => {
                    self.previous = None;
                    self.link.remember(attached.session());
                    return self.publish(Session::Connecting, None);
                }
            }
            state = states.changed().await;
        }
    }

    fn lost(&mut self) {
        if self.outage.is_none() {
            self.outage = Some(Outage::lost(Instant::now()));
            warn!("zookeeper connection is lost");
        }
    }

    /// ZooKeeper says that the old session is over.
    fn over(&mut self) {
        if let Some(previous) = self.previous.take() {
            let session = previous.session.id();
            warn!(%session, "zookeeper session has expired, after an outage or a halt of more than ZK_SESSION_TIMEOUT; what was registered is put back with the next");
            self.link.remember(session.0);
        }
        self.publish(Session::Connecting, None);
    }

    fn unreachable(&mut self) {
        let now = Instant::now();
        let outage = self.outage.get_or_insert_with(|| Outage::in_vain(now));
        if outage.is_due(now) {
            self.link.spawn(tell(
                self.link.phase(),
                self.link.dial.hosts.clone(),
                outage.since,
            ));
        }
        if self
            .previous
            .as_ref()
            .is_none_or(|previous| previous.suspect_until <= Instant::now())
        {
            self.publish(Session::Connecting, None);
        }
    }

    /// ZooKeeper answers, but the tree cannot be prepared.
    async fn obstructed(&mut self, obstacle: Obstacle) {
        let Obstacle { path, fault } = obstacle;
        let denied = fault == Fault::Denied;
        let now = Instant::now();
        let same = self.obstacle.take().filter(|(before, _)| *before == fault);
        let mut lasting = same.map_or_else(|| Outage::in_vain(now), |(_, lasting)| lasting);
        match (lasting.is_due(now), denied) {
            (true, true) => {
                error!(%path, "zookeeper denies access; check ZK_AUTH, and the ACL of that znode");
            }
            (true, false) => {
                warn!(%path, reason = ?fault, "the tree in zookeeper cannot be prepared");
            }
            (false, _) => {}
        }
        self.obstacle = Some((fault, lasting));
        self.link.set(Phase {
            session: Session::Connecting,
            attached: None,
            denied: denied.then_some(path),
        });
        let pause = if denied { DENIED_PAUSE } else { LONGEST_PAUSE };
        Backoff::new(pause, pause).pause().await;
    }

    fn publish(&self, session: Session, attached: Option<&Arc<Attached>>) {
        self.link.set(Phase {
            session,
            attached: attached.cloned(),
            denied: None,
        });
    }
}

impl Link {
    fn set(&self, phase: Phase) {
        let session = phase.session;
        self.phase.send_replace(phase);
        self.session
            .send_if_modified(|published| std::mem::replace(published, session) != session);
    }
}

/// Gives the session back, so that others see our ephemerals and locks gone at once.
async fn close(link: &Link) {
    let end = Instant::now() + CLOSE_DEADLINE;
    let states = link
        .phase
        .borrow()
        .attached
        .as_ref()
        .map(|attached| attached.client.state_watcher());
    link.workers.close();
    let _ = tokio::time::timeout(CLOSE_DEADLINE / 2, link.workers.wait()).await;
    // With the last client, the library ends the session.
    link.phase.send_replace(Phase {
        session: Session::Closed,
        attached: None,
        denied: None,
    });
    if let Some(mut states) = states {
        let ended = async { while !states.changed().await.is_terminated() {} };
        if tokio::time::timeout_at(end, ended).await.is_ok() {
            info!("zookeeper session is closed");
        } else {
            warn!("zookeeper session could not be closed, it ends by its timeout");
        }
    }
    link.session.send_replace(Session::Closed);
}

/// One warning with the reason and what to look at, unless the session is up by the time that is known.
async fn tell(phase: watch::Receiver<Phase>, hosts: String, since: Instant) {
    let reason = diagnose(&hosts).await;
    if phase.borrow().up().is_none() {
        let elapsed_ms = millis(since);
        warn!(%hosts, %reason, elapsed_ms, "zookeeper is not reachable; trying on");
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
