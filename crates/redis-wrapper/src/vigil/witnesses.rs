//! Who else is asked before a master counts as lost: itself once more, and the Sentinels.

use std::collections::BTreeMap;

use failover::Mover;
use failover::evidence::{Evidence, LastTry, PING_PATIENCE};
use instance::Redis;

use super::DIAL_DEADLINE;
use crate::run::Wrapper;

/// Counts the Sentinels that have lost the master.
pub(super) async fn ask_sentinels(
    wrapper: &Wrapper,
    mover: &Mover,
    registered: &BTreeMap<String, Vec<u8>>,
    evidence: &mut Evidence,
) {
    let addrs = crate::observe::addresses(registered);
    let name = &wrapper.config.group.name;
    let ask = addrs.iter().map(|addr| {
        let link = mover.links.sentinel(addr);
        async move {
            let asked = async { link.get().await?.within(DIAL_DEADLINE).report(name).await };
            let answer = tokio::time::timeout(DIAL_DEADLINE, asked).await;
            answer.ok()?.ok()?
        }
    });
    let reports: Vec<_> = futures_util::future::join_all(ask)
        .await
        .into_iter()
        .flatten()
        .collect();
    let counted = reports.iter().map(|report| report.other_sentinels as usize + 1);
    evidence.sentinels = counted.max().unwrap_or(0).max(addrs.len());
    evidence.quorum = reports
        .iter()
        .map(|report| report.quorum as usize)
        .max()
        .unwrap_or(1);
    let about = || {
        reports
            .iter()
            .filter(|report| report.record.addr == evidence.master)
    };
    evidence.lost_by = about()
        .filter(|report| crate::view::sees_down(report.flags))
        .count();
    evidence.down_by = about().filter(|report| report.flags.subjectively_down).count();
    evidence.silent_for = about()
        .filter(|report| report.ping_pending >= PING_PATIENCE)
        .count();
}

/// Whether it says anything at all.
pub(super) async fn answers(redis: &Redis) -> bool {
    match redis.within(DIAL_DEADLINE).ping().await {
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
