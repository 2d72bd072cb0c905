//! Supervises one redis-sentinel on a platform where nobody knows beforehand where anything runs.
//!
//! It waits until ZooKeeper names a master, takes a run id that outlives it, and starts a Sentinel that is a full voter
//! from its first moment. While that runs it keeps it in step with ZooKeeper and rids it of ghosts. Losing ZooKeeper
//! never stops a Sentinel: that is when it is needed most.
//!
//! The rooms: [`config`] reads the settings, [`observe`] the world; [`decide`], [`identity`], [`ghosts`], [`hearing`],
//! [`admission`] and [`render`] are pure; [`act`], [`launch`] and [`join`] do; [`run`] is the order of things.

pub mod act;
pub mod admin;
pub mod admission;
pub mod config;
pub mod decide;
pub mod ghosts;
pub mod hearing;
pub mod hooks;
pub mod identity;
pub mod join;
pub mod launch;
pub mod metrics;
pub mod notes;
pub mod observe;
pub mod private;
pub mod recorded;
pub mod render;
pub mod run;
pub mod seed;
pub mod template;
mod tend;
mod tidy;
pub mod view;
