//! A model of the group in which the product's own decisions run in every order: nodes, Sentinels, ZooKeeper and movers that die, are cut
//! off and come back between any two messages. `MODEL_RUNS` makes it longer, `MODEL_SEED` begins it elsewhere.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails where it cannot go on; helpers of tests are not exempt by themselves"
)]

mod actions;
mod acts;
mod checks;
mod explore;
mod fingerprint;
mod happening;
mod judge;
mod look;
mod mover;
mod names;
mod rest;
mod returns;
mod rules;
mod sentinels;
mod telling;
mod ways;
mod world;
mod wrappers;
mod zookeeper;
