//! Tells the outside world who is master.
//!
//! Any number run; one leads by a lock, the others stand by warm and step in when the record stays wrong. What a Sentinel
//! publishes is only a reason to look: `observe` reads every registered Sentinel, the Redis nodes they name and what
//! ZooKeeper has; `decide` says what to do about it; `act` records it by compare-and-set. The HTTP `pages`
//! answer from copies that are kept up to date, so that they say something while ZooKeeper is away, and say how
//! old it is.

mod act;
pub mod config;
mod decide;
mod desired;
mod health;
mod hints;
mod journal;
mod lead;
mod listen;
mod metrics;
mod observe;
mod outlets;
mod pace;
mod pages;
mod roster;
pub mod run;
mod silence;
mod situation;
mod tally;
mod verdict;
mod view;
mod watch;

#[cfg(test)]
mod sample;
