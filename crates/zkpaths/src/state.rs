//! `/redis/state`: the group's memory.

use serde::{Deserialize, Serialize};
use topology::{Addr, Epoch, MasterName, MasterRecord, ReplicationId, RunId};
use uuid::Uuid;

use crate::payload::{from_json, newer_or, to_json};
use crate::{Cause, Further, PayloadError, Phase};

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
    /// Whom this master replaces, while that is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<RecordedMaster>,
    /// The farthest point of the master's data set that anyone recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
    /// What a newer version has added to this record.
    #[serde(flatten)]
    pub further: Further,
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

impl State {
    /// The fields that the state of any version has.
    const ALWAYS: [&str; 3] = ["group", "epoch", "master"];

    /// Reads the znode; empty is none. [`PayloadError::Newer`] is somebody's good record, and not to be written over; anything else
    /// that cannot be read is damage.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, PayloadError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            Ok(None)
        } else {
            from_json(bytes)
                .map(Some)
                .map_err(|error| newer_or(error, bytes, &Self::ALWAYS))
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

#[cfg(test)]
mod tests {
    use super::*;

    const NEWER: &str = r#"{"group":"00000000-0000-0000-0000-000000000007","name":"master1","epoch":4,"master":{"addr":"10.0.0.1:6379"},"phase":"draining","cause":"eclipse","since_ms":1,"shadow":{"of":["moon"]},"zeal":2}"#;

    #[test]
    fn what_a_newer_version_wrote_is_read_and_kept() {
        let state = State::decode(NEWER.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (&state.phase, &state.cause),
            (
                &Phase::Other("draining".to_owned()),
                &Cause::Other("eclipse".to_owned())
            )
        );
        assert_eq!(state.further.names().collect::<Vec<_>>(), ["shadow", "zeal"]);
        let again: serde_json::Value = serde_json::from_slice(&state.encode()).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(NEWER).unwrap());
    }

    #[test]
    fn what_this_version_writes_has_the_same_bytes_as_ever() {
        let state = State {
            group: Uuid::nil(),
            name: "master1".parse().unwrap(),
            epoch: Epoch(4),
            master: RecordedMaster {
                addr: "10.0.0.1:6379".parse().unwrap(),
                run_id: None,
            },
            phase: Phase::Settled,
            cause: Cause::TakeOver,
            since_ms: 1,
            replaces: None,
            known: None,
            further: Further::default(),
        };
        assert_eq!(
            String::from_utf8(state.encode()).unwrap(),
            r#"{"group":"00000000-0000-0000-0000-000000000000","name":"master1","epoch":4,"master":{"addr":"10.0.0.1:6379"},"phase":"settled","cause":"take-over","since_ms":1}"#
        );
    }

    #[test]
    fn a_shape_that_is_not_known_is_told_from_damage() {
        let newer = NEWER.replace(r#""draining""#, r#"{"draining":3}"#);
        assert!(matches!(
            State::decode(newer.as_bytes()),
            Err(PayloadError::Newer { .. })
        ));
        for damaged in ["{", "[1,2]", "\u{fffd}", r#"{"epoch":"high"}"#, &NEWER[..90]] {
            let error = State::decode(damaged.as_bytes()).unwrap_err();
            assert!(matches!(error, PayloadError::Json { .. }), "{damaged}: {error}");
        }
        assert_eq!(State::decode(b" \n").unwrap(), None);
    }
}
