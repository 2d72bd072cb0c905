//! Starts one redis-server in the right role and stays with it.
//!
//! The rooms: [`config`] reads the settings, [`observe`] reads the world into a [`view::View`], [`decide`] chooses the role
//! at the start and [`keep`] what to correct later (both pure, with the reason in the answer), [`act`] writes, `choose` goes round these until there is a role, [`run`] is
//! the order of things from the first line to the exit code. Losing ZooKeeper never stops the Redis.

pub mod act;
pub mod admin;
mod choose;
pub mod config;
pub mod decide;
pub mod keep;
pub mod launch;
pub mod member;
pub mod observe;
pub mod promote;
pub mod render;
pub mod run;
pub mod template;
mod tend;
pub mod view;
pub mod workdir;
