//! The one thread that starts processes, and lives as long as the test process.
//!
//! The kernel sends the parent-death signal when the starting *thread* ends, and a test's threads come and go.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid, setsid};

use crate::net::Host;

type Job = (Command, Option<Host>, Sender<io::Result<Child>>);

static SPAWNER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (jobs, inbox) = channel::<Job>();
    thread::Builder::new()
        .name("spawner".to_owned())
        .spawn(move || {
            for (mut command, host, reply) in inbox {
                let _ = reply.send(match host {
                    Some(host) => host.visit(|| command.spawn()),
                    None => command.spawn(),
                });
            }
        })
        .expect("a thread can be started");
    jobs
});

/// Starts `command` as the leader of its own session; it dies with this process.
pub(super) fn spawn(mut command: Command, host: Option<&Host>) -> io::Result<Child> {
    let parent = getpid();
    #[expect(
        unsafe_code,
        reason = "session and parent-death signal are set between fork and exec"
    )]
    // SAFETY: only setsid, prctl and getppid are called, all async-signal-safe; nothing is allocated.
    unsafe {
        command.pre_exec(move || prepare(parent));
    }
    let (reply, answer) = channel();
    SPAWNER
        .send((command, host.cloned(), reply))
        .map_err(|_| io::Error::other("the starting thread is gone"))?;
    answer
        .recv()
        .map_err(|_| io::Error::other("the starting thread is gone"))?
}

fn prepare(parent: Pid) -> io::Result<()> {
    setsid()?;
    set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have died before the signal was asked for.
    if getppid() == parent {
        Ok(())
    } else {
        Err(Errno::ESRCH.into())
    }
}
