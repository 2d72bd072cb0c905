//! Starts one redis-server in the right role and stays with it.
//!
//! The rooms: [`config`] reads the settings, [`observe`] reads the world into a [`view::View`], [`decide`] chooses the role
//! at the start and [`keep`] what to correct later, [`lease`] until when the Redis may take writes (all pure, with the reason in the answer), [`act`] writes, `choose` goes round these until there is a role, [`run`] is
//! the order of things from the first line to the exit code. Losing ZooKeeper never stops the Redis.

pub mod act;
pub mod admin;
mod announce;
pub mod belt;
mod boot;
mod candidacy;
mod checks;
mod choose;
pub mod complaints;
pub mod config;
pub mod decide;
pub mod disk;
pub mod glob;
mod holders;
pub mod holding;
pub mod home;
pub mod impossible;
pub mod includes;
pub mod keep;
pub mod launch;
pub mod lease;
pub mod member;
mod moves;
mod node;
pub mod node_id;
pub mod observe;
mod outrun;
pub mod own_paths;
pub mod pulse;
mod refusal;
pub mod rehearsal;
pub mod render;
pub mod run;
pub mod salvage;
mod serve;
mod settlements;
mod started;
mod succession;
pub mod template;
mod tend;
pub mod traffic;
pub mod users;
pub mod view;
mod vigil;
pub mod workdir;

use topology::arguments;
