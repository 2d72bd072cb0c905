//! This node's entry under `/redis/members`, made from what its Redis says.

use instance::Snapshot;
use topology::{Addr, Candidate};
use uuid::Uuid;
use zkpaths::Member;

/// The parts of a member's entry that do not change while the wrapper runs.
#[derive(Debug, Clone)]
pub struct Identity {
    /// New at each start of the wrapper.
    pub id: Uuid,
    /// Of its data directory.
    pub node: Uuid,
    /// The announced address.
    pub addr: Addr,
    /// The admin page's address, where there is one.
    pub admin: Option<Addr>,
}

impl Identity {
    /// The entry as of `at_ms`.
    pub fn member(&self, snapshot: &Snapshot, at_ms: u64) -> Member {
        let replication = &snapshot.replication;
        Member {
            id: self.id,
            node: Some(self.node),
            addr: self.addr.clone(),
            admin: self.admin.clone(),
            role: replication.role.clone(),
            run_id: snapshot.run_id.clone(),
            replication_id: replication.id.clone(),
            second_replication_id: replication.second_id.clone(),
            second_offset: replication.second_offset,
            offset: replication.offset,
            link: replication.link,
            priority: replication.priority,
            server_version: snapshot.server_version.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fenced: None,
            at_ms,
        }
    }
}

/// One line for the log: who a candidate is.
pub fn describe(candidate: &Candidate) -> String {
    format!("{} at offset {}", candidate.addr, candidate.offset)
}
