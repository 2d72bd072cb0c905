//! The watcher against real ZooKeeper, Redis and Sentinels. The tests write the znodes that the wrappers would write.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where it cannot go on; helpers of tests are not exempt by themselves"
)]

mod away;
mod failover;
mod group;
mod happy;
mod hostile;
mod openapi;
mod pages;
mod process;
mod records;
mod several;
