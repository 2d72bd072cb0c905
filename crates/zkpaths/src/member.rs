//! `/redis/members/<uuid>`: one running Redis, as its wrapper sees it.

use serde::{Deserialize, Serialize};
use topology::{Addr, LinkStatus, ReplicationId, Role, RunId};
use uuid::Uuid;

use crate::PayloadError;
use crate::payload::{from_json, to_json};

/// A Redis node under supervision. Kept current about once a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Identity of the wrapper process, new at each start.
    pub id: Uuid,
    /// Identity of its data directory, as under `/redis/nodes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Uuid>,
    /// Where clients and replicas reach this Redis.
    pub addr: Addr,
    /// Where its wrapper answers `/healthz`, `/ready`, `/role` and `/metrics`, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Addr>,
    /// Master, or replica of whom.
    #[serde(flatten)]
    pub role: Role,
    /// Run id of the Redis process.
    pub run_id: RunId,
    /// Lineage of its data set.
    pub replication_id: ReplicationId,
    /// The lineage before the last promotion.
    pub second_replication_id: ReplicationId,
    /// Up to which offset the second lineage is valid; -1 when there is none.
    pub second_offset: i64,
    /// How far it has come, in bytes.
    pub offset: i64,
    /// A replica's link to its master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkStatus>,
    /// `replica-priority`; 0 means never promote.
    pub priority: u32,
    /// Version of the server, such as 7.0.15.
    pub server_version: String,
    /// Version of the wrapper.
    pub version: String,
    /// Why its wrapper has fenced it, where it has: it takes no writes until its lease is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<String>,
    /// When this was read, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Member {
    /// Reads the znode.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        from_json(bytes)
    }

    /// The bytes to write.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let member = Member {
            id: Uuid::nil(),
            node: Some(Uuid::max()),
            addr: "127.0.0.1:6379".parse().unwrap(),
            admin: None,
            role: Role::Replica {
                of: "127.0.0.1:6380".parse().unwrap(),
            },
            run_id: RunId::from_bytes([1; 20]),
            replication_id: RunId::from_bytes([2; 20]),
            second_replication_id: RunId::from_bytes([0; 20]),
            second_offset: -1,
            offset: 14,
            link: Some(LinkStatus::Up),
            priority: 100,
            server_version: "7.0.15".to_owned(),
            version: "0.1.0".to_owned(),
            fenced: None,
            at_ms: 5,
        };
        let bytes = member.encode();
        assert!(String::from_utf8_lossy(&bytes).contains(r#""role":"replica","of":"127.0.0.1:6380""#));
        assert_eq!(Member::decode(&bytes).unwrap(), member);
    }
}
