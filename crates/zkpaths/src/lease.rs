//! `/redis/lease`: until when the master may take writes.
//!
//! The znode's version is what counts: others measure, on their own clocks, how long it has not changed. So nothing in it is a
//! time to be compared between hosts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use topology::{Addr, Epoch, RunId};

use crate::payload::{from_json, to_json};
use crate::{PayloadError, RecordedMaster};

/// Who may take writes, and for how long after each renewal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Announced address of the master.
    pub holder: Addr,
    /// Run id of its process.
    pub run_id: RunId,
    /// As of which epoch it is master.
    pub epoch: Epoch,
    /// How long a renewal holds, in milliseconds from the moment it was sent, on the holder's clock.
    pub lease_ms: u64,
    /// When it was renewed, in milliseconds since 1970; for people.
    pub at_ms: u64,
}

impl Lease {
    /// Reads the znode; empty is none.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, PayloadError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            Ok(None)
        } else {
            from_json(bytes).map(Some)
        }
    }

    /// The bytes to write.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }

    /// How long a renewal holds.
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// How long a renewal by the Sentinels holds, while ZooKeeper does not answer. Who promotes on their votes waits so long.
    pub fn by_sentinels(&self) -> Duration {
        self.length() / 2
    }

    /// Whether it is the lease of this master, and not of one before it or of an earlier life of its process. It covers nobody of whom no
    /// process is recorded yet: that one starts, and what is written may be its predecessor's.
    pub fn covers(&self, master: &RecordedMaster) -> bool {
        self.holder == master.addr && master.run_id.as_ref() == Some(&self.run_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_covers_one_life_of_one_master() {
        let addr: Addr = "10.0.0.7:6379".parse().unwrap();
        let lease = Lease {
            holder: addr.clone(),
            run_id: RunId::from_bytes([1; 20]),
            epoch: Epoch(4),
            lease_ms: 1500,
            at_ms: 0,
        };
        assert_eq!(Lease::decode(&lease.encode()).unwrap(), Some(lease.clone()));
        assert_eq!(Lease::decode(b"").unwrap(), None);
        let of = |run_id| RecordedMaster {
            addr: addr.clone(),
            run_id,
        };
        assert!(lease.covers(&of(Some(RunId::from_bytes([1; 20])))));
        assert!(
            !lease.covers(&of(None)),
            "it starts, and this may be its predecessor's"
        );
        let restarted = of(Some(RunId::from_bytes([2; 20])));
        let other = RecordedMaster {
            addr: "10.0.0.8:6379".parse().unwrap(),
            run_id: None,
        };
        assert!(!lease.covers(&restarted) && !lease.covers(&other));
    }
}
