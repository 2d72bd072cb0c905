//! What a process that will have children does first.

use std::io;

use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};

/// Makes this process the one that orphans fall to, unless it is PID 1, which is that already. Call it before threads
/// are started.
///
/// A child's forks would otherwise fall to whoever is above us, and outlive us unseen.
///
/// Files made from here on are this user's alone: servers rewrite their configuration, passwords included, as new files.
pub fn start_process() -> io::Result<()> {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    if std::process::id() != 1 {
        prctl::set_child_subreaper(true)?;
    }
    Ok(())
}

/// Leaves the session and the process group of whoever started this process, so that what is sent to those does not reach it. One that leads a
/// group already stays in it.
pub fn leave_session() {
    let _ = nix::unistd::setsid();
}
