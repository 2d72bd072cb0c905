//! What one Redis says of itself in one `INFO`.
//!
//! One answer, not several commands, so that role and offset belong to the same moment. While a data set is being
//! read `INFO` answers as well, with the role and the lineage of an empty master; that must not be believed.

use topology::{Addr, Replication, RunId};

use crate::InstanceError;

/// One Redis at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The process.
    pub run_id: RunId,
    /// Its process id, where it says it: is it the one we started?
    pub process_id: Option<u32>,
    /// `7.0.15`, or `valkey 8.0.1`.
    pub server_version: String,
    /// Its part in replication.
    pub replication: Replication,
}

impl Snapshot {
    /// Reads the text of a whole `INFO`.
    pub(crate) fn parse(addr: &Addr, info: &str) -> Result<Self, InstanceError> {
        let command = "INFO";
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let unreadable = |what: &str| InstanceError::protocol(addr, command, format!("no readable {what}"));
        if field("redis_mode") == Some("sentinel") {
            return Err(InstanceError::protocol(addr, command, "a Sentinel, not a Redis"));
        }
        if field("loading") == Some("1") {
            let addr = addr.clone();
            return Err(InstanceError::Loading { addr, command });
        }
        let server_version = match (field("valkey_version"), field("redis_version")) {
            (Some(version), _) => format!("valkey {version}"),
            (None, Some(version)) => version.to_owned(),
            (None, None) => return Err(unreadable("redis_version")),
        };
        let run_id = field("run_id").and_then(|text| text.parse().ok());
        let replication = Replication::parse(info)
            .map_err(|error| InstanceError::protocol(addr, command, error.to_string()))?;
        Ok(Self {
            run_id: run_id.ok_or_else(|| unreadable("run_id"))?,
            process_id: field("process_id").and_then(|text| text.parse().ok()),
            server_version,
            replication,
        })
    }
}
