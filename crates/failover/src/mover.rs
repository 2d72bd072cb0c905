//! Does what the plan says, and looks again. Makes no choice of its own.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use registry::{Registry, RegistryError, Version};
use tokio::time::timeout_at;
use topology::MasterName;
use zkpaths::Lock;

use crate::choose::Durability;
use crate::links::Links;
use crate::look::{LeaseSince, look};
use crate::outcome::{MoveError, Outcome};
use crate::run::Run;
use crate::view::View;
use crate::warrant::{Attempt, Warrant};

/// A look that is older than this when the lock is ours was made while somebody else held it.
const FRESH: Duration = Duration::from_millis(30);

/// How long a move may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Until the failover lock must be ours.
    pub lock: Duration,
    /// For everything, the lock included.
    pub whole: Duration,
}

/// The points at which a mover may be killed in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// The lock is ours.
    Locked,
    /// The Sentinels have voted.
    Elected,
    /// The writes are held back and the successor has them all.
    Prepared,
    /// The intent is recorded.
    Recorded,
    /// The candidate is master.
    Promoted,
    /// Sentinels and `/redis/master` name it.
    Announced,
}

/// What is run at each checkpoint, and waited for.
pub type Hook = Arc<dyn Fn(Checkpoint) -> BoxFuture<'static, ()> + Send + Sync>;

/// Moves the master role of one group.
#[derive(Clone)]
pub struct Mover {
    /// ZooKeeper.
    pub registry: Registry,
    /// Connections.
    pub links: Links,
    /// The group's name.
    pub name: MasterName,
    /// Who moves it, for the history and for who looks into the lock.
    pub by: String,
    /// What clients may rely on.
    pub durability: Durability,
    /// For tests.
    pub hook: Option<Hook>,
    since: Arc<Mutex<Option<LeaseSince>>>,
    any_lineage: bool,
    unheard_for_long: bool,
}

impl fmt::Debug for Mover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mover")
            .field("name", &self.name)
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}

impl Mover {
    /// Does nothing yet.
    pub fn new(
        registry: Registry,
        links: Links,
        name: MasterName,
        by: impl Into<String>,
        durability: Durability,
    ) -> Self {
        Self {
            registry,
            links,
            name,
            by: by.into(),
            durability,
            hook: None,
            since: Arc::default(),
            any_lineage: false,
            unheard_for_long: false,
        }
    }

    /// The same, where Sentinels that others count were not heard for so long that the group goes on without them.
    #[must_use]
    pub fn without_the_unheard(&self) -> Self {
        Self {
            unheard_for_long: true,
            ..self.clone()
        }
    }

    /// The same, for a group of which nobody with the recorded lineage has come back in its time: whoever holds data is promoted.
    /// Not with `quorum` durability, which would break its promise.
    #[must_use]
    pub fn of_any_lineage(&self) -> Self {
        Self {
            any_lineage: true,
            ..self.clone()
        }
    }

    /// Tells that `/redis/lease` has this version now. The time until a lease is over counts from when its version was first
    /// seen, so whoever follows it says so.
    pub fn saw_lease(&self, version: Version) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none_or(|before| before.version != version) {
            let at = Instant::now();
            *since = Some(LeaseSince { version, at });
        }
    }

    /// Looks at the group as a failover would, which opens the connections that it needs and tests the Sentinels.
    pub async fn warm_up(&self) -> Result<View, RegistryError> {
        self.look(&Warrant::Unfinished).await
    }

    /// Moves the role, if the warrant still holds when the lock is ours. `since` is when the proof was there: timings count from it.
    pub async fn run(&self, warrant: Warrant, since: Instant, deadlines: Deadlines) -> Outcome {
        let until = tokio::time::Instant::now() + deadlines.whole;
        let lock = self.registry.lock(Lock::Failover, &self.by, deadlines.lock);
        // The first look need not wait for the lock: whatever changes meanwhile makes the record of the intent fail.
        let look = async {
            let view = self.look(&warrant).await.ok();
            (view, Instant::now())
        };
        let (locked, (first, seen_at)) =
            Box::pin(async { tokio::join!(timeout_at(until, lock), look) }).await;
        let guard = match locked {
            Ok(Ok(guard)) => guard,
            Ok(Err(reason)) => return Outcome::Failed(MoveError::Lock(reason)),
            Err(_) => return Outcome::Failed(MoveError::Deadline(deadlines.whole)),
        };
        let first = first.filter(|_| seen_at.elapsed() < FRESH);
        let mut run = Run::new(self, &guard, self.attempt(warrant), since, until, first);
        let outcome = timeout_at(until, Box::pin(run.finish_it()))
            .await
            .unwrap_or(Outcome::Failed(MoveError::Deadline(deadlines.whole)));
        run.give_up().await;
        let disobeyed = run.disobeyed();
        guard.release().await;
        // Who has moved it says so itself.
        if disobeyed && !matches!(outcome, Outcome::Moved(_)) {
            return Outcome::Failed(MoveError::Disobeyed);
        }
        outcome
    }

    fn attempt(&self, warrant: Warrant) -> Attempt {
        Attempt {
            any_lineage: self.any_lineage,
            unheard_for_long: self.unheard_for_long,
            ..Attempt::new(warrant)
        }
    }

    pub(crate) async fn look(&self, warrant: &Warrant) -> Result<View, RegistryError> {
        let mut since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let view = Box::pin(look(&self.registry, &self.links, &self.name, warrant, &mut since)).await?;
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
        Ok(view)
    }
}
