//! What a process that will have children does first.

use std::io;

use nix::sys::prctl;

/// Makes this process the one that orphans fall to, unless it is PID 1, which is that already. Call it before threads
/// are started.
///
/// A child's forks would otherwise fall to whoever is above us, and outlive us unseen.
pub fn start_process() -> io::Result<()> {
    if std::process::id() != 1 {
        prctl::set_child_subreaper(true)?;
    }
    Ok(())
}
