//! Everything alive in a session, found through `/proc`.
//!
//! A session's id outlives its leader for as long as a member lives, and an orphan keeps it, which no walk from parent to
//! child can offer.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The living members of the session led by `leader`.
pub(super) fn members(leader: Pid) -> Vec<Pid> {
    living(|stat| stat.session == leader.as_raw())
}

/// The living processes whose parent is `parent`, in the order of their ids.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    living(|stat| stat.parent == parent.as_raw())
}

/// Kills every member, and those they start meanwhile, until none is left.
pub(super) fn kill_all(leader: Pid) {
    for _ in 0..500 {
        let members = members(leader);
        if members.is_empty() {
            return;
        }
        for member in members {
            let _ = kill(member, Signal::SIGKILL);
        }
        pause();
    }
    eprintln!("processes of session {leader} survived SIGKILL for 5 s");
}

#[expect(
    clippy::disallowed_methods,
    reason = "Drop cannot await, and a stranger's end cannot be waited for"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

struct Stat {
    parent: i32,
    session: i32,
}

fn living(wanted: impl Fn(&Stat) -> bool) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat_of_living(*pid).is_some_and(|stat| wanted(&stat)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(Pid::from_raw).collect()
}

fn stat_of_living(pid: i32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses that may hold anything, so fields are counted after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(Stat { parent, session })
}
