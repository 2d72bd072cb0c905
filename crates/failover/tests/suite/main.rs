//! The procedure against real ZooKeeper, Redis and Sentinels, killed at every step.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails where it cannot go on; helpers of tests are not exempt by themselves"
)]

mod group;
mod interrupted;
mod procedure;
