//! Who ZooKeeper says is master: `/redis/state`, or `/redis/master` alone where only old components write.
//!
//! Bytes in ZooKeeper may be anything. Whatever cannot be used is a reason to wait, never to stop: somebody will put
//! it right, and a Sentinel that runs meanwhile is worth more than none.

use topology::{Epoch, MasterName, MasterRecord};
use zkpaths::{Phase, State};

/// Why there is no master to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRecord {
    /// ZooKeeper was not read yet.
    NotRead,
    /// Nobody is recorded.
    Nobody,
    /// Somebody is moving the role: whom the record names is not master yet, and telling a Sentinel so would make it search for
    /// one that is.
    Moving,
    /// `/redis/state` or `/redis/master` cannot be understood.
    Malformed {
        /// Which of the two.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The tree belongs to a group of another name; following it would mix two groups.
    OtherGroup(MasterName),
}

impl std::fmt::Display for NoRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRead => f.write_str("ZooKeeper was not read yet"),
            Self::Nobody => f.write_str("no master is recorded"),
            Self::Moving => f.write_str("the master role is being moved"),
            Self::Malformed { what, problem } => write!(f, "{what} is malformed: {problem}"),
            Self::OtherGroup(name) => write!(f, "the tree belongs to group `{name}`"),
        }
    }
}

/// Reads the two znodes. `None` is a znode that does not exist.
pub fn recorded(
    state: Option<&[u8]>,
    master: Option<&[u8]>,
    name: &MasterName,
) -> Result<MasterRecord, NoRecord> {
    let malformed = |what| {
        move |error: zkpaths::PayloadError| NoRecord::Malformed {
            what,
            problem: error.to_string(),
        }
    };
    match State::decode(state.unwrap_or_default()).map_err(malformed("state"))? {
        Some(state) if state.name != *name => Err(NoRecord::OtherGroup(state.name)),
        Some(state) => match state.phase {
            Phase::Claimed | Phase::Settled => Ok(state.record()),
            // In a phase that only a newer version knows, nobody is known to be a master yet either.
            Phase::Promoting | Phase::Other(_) => Err(NoRecord::Moving),
        },
        None => {
            let master = zkpaths::decode_master(master.unwrap_or_default()).map_err(malformed("master"))?;
            let addr = master.ok_or(NoRecord::Nobody)?;
            Ok(MasterRecord {
                addr,
                epoch: Epoch(0),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use topology::RunId;
    use uuid::Uuid;
    use zkpaths::{Cause, Further, RecordedMaster};

    use super::*;

    fn state(name: &str) -> Vec<u8> {
        in_phase(name, Phase::Settled)
    }

    fn in_phase(name: &str, phase: Phase) -> Vec<u8> {
        let master = RecordedMaster {
            addr: "10.0.0.1:6379".parse().unwrap(),
            run_id: Some(RunId::from_bytes([1; 20])),
        };
        let name = name.parse().unwrap();
        let cause = Cause::FirstStart;
        State {
            group: Uuid::nil(),
            name,
            epoch: Epoch(4),
            master,
            phase,
            cause,
            since_ms: 0,
            replaces: None,
            known: None,
            further: Further::default(),
        }
        .encode()
    }

    #[test]
    fn the_state_wins_and_the_old_contract_is_epoch_zero() {
        let name: MasterName = "master1".parse().unwrap();
        let read = |state: &[u8], master: &[u8]| recorded(Some(state), Some(master), &name);
        assert_eq!(read(&state("master1"), b"10.0.0.9 1").unwrap().epoch, Epoch(4));
        let legacy = read(b"", b"10.0.0.9 6380").unwrap();
        assert_eq!(
            (legacy.addr.to_string().as_str(), legacy.epoch),
            ("10.0.0.9:6380", Epoch(0))
        );
        assert_eq!(read(b"", b""), Err(NoRecord::Nobody));
        assert_eq!(recorded(None, None, &name), Err(NoRecord::Nobody));
    }

    #[test]
    fn nobody_is_told_of_a_master_to_be() {
        let name: MasterName = "master1".parse().unwrap();
        let read = |phase| recorded(Some(&in_phase("master1", phase)), Some(b"10.0.0.9 1"), &name);
        for phase in [Phase::Promoting, Phase::Other("draining".to_owned())] {
            assert_eq!(read(phase), Err(NoRecord::Moving));
        }
        assert_eq!(read(Phase::Claimed).unwrap().epoch, Epoch(4));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let name: MasterName = "master1".parse().unwrap();
        let read = |state: &[u8], master: &[u8]| recorded(Some(state), Some(master), &name).unwrap_err();
        assert!(matches!(
            read(b"{", b"10.0.0.9 6380"),
            NoRecord::Malformed { what: "state", .. }
        ));
        assert!(matches!(
            read(b"", b"\xff\xfe"),
            NoRecord::Malformed { what: "master", .. }
        ));
        assert_eq!(
            read(&state("other"), b""),
            NoRecord::OtherGroup("other".parse().unwrap())
        );
    }
}
