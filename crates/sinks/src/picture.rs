//! What the outside world is told: for each group who is master, as of which epoch, and who may answer reads.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use topology::{Addr, Epoch, MasterName, RunId};

/// All groups. What is not in it is not known, which is not the same as having no master.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// The groups that are known, by name.
    pub groups: BTreeMap<MasterName, Group>,
    /// The groups that will be known: a sink that writes all of them as one waits for those.
    pub awaited: Vec<MasterName>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, as Sentinels know it.
    pub name: MasterName,
    /// Where clients connect to in front of it, where somebody said so.
    pub external_port: Option<u16>,
    /// Whether what is shown was confirmed by a source that is current.
    pub assurance: Assurance,
    /// Who is master.
    pub master: Master,
    /// The replicas, by address.
    pub replicas: BTreeMap<Addr, Replica>,
}

/// Whether what is shown of a group was confirmed by a source that is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// It was.
    Current,
    /// It was once; this program may be cut off, and somebody else may know better.
    Doubtful,
}

/// The master of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    /// Its announced address.
    pub addr: Addr,
    /// As of which config epoch.
    pub epoch: Epoch,
    /// Run id of its process, where it is known.
    pub run_id: Option<RunId>,
    /// Why it is: the record's word, such as `failover`.
    pub cause: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Who says so.
    pub origin: Origin,
    /// When this program learned of it: from here the sinks' times are counted.
    pub seen: Instant,
}

/// Who says that somebody is master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is recorded.
    Recorded,
    /// A majority of the Sentinels, while nothing can be recorded. What is recorded for the same epoch afterwards is right.
    Announced,
}

/// A replica of the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its announced address.
    pub addr: Addr,
    /// Whether reads may go there.
    pub fitness: Fitness,
}

/// Whether reads may go to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fitness {
    /// It follows the master, and not too far behind.
    Fit,
    /// It follows the master, too far behind.
    Lagging,
    /// Its link to the master is down, or it follows somebody else.
    Astray,
}

impl Group {
    /// The addresses that reads may go to.
    pub fn fit(&self) -> impl Iterator<Item = &Addr> {
        self.replicas
            .values()
            .filter(|replica| replica.fitness == Fitness::Fit)
            .map(|replica| &replica.addr)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A group without replicas.
    pub(crate) fn group(name: &str, epoch: u64) -> Group {
        Group {
            name: name.parse().expect("a name"),
            external_port: None,
            assurance: Assurance::Current,
            master: Master {
                addr: Addr::new("10.0.0.1", 6379).expect("an address"),
                epoch: Epoch(epoch),
                run_id: None,
                cause: "failover".to_owned(),
                since_ms: 0,
                origin: Origin::Recorded,
                seen: Instant::now(),
            },
            replicas: BTreeMap::new(),
        }
    }
}
