//! Everything about being a process and having a child. Knows nothing of Redis.
//!
//! The only crate that signals, waits for processes, or knows what being PID 1 means. Order of use in a program:
//!
//! 1. [`logging::init`] and [`drop_privileges`], still single threaded;
//! 2. [`start_process`];
//! 3. in the runtime, before any child: [`Stop::on_signals`] (PID 1 has no default signal actions) and [`Children::start`];
//! 4. [`Children::spawn`], then `select!` between [`Child::exited`] and the stop token;
//! 5. [`Child::stop`], [`Tasks::shutdown`], and the [`Exit`] as the value of `main`.
//!
//! Nothing here reads the environment; values arrive as arguments.

mod boot_time;
mod child;
mod children;
mod exit;
mod group;
mod lifecycle;
pub mod logging;
mod notify;
mod process;
mod run_as;
mod stop;
mod sys;
mod tasks;

pub use boot_time::BootTime;
pub use child::{Child, ChildCommand, ChildExit, DeathSignal, Forks, Output, SpawnError};
pub use children::Children;
pub use exit::Exit;
pub use group::kill_group;
pub use lifecycle::{Action, Event, Grace, State};
pub use logging::LogFormat;
pub use notify::{Notifier, NotifyError};
pub use process::{leave_session, start_process};
pub use run_as::{
    Below, ChownError, Name, OwnPath, RunAs, RunAsError, become_owner_of, drop_privileges, may_run,
};
pub use stop::Stop;
pub use tasks::{Ending, Failure, Tasks};
