//! Telling Sentinels who is master, in the words by which they tell each other.
//!
//! A hello is published straight to each Sentinel, in the name of a peer that it knows: an unknown sender would be added as a ghost
//! voter. It adopts the higher epoch at once and persists it (sentinel.c, `sentinelProcessHelloMessage`). This is Sentinel's
//! internal protocol, so every Sentinel is tried before it is relied upon.

use std::time::{Duration, Instant};

use instance::{InstanceError, MasterReport, PeerReport, Sentinel};
use topology::{Hello, MasterName, MasterRecord};

use crate::Takes;

/// One hello in the name of `peer`.
fn hello(name: &MasterName, peer: &PeerReport, record: &MasterRecord) -> Hello {
    Hello {
        sender: peer.addr.clone(),
        sender_id: peer.run_id.clone(),
        current_epoch: record.epoch,
        name: name.clone(),
        master: record.clone(),
    }
}

/// Tells one Sentinel. False: it knows no peer to speak for.
pub(crate) async fn announce(
    sentinel: &Sentinel,
    name: &MasterName,
    peers: &[PeerReport],
    record: &MasterRecord,
) -> Result<bool, InstanceError> {
    let Some(peer) = peers.first() else {
        return Ok(false);
    };
    sentinel.announce(&hello(name, peer, record)).await?;
    Ok(true)
}

/// Whether a Sentinel takes an announcement: one that says nothing new must make the peer's last hello as young as our own message.
pub(crate) async fn self_test(
    sentinel: &Sentinel,
    name: &MasterName,
    peers: &[PeerReport],
    report: &MasterReport,
) -> Result<Takes, InstanceError> {
    let Some(peer) = peers.first() else {
        return Ok(Takes::NoPeer);
    };
    let sent = Instant::now();
    sentinel.announce(&hello(name, peer, &report.record)).await?;
    let after = sentinel.peers(name).await?;
    let heard = after
        .iter()
        .find(|other| other.run_id == peer.run_id)
        .map(|other| other.last_hello);
    // Sentinel counts in whole milliseconds.
    let young = sent.elapsed() + Duration::from_millis(2);
    Ok(match heard {
        Some(age) if age <= young => Takes::Yes,
        Some(_) | None => Takes::No,
    })
}
