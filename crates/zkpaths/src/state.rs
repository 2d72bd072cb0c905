//! `/redis/state`: the group's memory.

use serde::{Deserialize, Serialize};
use topology::{Addr, Epoch, MasterName, MasterRecord, ReplicationId, RunId};
use uuid::Uuid;

use crate::PayloadError;
use crate::payload::{from_json, to_json};

/// What is known of the group, written by compare-and-set in one transaction with `/redis/master`. The epoch never
/// decreases, and one epoch names one master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Identity of the group, random, made by whoever recorded its first master. Two groups never share one.
    pub group: Uuid,
    /// The group's name for Sentinels.
    pub name: MasterName,
    /// Config epoch of this record.
    pub epoch: Epoch,
    /// Who is master.
    pub master: RecordedMaster,
    /// How far the change has come.
    pub phase: Phase,
    /// Why this master.
    pub cause: Cause,
    /// When it was recorded, in milliseconds since 1970.
    pub since_ms: u64,
    /// The farthest point of the master's data set that anyone recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
}

/// The master, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedMaster {
    /// Announced address.
    pub addr: Addr,
    /// Run id of its process, once it has run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// A point in a data set's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The lineage.
    pub id: ReplicationId,
    /// Offset in bytes.
    pub offset: i64,
}

/// How far a change of master has come. More phases belong to the failover procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Recorded by the node that will be master, before its Redis answered for the first time.
    Claimed,
    /// The master answered with its role.
    Settled,
}

/// Why a master was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nobody was master before.
    FirstStart,
    /// The recorded master was gone and nobody disagreed.
    TakeOver,
    /// A returning master found others with data, and the best of them was promoted.
    PromotedMember,
    /// A Sentinel failover.
    Failover,
    /// The record was missing or wrong, and was put right.
    Repair,
}

impl State {
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

    /// Who is master as of which epoch.
    pub fn record(&self) -> MasterRecord {
        MasterRecord {
            addr: self.master.addr.clone(),
            epoch: self.epoch,
        }
    }
}
