//! Tells the outside world who is master.
//!
//! Any number run; one leads by a lock, the others stand by warm and step in when the record stays wrong. What a Sentinel
//! publishes is only a reason to look: [`observe`] reads every registered Sentinel, the Redis nodes they name and what
//! ZooKeeper has; [`mod@decide`] says what to do about it; [`mod@act`] records it by compare-and-set. The HTTP [`pages`]
//! answer from copies that are kept up to date, so that they say something while ZooKeeper is away, and say how
//! old it is.

pub mod act;
pub mod config;
pub mod decide;
pub mod desired;
pub mod health;
pub mod hints;
pub mod journal;
pub mod lead;
pub mod listen;
pub mod metrics;
pub mod observe;
pub mod outlets;
pub mod pace;
pub mod pages;
pub mod roster;
pub mod run;
pub mod silence;
pub mod situation;
mod tally;
pub mod verdict;
pub mod view;
pub mod watch;

#[cfg(test)]
mod sample;
