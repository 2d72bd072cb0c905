//! Carries a verdict out. Makes no choices: what to write follows from the look and the verdict, and whoever was faster
//! wins.

use std::time::{SystemTime, UNIX_EPOCH};

use registry::{CommitError, RegistryError};
use uuid::Uuid;

use crate::desired::{Desired, desired};
use crate::observe::Look;
use crate::recorder::{Recorder, Wrote};
use crate::verdict::Verdict;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Acted {
    /// It is recorded.
    Recorded(Box<Desired>),
    /// A znode was missing and has been made; look again.
    Prepared,
    /// Somebody else wrote since the look; look again.
    Outrun,
    /// It may be recorded or not; look again.
    NotKnown(CommitError),
    /// Nothing was written.
    Failed(CommitError),
    /// The verdict wants nothing written.
    Idle,
}

/// Records what the verdict wants.
pub(crate) async fn act(recorder: &Recorder, look: &Look, verdict: &Verdict) -> Acted {
    let Some(desired) = desired(&look.view, verdict, now_ms(), Uuid::new_v4()) else {
        return Acted::Idle;
    };
    match recorder.write(look, &desired).await {
        Ok(Wrote::Done) => Acted::Recorded(Box::new(desired)),
        Ok(Wrote::Prepared) => Acted::Prepared,
        // A znode that was there at the look has been deleted: as much a change as any.
        Err(CommitError::Conflict { .. } | CommitError::Missing { .. }) => Acted::Outrun,
        Err(error @ (CommitError::Unknown | CommitError::Unavailable(RegistryError::Unknown { .. }))) => {
            Acted::NotKnown(error)
        }
        Err(error @ CommitError::Unavailable(_)) => Acted::Failed(error),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
