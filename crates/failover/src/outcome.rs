//! How an attempt ended.

use std::time::Duration;

use registry::{LockError, RegistryError};
use topology::{Addr, MasterRecord};
use zkpaths::Timings;

use crate::step::{Stop, Wait};

/// The role has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// To whom, as of which epoch.
    pub record: MasterRecord,
    /// From whom.
    pub from: Addr,
    /// Where the time went.
    pub timings: Timings,
    /// What became of the master that gave the role away.
    pub old: OldMaster,
}

/// What became of the old master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldMaster {
    /// It was not asked: it is gone.
    Gone,
    /// It is a replica of its successor.
    Relieved,
    /// It did not take the command, and must be ended before its pause runs out.
    Disobeys,
}

/// How an attempt ended.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// The role has moved.
    Moved(Box<Moved>),
    /// A dead predecessor's move was completed or undone.
    Finished(MasterRecord),
    /// Nothing was done, rightly.
    Stopped(Stop),
    /// Waited for in vain.
    Waited(Wait),
    /// The handover was given up; the master is what it was.
    NotReady(String),
    /// Nothing was done, or not all: look again later.
    Failed(MoveError),
}

/// An attempt that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// Somebody else is moving the role, or ZooKeeper is away.
    #[error("the failover lock was not ours")]
    Lock(#[source] LockError),
    /// ZooKeeper could not be read.
    #[error("the group could not be read")]
    Look(#[source] RegistryError),
    /// The session is over, or may be.
    #[error("the failover lock was lost")]
    LockLost,
    /// The record could not be written, again and again.
    #[error("the record was not written")]
    Record(#[source] crate::RecordError),
    /// Nobody became master.
    #[error("no candidate became master")]
    NobodyPromoted,
    /// The old master may go on taking writes beside the new one, and must be ended.
    #[error("the old master did not give way")]
    Disobeyed,
    /// It took too long.
    #[error("not done within {0:?}")]
    Deadline(Duration),
}
