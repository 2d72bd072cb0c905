//! Tells the outside world who is master.
//!
//! Any number run; one leads by a lock, the others stand by warm and step in when the record stays wrong. What a Sentinel
//! publishes is only a reason to look: `observe` reads every registered Sentinel, the Redis nodes they name and what
//! ZooKeeper has; `decide` says what to do about it; `act` records it by compare-and-set. Without ZooKeeper (`census`) the record is
//! kept in memory. What is settled is shown (`show`) to sinks, which `tell` the world outside. The HTTP `pages`
//! answer from copies that are kept up to date, so that they say something while ZooKeeper is away, and say how
//! old it is.

mod act;
mod census;
pub mod config;
mod decide;
mod desired;
mod feed;
mod group;
pub mod happy;
mod health;
mod hints;
mod journal;
mod known;
mod lead;
mod lines;
mod listen;
mod metrics;
mod observe;
mod pace;
mod pages;
mod recorder;
mod roster;
pub mod run;
mod show;
mod silence;
mod situation;
mod tally;
mod tell;
mod verdict;
mod view;
mod watch;

#[cfg(test)]
mod sample;
