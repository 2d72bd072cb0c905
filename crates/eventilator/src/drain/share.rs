//! What the Sentinels of all hosts must agree upon: the book in the store, and what was delivered without it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::{Drain, Ended, LOOK, group, report};
use crate::spool::{Spool, SpoolError, Spooled};
use crate::store::{Store, StoreError};

/// The store is asked again after so long.
const AGAIN: Duration = Duration::from_millis(500);

impl Drain {
    /// Asks the book in the store which events they are, and tells it what was delivered while it could not be asked.
    pub(super) async fn share(&self) -> Result<Ended, SpoolError> {
        let Some(store) = &self.store else {
            return std::future::pending().await;
        };
        let mut news = self.news.subscribe();
        loop {
            if let Some(spooled) = self.spool(Spool::unshared)? {
                match self.judge_shared(store, &spooled).await? {
                    Ok(()) => self.tell_news(),
                    Err(problem) => self.store_is_away(&problem).await,
                }
            } else if let Some((spooled, Some(shared), sink)) = self.spool(Spool::alone)? {
                match store.done(&sink, &shared).await {
                    Ok(()) => self.spool(|spool| spool.known(spooled.seq, &sink))?,
                    Err(problem) => self.store_is_away(&problem).await,
                }
            } else {
                let _ = timeout(LOOK, news.changed()).await;
            }
        }
    }

    async fn judge_shared(
        &self,
        store: &Store,
        spooled: &Spooled,
    ) -> Result<Result<(), StoreError>, SpoolError> {
        let telling = &spooled.telling;
        let Some(call) = telling.call() else {
            return Ok(Ok(()));
        };
        match store.judge(group(&call), &report(telling, &call)).await {
            Ok(identity) => {
                self.store_answers();
                self.spool(|spool| spool.share(spooled.seq, &identity.id, identity.epoch))?;
                Ok(Ok(()))
            }
            Err(problem) => Ok(Err(problem)),
        }
    }

    async fn store_is_away(&self, problem: &StoreError) {
        self.note_away(problem);
        sleep(AGAIN).await;
    }

    /// Notes that it does not answer, since when, and why.
    pub(super) fn note_away(&self, problem: &StoreError) {
        let problem = problem.to_string();
        let mut away = self.away();
        let since = away.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        if away.as_ref().is_none_or(|(before, _)| *before != problem) {
            warn!(
                reason = problem,
                "the store cannot be asked; after StorePatience each host delivers by its own book"
            );
        }
        *away = Some((problem, since));
    }

    pub(super) fn store_answers(&self) {
        if self.away().take().is_some() {
            info!("the store answers again");
        }
    }

    /// Whether the store may be waited for: it has not been away for long.
    pub(super) fn is_patient(&self, store: &Store) -> bool {
        let away = self.away();
        away.as_ref()
            .is_none_or(|(_, since)| since.elapsed() < store.config().patience)
    }
}
