//! Where it is recorded who is master: in ZooKeeper, or, where there is none, in memory.
//!
//! Both look the same to everybody else: three znodes with versions, and copies that are followed. In ZooKeeper a
//! compare-and-set alone decides whether a change is true; in memory the group's own loop is the only writer.

mod memory;
mod zookeeper;

use registry::{CommitError, Registry, RegistryError, Znode};
use topology::MasterName;

pub(crate) use self::memory::Memory;
use crate::desired::Desired;
use crate::observe::Look;

/// The record of one group.
#[derive(Clone)]
pub(crate) enum Recorder {
    /// The group's tree in ZooKeeper.
    ZooKeeper(Registry),
    /// This process's memory: it begins empty, and the Sentinels fill it.
    Memory(Memory),
}

/// What came of writing.
#[derive(Debug)]
pub(crate) enum Wrote {
    /// It is recorded.
    Done,
    /// Something that the writing needs was missing and has been made: look and write again.
    Prepared,
}

impl Recorder {
    /// State, master and named master. Read anew each time, not taken from the followed copies: right after a write of ours
    /// those may lag behind.
    pub(crate) async fn read(&self, group: &MasterName) -> Result<[Option<Znode>; 3], RegistryError> {
        match self {
            Recorder::ZooKeeper(registry) => {
                let tree = registry.tree();
                let (state, master, named) = (tree.state(), tree.master(), tree.named_master(group));
                let (state, master, named) = tokio::try_join!(
                    registry.read(&state),
                    registry.read(&master),
                    registry.read(&named)
                )?;
                Ok([state, master, named])
            }
            Recorder::Memory(memory) => Ok(memory.read()),
        }
    }

    /// Records what is desired, unless something changed since the look.
    pub(crate) async fn write(&self, look: &Look, desired: &Desired) -> Result<Wrote, CommitError> {
        match self {
            Recorder::ZooKeeper(registry) => zookeeper::write(registry, look, desired).await,
            Recorder::Memory(memory) => {
                memory.write(desired);
                Ok(Wrote::Done)
            }
        }
    }
}
