//! A process group that somebody else waits for: who starts a program with tokio still signals it here.

use std::io;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Ends all of the group that this process leads (SIGKILL). Only for a child of ours that has not been waited for yet: later
/// the number may be another's. For children of [`crate::Children`] there is [`crate::Child::kill`].
pub fn kill_group(leader: u32) -> io::Result<()> {
    let leader = i32::try_from(leader).map_err(io::Error::other)?;
    if leader <= 1 {
        // 0 would be our own group, and 1 everybody's.
        return Err(io::ErrorKind::InvalidInput.into());
    }
    killpg(Pid::from_raw(leader), Signal::SIGKILL).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_ends_himself_or_everybody() {
        for leader in [0, 1, u32::MAX] {
            assert!(kill_group(leader).is_err(), "{leader}");
        }
    }
}
