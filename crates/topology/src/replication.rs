//! What `INFO replication` says, as types.

use serde::{Deserialize, Serialize};

use crate::{Addr, ReplicationId, Role};

/// State of a replica's link to its master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkStatus {
    /// Connected and streaming.
    Up,
    /// Not connected, or still copying the data set.
    Down,
}

/// The replication section of one Redis' `INFO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// Master, or replica of whom.
    pub role: Role,
    /// Lineage of the data set (`master_replid`).
    pub id: ReplicationId,
    /// The lineage before the last promotion (`master_replid2`), all zeros when there was none.
    pub second_id: ReplicationId,
    /// Up to which offset the second id is valid; -1 when there is none.
    pub second_offset: i64,
    /// How far this node has come in its lineage, in bytes: a replica's `slave_repl_offset`, a master's
    /// `master_repl_offset`.
    pub offset: i64,
    /// A replica's link; a master has none.
    pub link: Option<LinkStatus>,
    /// For how many seconds a replica's link has been down (`master_link_down_since_seconds`); 0 while it is up, or was never made.
    pub link_down_s: u64,
    /// Whether the data set is being copied from the master right now.
    pub syncing: bool,
    /// `slave_priority`; 0 means never promote. 100, Redis' default, for a master, which does not report it.
    pub priority: u32,
    /// The replicas connected to this node.
    pub connected_replicas: u32,
}

/// A mandatory field is missing or unreadable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("INFO replication has no readable `{0}`")]
pub struct ReplicationError(&'static str);

impl Replication {
    /// Reads the text of `INFO replication` (or of a whole `INFO`).
    pub fn parse(info: &str) -> Result<Self, ReplicationError> {
        let field = |name: &'static str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let id = number(field("master_replid"), "master_replid")?;
        let second_id = field("master_replid2").and_then(|t| t.parse().ok());
        let (role, offset_field) = match field("role") {
            Some("master") => (Role::Master, "master_repl_offset"),
            Some("slave") => {
                let host = field("master_host").ok_or(ReplicationError("master_host"))?;
                let port = number(field("master_port"), "master_port")?;
                let of = Addr::new(host, port).map_err(|_| ReplicationError("master_host"))?;
                (Role::Replica { of }, "slave_repl_offset")
            }
            _ => return Err(ReplicationError("role")),
        };
        let link = match field("master_link_status") {
            Some("up") => Some(LinkStatus::Up),
            Some(_) => Some(LinkStatus::Down),
            None => None,
        };
        Ok(Self {
            role,
            id,
            second_id: second_id.unwrap_or_else(|| ReplicationId::from_bytes([0; 20])),
            second_offset: field("second_repl_offset")
                .and_then(|t| t.parse().ok())
                .unwrap_or(-1),
            offset: number(field(offset_field), offset_field)?,
            link,
            link_down_s: field("master_link_down_since_seconds")
                .and_then(|t| t.parse().ok())
                .unwrap_or(0),
            syncing: field("master_sync_in_progress") == Some("1"),
            priority: field("slave_priority")
                .and_then(|t| t.parse().ok())
                .unwrap_or(100),
            connected_replicas: field("connected_slaves")
                .and_then(|t| t.parse().ok())
                .unwrap_or(0),
        })
    }
}

fn number<T: std::str::FromStr>(text: Option<&str>, name: &'static str) -> Result<T, ReplicationError> {
    text.and_then(|t| t.parse().ok()).ok_or(ReplicationError(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPLICA: &str = "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:6379\r\n\
        master_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:42\r\nslave_priority:7\r\n\
        connected_slaves:0\r\nmaster_replid:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\
        master_replid2:0000000000000000000000000000000000000000\r\nmaster_repl_offset:42\r\nsecond_repl_offset:-1\r\n";

    #[test]
    fn a_replica_is_read_whole() {
        let replica = Replication::parse(REPLICA).unwrap();
        assert_eq!(
            replica.role,
            Role::Replica {
                of: "127.0.0.1:6379".parse().unwrap()
            }
        );
        assert_eq!(
            (replica.offset, replica.priority, replica.link),
            (42, 7, Some(LinkStatus::Up))
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let cut = REPLICA.replace("master_port:6379", "master_port:x");
        assert_eq!(Replication::parse(&cut), Err(ReplicationError("master_port")));
        assert_eq!(Replication::parse(""), Err(ReplicationError("master_replid")));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = Replication::parse(&text);
        }
    }
}
