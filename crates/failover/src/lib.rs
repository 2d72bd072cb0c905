//! Moves the master role: serialised by a ZooKeeper lock, elected by the Sentinels' own vote, announced with their own epoch.
//!
//! `docs/decisions/0006-failover.md` tells why. The rooms: [`View`] is what is seen, [`plan()`] says what to do next and why (pure), the
//! [`Mover`] does it and looks again. Nothing is remembered between two looks but the [`Attempt`], so whoever takes the lock after a dead
//! predecessor continues where that one stopped.
//!
//! Never here: who may ask. A [`Warrant`] names its proof; [`evidence`] says when there is one.

mod announce;
mod ask;
mod choose;
mod elect;
pub mod evidence;
mod execute;
mod fallback;
mod handover;
mod journal;
mod links;
mod look;
mod mover;
mod outcome;
mod plan;
mod promote;
mod record;
mod run;
mod step;
mod tally;
mod view;
mod warrant;

pub use ask::gather;
pub use choose::{Choice, Durability, WhyNoChoice};
pub use links::Links;
pub use mover::{Checkpoint, Deadlines, Hook, Mover};
pub use outcome::{MoveError, Moved, OldMaster, Outcome};
pub use plan::{LEASE_MARGIN, plan};
pub use record::{RecordError, intent, intent_writes, publish, publish_writes, restored, settled};
pub use step::{Step, Stop, Wait};
pub use tally::majority;
pub use view::{LeaseSeen, SentinelView, Takes, View};
pub use warrant::{Attempt, Votes, Warrant};
