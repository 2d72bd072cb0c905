//! Who else is asked before a master counts as lost: itself once more, and the Sentinels.

use std::collections::BTreeMap;
use std::time::Duration;

use failover::evidence::{Evidence, LastTry, PING_PATIENCE};
use failover::{Mover, gather};
use instance::{MasterReport, Redis};
use topology::Addr;

use super::DIAL_DEADLINE;
use crate::run::Wrapper;

/// For an answer on a connection that stands; who does not give one is looked at more closely.
const PING_DEADLINE: Duration = Duration::from_millis(100);

/// What the Sentinels say of a master.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    sentinels: usize,
    quorum: usize,
    lost_by: usize,
    down_by: usize,
    silent_for: usize,
}

impl Heard {
    /// Makes it part of the evidence.
    pub(super) fn tell(self, evidence: &mut Evidence) {
        evidence.sentinels = self.sentinels;
        evidence.quorum = self.quorum;
        evidence.lost_by = self.lost_by;
        evidence.down_by = self.down_by;
        evidence.silent_for = self.silent_for;
    }
}

/// Asks the Sentinels; a majority and what comes shortly after is enough, since one of them may be as lost as the master.
pub(super) async fn ask_sentinels(
    wrapper: &Wrapper,
    mover: &Mover,
    registered: &BTreeMap<String, Vec<u8>>,
    master: &Addr,
) -> Heard {
    let addrs = crate::observe::addresses(registered);
    let name = &wrapper.config.group.name;
    let ask = addrs.iter().map(|addr| {
        let link = mover.links.sentinel(addr);
        async move {
            let sentinel = link.get().await.ok()?.within(DIAL_DEADLINE);
            sentinel.report(name).await.ok()?
        }
    });
    let reports = gather(ask, addrs.len() / 2 + 1, DIAL_DEADLINE).await;
    let counted = reports.iter().map(|report| report.other_sentinels as usize + 1);
    let about = || reports.iter().filter(|report| report.record.addr == *master);
    let silent = |report: &&MasterReport| report.ping_pending >= PING_PATIENCE;
    Heard {
        sentinels: counted.max().unwrap_or(0).max(addrs.len()),
        quorum: reports
            .iter()
            .map(|report| report.quorum as usize)
            .max()
            .unwrap_or(1),
        lost_by: about()
            .filter(|report| crate::view::sees_down(report.flags))
            .count(),
        down_by: about().filter(|report| report.flags.subjectively_down).count(),
        silent_for: about().filter(silent).count(),
    }
}

/// Whether it says anything at all.
pub(super) async fn answers(redis: &Redis) -> bool {
    match redis.within(PING_DEADLINE).ping().await {
        Ok(()) => true,
        Err(error) => !error.broke_the_connection(),
    }
}

/// What dialling it has told.
pub(super) fn tried(dialled: &Result<Redis, instance::InstanceError>) -> LastTry {
    use instance::InstanceError as E;
    match dialled {
        Ok(_)
        | Err(
            E::Loading { .. }
            | E::Busy { .. }
            | E::Denied { .. }
            | E::ReadOnly { .. }
            | E::NoSuchMaster { .. }
            | E::Protocol { .. }
            | E::TlsFile { .. },
        ) => LastTry::Answered,
        Err(E::Refused { .. }) => LastTry::Refused,
        Err(E::Unreachable { .. }) => LastTry::Unreachable,
    }
}
