//! The part of an attempt that a handover adds: holding writes back, and what becomes of the old master.

use tokio::time::Instant;
use topology::Addr;
use tracing::{error, info, warn};

use super::{Run, TWO_COMMANDS};
use crate::handover::{HandoverError, PAUSE, Paused};
use crate::mover::Checkpoint;
use crate::outcome::{OldMaster, Outcome};
use crate::warrant::Warrant;

impl Run<'_> {
    /// Whether a replica was tried that was not ready.
    pub(super) fn has_held_back(&self) -> bool {
        matches!(self.attempt.warrant, Warrant::Handover { .. }) && !self.attempt.failed.is_empty()
    }

    /// Holds the writes back until the candidate has them all. One that does not get there is left out, while there is time for another.
    pub(super) async fn prepare(&mut self, candidate: Addr) -> Option<Outcome> {
        let reason = self.hold_back(&candidate).await.err()?;
        if let Some(paused) = self.paused.take() {
            paused.give_up().await;
        }
        let left = self.until.saturating_duration_since(Instant::now());
        if left < PAUSE || matches!(reason, HandoverError::Pause(_)) {
            return Some(Outcome::NotReady(reason.to_string()));
        }
        warn!(replica = %candidate, reason = %reason, "not ready to take over; the next one");
        self.attempt.failed.insert(candidate);
        None
    }

    async fn hold_back(&mut self, candidate: &Addr) -> Result<(), HandoverError> {
        let links = &self.mover.links;
        if let Some(paused) = self.paused.take() {
            paused.give_up().await;
        }
        let Warrant::Handover { master } = &self.attempt.warrant else {
            return Ok(());
        };
        let paused = Paused::begin(links, master).await?;
        let ready = paused.catch_up(links, candidate).await;
        self.paused = Some(paused);
        ready?;
        self.attempt.prepared = Some(candidate.clone());
        self.checkpoint(Checkpoint::Prepared).await;
        Ok(())
    }

    /// A handover that would not be over before its pause, or before it is cut short, promotes nobody.
    pub(super) fn is_late(&self) -> Option<Outcome> {
        let paused = self.paused.as_ref()?;
        let left = self.until.saturating_duration_since(Instant::now());
        (!paused.is_fresh() || left < TWO_COMMANDS)
            .then(|| Outcome::NotReady("the writes were held back for too long already".to_owned()))
    }

    pub(super) async fn relieve(&mut self, successor: &Addr) -> OldMaster {
        let Some(paused) = self.paused.take() else {
            return OldMaster::Gone;
        };
        let held_ms = paused.held_for().as_millis();
        match paused.relieve(&self.mover.links, successor).await {
            Ok(()) => {
                info!(master = %successor, elapsed_ms = held_ms, "the old master follows its successor");
                OldMaster::Relieved
            }
            Err(reason) => {
                error!(reason = %reason, "the old master did not become a replica; it must be ended");
                OldMaster::Disobeys
            }
        }
    }
}
