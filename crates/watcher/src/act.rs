//! Carries a verdict out. Makes no choices: what to write follows from the look and the verdict, and whoever was faster
//! wins.

use std::time::{SystemTime, UNIX_EPOCH};

use registry::{CommitError, Registry, RegistryError};
use uuid::Uuid;

use crate::desired::{Desired, desired};
use crate::observe::Look;
use crate::outlets::{Outlet, Told};
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

/// Tells everybody whom the verdict concerns.
pub(crate) async fn act(registry: &Registry, look: &Look, verdict: &Verdict) -> Acted {
    let Some(desired) = desired(&look.view, verdict, now_ms(), Uuid::new_v4()) else {
        return Acted::Idle;
    };
    for outlet in Outlet::of(verdict) {
        match outlet.tell(registry, look, &desired).await {
            Ok(Told::Done) => {}
            Ok(Told::Prepared) => return Acted::Prepared,
            // A znode that was there at the look has been deleted: as much a change as any.
            Err(CommitError::Conflict { .. } | CommitError::Missing { .. }) => return Acted::Outrun,
            Err(error @ (CommitError::Unknown | CommitError::Unavailable(RegistryError::Unknown { .. }))) => {
                return Acted::NotKnown(error);
            }
            Err(error @ CommitError::Unavailable(_)) => return Acted::Failed(error),
        }
    }
    Acted::Recorded(Box::new(desired))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
