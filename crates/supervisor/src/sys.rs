//! The few calls that Rust cannot check: what a child does between fork and exec, being another user in one thread, and
//! looking at an ended child without reaping it. All `unsafe` of the project is here.
//!
//! `libc::waitid` is called directly, since nix refuses the status of a child that a real-time signal ended, and would
//! leave it unreaped for ever.

#![expect(
    unsafe_code,
    reason = "pre_exec, signal dispositions, one thread's user and waitid with WNOWAIT have no safe form in std or nix"
)]

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, getpid, getppid};

use crate::child::{ChildExit, DeathSignal};

/// Makes `command` start as the leader of its own process group, with default signal actions, nothing blocked, these
/// files open, and a kernel that ends it with its parent.
pub(crate) fn prepare(command: &mut Command, on_parent_death: DeathSignal, inherits: &[Arc<File>]) {
    let parent = getpid();
    let death = match on_parent_death {
        DeathSignal::Kill => Signal::SIGKILL,
        DeathSignal::Terminate => Signal::SIGTERM,
    };
    command.process_group(0);
    let inherits = inherits.to_vec();
    let between_fork_and_exec = move || {
        default_signals();
        for file in &inherits {
            // Rust opens every file so that exec closes it.
            fcntl(file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        prctl::set_pdeathsig(death)?;
        // A parent that died before the line above will never send the signal.
        if getppid() != parent {
            return Err(io::Error::from(Errno::ESRCH));
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only: no allocation, no lock, nothing that another thread may hold.
    unsafe { command.pre_exec(between_fork_and_exec) };
}

/// Ignored signals (nohup) and blocked ones survive exec; a child must not inherit our habits.
fn default_signals() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL names no function. KILL, STOP and libc's own two answer EINVAL, which is right.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // Cannot fail for a valid set.
    let _ = SigSet::empty().thread_set_mask();
}

/// Makes this thread, and no other, a user's for as long as it lives. (libc's own functions change every thread.)
pub(crate) fn become_in_this_thread(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    let done = |answer: libc::c_long| {
        if answer == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: the kernel reads as many numbers as it is told that there are, and writes nothing.
    done(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    // SAFETY: numbers only.
    done(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: numbers only.
    done(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// A child that has ended and is not reaped yet. It stays a zombie, so its id still means it and nobody else.
pub(crate) fn peek_ended() -> Option<(Pid, ChildExit)> {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
}

/// Reaps a child that [`peek_ended`] found.
pub(crate) fn reap(pid: Pid) {
    let _ = wait(
        libc::P_PID,
        pid.as_raw().unsigned_abs(),
        libc::WEXITED | libc::WNOHANG,
    );
}

fn wait(kind: libc::idtype_t, id: libc::id_t, options: libc::c_int) -> Option<(Pid, ChildExit)> {
    loop {
        // SAFETY: a siginfo of zeros is a valid one, and waitid writes into nothing else.
        let (answer, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::waitid(kind, id, &raw mut info, options), info)
        };
        if answer == -1 {
            if Errno::last() == Errno::EINTR {
                continue;
            }
            return None; // ECHILD: no children at all
        }
        // SAFETY: waitid succeeded, so the fields of a SIGCHLD are filled in, or all is zero and nobody has ended.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return None;
        }
        let exit = if info.si_code == libc::CLD_EXITED {
            ChildExit::Code(status)
        } else {
            ChildExit::Signal(status)
        };
        return Some((Pid::from_raw(pid), exit));
    }
}
