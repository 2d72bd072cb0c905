//! Telling the Sentinels of a master that was taken over at a start. Their own wrappers do the same; this is for those without one.

use instance::{Dialer, InstanceError, Sentinel};
use topology::{Hello, MasterName, MasterRecord};
use tracing::{info, warn};

use crate::observe::Seen;

/// Tells every Sentinel that answered. Their own wrappers do the same; this is for those without one.
pub(crate) async fn announce_everywhere(
    dialer: &Dialer,
    name: &MasterName,
    seen: &Seen,
    record: &MasterRecord,
) {
    for report in &seen.view.sentinels {
        let told = async {
            let sentinel = dialer.sentinel(&report.sentinel).await?;
            announce(&sentinel, name, record).await
        };
        match told.await {
            Ok(true) => {
                info!(sentinel = %report.sentinel, master = %record.addr, epoch = %record.epoch, "sentinel told");
            }
            Ok(false) => {
                warn!(sentinel = %report.sentinel, "sentinel knows no peer to speak for; its wrapper will tell it");
            }
            Err(error) => {
                warn!(sentinel = %report.sentinel, reason = %error, "sentinel not told; its wrapper will");
            }
        }
    }
}

/// One hello in the name of a peer that the Sentinel knows; an unknown sender would become a ghost voter.
async fn announce(
    sentinel: &Sentinel,
    name: &MasterName,
    record: &MasterRecord,
) -> Result<bool, InstanceError> {
    let Some(peer) = sentinel.peers(name).await?.into_iter().next() else {
        return Ok(false);
    };
    let hello = Hello {
        sender: peer.addr,
        sender_id: peer.run_id,
        current_epoch: record.epoch,
        name: name.clone(),
        master: record.clone(),
    };
    sentinel.announce(&hello).await?;
    Ok(true)
}
