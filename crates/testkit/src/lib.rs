//! Gives a test a real ZooKeeper, Redis and Sentinels, and our programs beside them.
//!
//! No mocks: what these servers do when killed, stopped and restarted is what the project is about. Every server runs in
//! a temporary directory on ports nobody else takes, is ended by its own handle, and leaves no process behind, even
//! when the test is aborted. Tests wait for states ([`eventually()`]), never for time.
//!
//! ```no_run
//! # async fn example() {
//! use std::time::Duration;
//! let zk = testkit::ZooKeeper::start().await;
//! let master = testkit::Redis::start().await;
//! let replica = testkit::Redis::builder().replica_of(master.addr()).start().await;
//! master.kill();
//! testkit::eventually("link down", Duration::from_secs(5), async || {
//!     replica.info("master_link_status").await.filter(|status| status == "down")
//! })
//! .await;
//! zk.client().set("/redis/master", "127.0.0.1 6379").await;
//! # }
//! ```
//!
//! A network that can be cut, with hosts of its own: [`net`].

mod browser;
mod clock;
mod collector;
mod consul;
mod ensemble;
pub mod events;
mod eventually;
mod group;
pub mod http;
mod needs;
pub mod nemesis;
pub mod net;
mod node_writer;
pub mod ports;
mod process;
mod program;
mod redis;
mod redis_client;
mod relay;
mod sentinel;
mod sentinel_client;
mod simulated;
pub mod soak;
mod tree;
mod wire;
mod writer;
mod zookeeper;

pub use self::browser::Browser;
pub use self::clock::JumpingClock;
pub use self::collector::Collector;
pub use self::consul::{Consul, ConsulMood, ConsulRequest, PublishedConsulApi};
pub use self::ensemble::Ensemble;
pub use self::eventually::{Answer, eventually};
pub use self::group::{Group, Kind, Node, RedisNode, RunningGroup, SentinelNode, WatcherNode};
pub use self::needs::{Need, require};
pub use self::net::{Host, Line, Net};
pub use self::node_writer::{NodeWriter, Tried};
pub use self::process::{Exit, Launch, Process};
pub use self::program::{Program, Running};
pub use self::redis::{Redis, RedisBuilder};
pub use self::redis_client::RedisClient;
pub use self::relay::Relay;
pub use self::sentinel::{Sentinel, SentinelBuilder};
pub use self::sentinel_client::SentinelClient;
pub use self::simulated::SimulatedGroups;
pub use self::tree::ZkClient;
pub use self::wire::{ask, records, text};
pub use self::writer::{Gap, Write, Writer, WriterBuilder, Written};
pub use self::zookeeper::ZooKeeper;
pub use ::redis::{RedisError, RedisResult, Value};
pub use nix::sys::signal::Signal;
