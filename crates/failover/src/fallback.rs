//! Where Sentinels do not take announcements: one of them is asked to move the role.
//!
//! `SENTINEL FAILOVER` works with a dead master and needs no election; two of them at once may leave two masters, so the failover lock makes
//! us the only issuer and one Sentinel is asked at a time.

use std::time::Duration;

use instance::FailoverReply;
use tokio::time::{Instant, sleep};
use topology::{Addr, MasterRecord};
use tracing::{info, warn};

use crate::{Links, View};

/// The Sentinels need 1.1 s; twice with a failed attempt.
const DEADLINE: Duration = Duration::from_secs(8);
const ASK_AGAIN: Duration = Duration::from_millis(300);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Asks one Sentinel after the other until the group has another master. None: they did not.
pub(crate) async fn through_a_sentinel(links: &Links, view: &View, replaces: &Addr) -> Option<MasterRecord> {
    let deadline = Instant::now() + DEADLINE;
    let knowing: Vec<&Addr> = view.reports().map(|(sentinel, _)| &sentinel.addr).collect();
    let mut turn = knowing.into_iter().cycle();
    while Instant::now() < deadline {
        let addr = turn.next()?;
        let reply = match links.sentinel(addr).get().await {
            Ok(sentinel) => sentinel.failover(&view.name).await,
            Err(error) => Err(error),
        };
        match reply {
            Ok(FailoverReply::Started | FailoverReply::InProgress) => {
                info!(sentinel = %addr, "sentinel asked to move the role");
                return wait(links, view, addr, replaces, deadline).await;
            }
            Ok(FailoverReply::NoGoodReplica | FailoverReply::NoSuchMaster) => {}
            Err(error) => warn!(sentinel = %addr, reason = %error, "sentinel did not take the failover"),
        }
        sleep(ASK_AGAIN).await;
    }
    None
}

async fn wait(
    links: &Links,
    view: &View,
    sentinel: &Addr,
    replaces: &Addr,
    deadline: Instant,
) -> Option<MasterRecord> {
    while Instant::now() < deadline {
        if let Ok(sentinel) = links.sentinel(sentinel).get().await
            && let Ok(Some(report)) = sentinel.report(&view.name).await
            && report.record.addr != *replaces
            && crate::promote::is_master(links, &report.record.addr)
                .await
                .unwrap_or(false)
        {
            return Some(report.record);
        }
        sleep(LOOK_AGAIN).await;
    }
    None
}
