//! The conversation with systemd: ready, what I am doing, stopping, still alive.
//!
//! One datagram per sentence to the socket that `NOTIFY_SOCKET` names. Without one every call does nothing, so callers do
//! not ask whether systemd is there. A sentence that does not arrive is logged once and never a reason to fail.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// By how much a wait extends the time to start in. What is said once may get lost.
const EXTEND_BY: Duration = Duration::from_secs(30);
const EXTEND_EVERY: Duration = Duration::from_secs(5);

/// Why systemd cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The socket's name is none.
    #[error(
        "NOTIFY_SOCKET: `{value}` is neither an absolute path nor an abstract name with @; leave it to systemd"
    )]
    Address {
        /// As it was given.
        value: String,
    },
    /// No socket to send from.
    #[error("no socket to notify systemd with could be opened")]
    Socket(#[source] io::Error),
}

/// Tells systemd how the program is. Clones share the socket.
#[derive(Clone, Default)]
pub struct Notifier {
    line: Option<Arc<Line>>,
    watchdog: Option<Duration>,
}

struct Line {
    socket: UnixDatagram,
    peer: SocketAddr,
    failed: AtomicBool,
}

impl Notifier {
    /// A notifier from the values of `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; unset or empty means no systemd.
    /// A watchdog meant for another process is not ours to feed.
    pub fn new(
        notify_socket: Option<&OsStr>,
        watchdog_usec: Option<&str>,
        watchdog_pid: Option<&str>,
    ) -> Result<Self, NotifyError> {
        let Some(name) = notify_socket.filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let wrong = || NotifyError::Address {
            value: name.to_string_lossy().into_owned(),
        };
        let peer = match name.as_bytes() {
            [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(name),
            _ => return Err(wrong()),
        }
        .map_err(|_| wrong())?;
        let socket = UnixDatagram::unbound().map_err(NotifyError::Socket)?;
        // A systemd that does not read must not stop us.
        socket.set_nonblocking(true).map_err(NotifyError::Socket)?;
        let line = Line {
            socket,
            peer,
            failed: AtomicBool::new(false),
        };
        Ok(Self {
            line: Some(Arc::new(line)),
            watchdog: watchdog(watchdog_usec, watchdog_pid),
        })
    }

    /// The program does its work now.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// What the program is doing, in one line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.send(&format!("STATUS={}", text.replace(['\n', '\r'], " ")));
    }

    /// The program is ending.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Starting or stopping takes longer: at most this much from now.
    pub fn extend_timeout(&self, by: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
    }

    /// Waits for `work` before the program is ready, for as long as it takes: systemd would end it after its
    /// TimeoutStartSec, and start it again for the same wait. A program that hangs goes on saying nothing.
    pub async fn waiting<T>(&self, work: impl Future<Output = T>) -> T {
        if self.line.is_none() {
            return work.await;
        }
        let mut again = tokio::time::interval(EXTEND_EVERY);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = again.tick() => self.extend_timeout(EXTEND_BY),
            }
        }
    }

    /// The program is alive. Say so only from the loop whose progress means that it is.
    pub fn watchdog(&self) {
        if self.watchdog.is_some() {
            self.send("WATCHDOG=1");
        }
    }

    /// How often [`Notifier::watchdog`] is to be called: half of what systemd allows. `None`: no watchdog.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|allowed| allowed / 2)
    }

    fn send(&self, sentence: &str) {
        let Some(line) = &self.line else { return };
        match line.socket.send_to_addr(sentence.as_bytes(), &line.peer) {
            Ok(_) => line.failed.store(false, Ordering::Relaxed),
            Err(reason) => {
                if !line.failed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%reason, "systemd could not be notified");
                }
            }
        }
    }
}

fn watchdog(usec: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let usec = usec?.trim().parse::<u64>().ok().filter(|usec| *usec > 0)?;
    let ours = match pid.map(str::trim).filter(|pid| !pid.is_empty()) {
        None => true,
        Some(pid) => pid.parse::<u32>().is_ok_and(|pid| pid == std::process::id()),
    };
    ours.then(|| Duration::from_micros(usec))
}

#[cfg(test)]
mod tests;
