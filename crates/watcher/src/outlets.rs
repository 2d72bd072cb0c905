//! Who is told of what: the one place where an event meets its behaviours.
//!
//! ZooKeeper comes first and alone decides whether a change is true: its compare-and-set fails when somebody else was
//! faster, and then nobody else is told. HAProxy, Consul and webhooks join as further variants.

mod zookeeper;

use registry::{CommitError, Registry};

use crate::desired::Desired;
use crate::observe::Look;
use crate::verdict::Verdict;

/// Somebody who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlet {
    /// `/redis/state`, `/redis/master` and `/redis/masters/<name>`, in one transaction.
    ZooKeeper,
}

/// What came of telling.
#[derive(Debug)]
pub(crate) enum Told {
    /// They know.
    Done,
    /// Something that the telling needs was missing and has been made: look and tell again.
    Prepared,
}

impl Outlet {
    /// Who is told of this verdict, in this order.
    pub(crate) fn of(verdict: &Verdict) -> &'static [Outlet] {
        match verdict {
            Verdict::Publish(_) | Verdict::Settle { .. } | Verdict::RepairMaster(_) => &[Outlet::ZooKeeper],
            Verdict::Conflict { .. } | Verdict::OtherGroup { .. } | Verdict::Nothing(_) => &[],
        }
    }

    /// Tells.
    pub(crate) async fn tell(
        self,
        registry: &Registry,
        look: &Look,
        desired: &Desired,
    ) -> Result<Told, CommitError> {
        match self {
            Outlet::ZooKeeper => zookeeper::tell(registry, look, desired).await,
        }
    }
}
