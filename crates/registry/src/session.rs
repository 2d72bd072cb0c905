//! What every part of the crate shares: the client of the moment, and the state of the session.
//!
//! A client of the library that has reached its end is dead for ever, so nobody keeps one: each request asks for the
//! client of the moment, and gets none unless the session is up. The client would queue requests while disconnected and
//! send them late, after the world has moved on.

mod attach;
mod outage;
mod skeleton;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zkpaths::Tree;
use zookeeper_client::{Client, CreateMode, CreateOptions, Error as ZkError, SessionState};

use crate::RegistryError;
use crate::connect::Dial;
use crate::error::Fault;

/// How long one request may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);
/// How long a clean end may take.
pub(crate) const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// How many of our own ended sessions are remembered.
const PAST_SESSIONS: usize = 16;

/// The state of the session with ZooKeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// There is none: not yet, or the last one is over, or has been out of reach for longer than its timeout.
    Connecting,
    /// Usable.
    Up {
        /// Goes up by one with each new session, never with a mere reconnection.
        generation: u64,
    },
    /// The connection is gone; the session, its ephemerals and locks may live or not.
    Suspect,
    /// Closed by this program.
    Closed,
}

/// One client of the library, on one session. A session that is resumed gets another client.
pub(crate) struct Attached {
    pub(crate) client: Client,
    pub(crate) generation: u64,
    /// Different for each client.
    pub(crate) number: u64,
}

impl Attached {
    /// The number by which ZooKeeper names the owner of an ephemeral.
    pub(crate) fn session(&self) -> i64 {
        self.client.session_id().0
    }
}

/// What the session's task tells the others.
pub(crate) struct Phase {
    pub(crate) session: Session,
    attached: Option<Arc<Attached>>,
    /// The path that was denied, when ZooKeeper answers but does not let us in.
    denied: Option<String>,
}

/// Shared by the session's task, the handles and the tasks behind them.
pub(crate) struct Link {
    dial: Dial,
    /// The trees whose skeletons are made in each session.
    trees: Vec<Tree>,
    tasks: TaskTracker,
    /// The tasks that must be gone before the session is closed, since they may hold its client.
    workers: TaskTracker,
    closing: CancellationToken,
    phase: watch::Sender<Phase>,
    session: watch::Sender<Session>,
    past: Mutex<VecDeque<i64>>,
}

impl Link {
    pub(crate) fn start(dial: Dial, trees: Vec<Tree>, tasks: &TaskTracker) -> Arc<Self> {
        let phase = Phase {
            session: Session::Connecting,
            attached: None,
            denied: None,
        };
        let link = Arc::new(Self {
            dial,
            trees,
            tasks: tasks.clone(),
            workers: TaskTracker::new(),
            closing: CancellationToken::new(),
            phase: watch::Sender::new(phase),
            session: watch::Sender::new(Session::Connecting),
            past: Mutex::default(),
        });
        tasks.spawn(attach::run(link.clone()));
        link
    }

    /// Runs a task until it ends or the registry is closed.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let closing = self.closing.clone();
        self.tasks.spawn(self.workers.track_future(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = work => {}
            }
        }));
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    pub(crate) fn session(&self) -> watch::Receiver<Session> {
        self.session.subscribe()
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) async fn connected(&self, deadline: Duration) -> Result<(), RegistryError> {
        let mut phase = self.phase();
        let decided = phase.wait_for(|phase| match phase.session {
            Session::Up { .. } | Session::Closed => true,
            Session::Connecting | Session::Suspect => phase.denied.is_some(),
        });
        match tokio::time::timeout(deadline, decided).await {
            Ok(Ok(phase)) => match phase.session {
                Session::Up { .. } => Ok(()),
                Session::Connecting | Session::Suspect | Session::Closed => Err(self.unusable(&phase)),
            },
            Ok(Err(_)) => Err(RegistryError::Closed),
            Err(_) => Err(RegistryError::Unreachable {
                hosts: self.dial.hosts.clone(),
                waited: deadline,
            }),
        }
    }

    pub(crate) async fn close(&self) {
        self.closing.cancel();
        let mut session = self.session();
        let closed = session.wait_for(|session| *session == Session::Closed);
        let _ = tokio::time::timeout(CLOSE_DEADLINE, closed).await;
    }

    /// The client of the moment, if a request can be sent now.
    pub(crate) fn up(&self) -> Result<Arc<Attached>, RegistryError> {
        let phase = self.phase.borrow();
        match (&phase.session, &phase.attached) {
            // The client knows a moment before its state has come round to us.
            (Session::Up { .. }, Some(attached))
                if attached.client.state() == SessionState::SyncConnected =>
            {
                Ok(attached.clone())
            }
            _ => Err(self.unusable(&phase)),
        }
    }

    fn unusable(&self, phase: &Phase) -> RegistryError {
        let hosts = self.dial.hosts.clone();
        if phase.session == Session::Closed || self.closing.is_cancelled() {
            RegistryError::Closed
        } else if let Some(path) = phase.denied.clone() {
            RegistryError::Denied { hosts, path }
        } else {
            RegistryError::Unavailable { hosts }
        }
    }

    /// Waits for a usable client.
    pub(crate) async fn attached(&self, phase: &mut watch::Receiver<Phase>) -> Arc<Attached> {
        loop {
            let found = phase.borrow_and_update().up();
            if let Some(attached) = found {
                return attached;
            }
            if phase.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until `attached` is not the usable client any more.
    pub(crate) async fn departed(&self, phase: &mut watch::Receiver<Phase>, attached: &Attached) {
        let gone = phase.wait_for(|phase| phase.up().is_none_or(|now| now.number != attached.number));
        if gone.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the answer to a request that was sent.
    pub(crate) async fn answer<T>(
        &self,
        request: impl Future<Output = Result<T, ZkError>>,
    ) -> Result<T, Fault> {
        tokio::select! {
            () = self.closing.cancelled() => Err(Fault::Unknown),
            answer = tokio::time::timeout(DEADLINE, request) => match answer {
                Ok(answer) => answer.map_err(Fault::from),
                Err(_) => Err(Fault::Unknown),
            }
        }
    }

    /// For znodes that outlive us.
    pub(crate) fn persistent(&self) -> CreateOptions<'_> {
        CreateMode::Persistent.with_acls(self.dial.acls())
    }

    /// For persistent znodes that are numbered.
    pub(crate) fn sequential(&self) -> CreateOptions<'_> {
        CreateMode::PersistentSequential.with_acls(self.dial.acls())
    }

    /// For znodes that end with the session.
    pub(crate) fn ephemeral(&self, mode: CreateMode) -> CreateOptions<'_> {
        mode.with_acls(self.dial.acls())
    }

    /// Whether a session was ours and is over.
    pub(crate) fn was_ours(&self, session: i64) -> bool {
        self.past
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&session)
    }

    fn remember(&self, session: i64) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() == PAST_SESSIONS {
            past.pop_front();
        }
        past.push_back(session);
    }

    pub(crate) fn read_error(&self, path: &str, fault: Fault) -> RegistryError {
        let path = path.to_owned();
        match fault {
            Fault::Denied => RegistryError::Denied {
                hosts: self.dial.hosts.clone(),
                path,
            },
            Fault::Refused(source) => RegistryError::Refused { path, source },
            Fault::Missing | Fault::Exists | Fault::Version | Fault::Unknown => {
                if self.closing.is_cancelled() {
                    RegistryError::Closed
                } else {
                    RegistryError::NoAnswer { path }
                }
            }
        }
    }

    pub(crate) fn write_error(&self, path: &str, fault: Fault) -> RegistryError {
        if fault == Fault::Unknown {
            RegistryError::Unknown {
                path: path.to_owned(),
            }
        } else {
            self.read_error(path, fault)
        }
    }
}

impl Phase {
    fn up(&self) -> Option<Arc<Attached>> {
        match self.session {
            Session::Up { .. } => self.attached.clone(),
            Session::Connecting | Session::Suspect | Session::Closed => None,
        }
    }
}
