//! Who delivers: the one that holds the spool's lock. And how it is told that there is something new.
//!
//! A call puts its event into the spool first and tries the lock after that; who delivers looks once more after it let go. So one of the two
//! sees the event, whatever the order.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Holding it, one may deliver. Let go by dropping it, and by dying.
#[derive(Debug)]
pub struct DrainLock {
    _file: File,
}

impl DrainLock {
    /// The process that holds it, if anybody does. The lock is not tried for that: a call that comes just then would take us for one who delivers.
    pub fn holder(spool: &Path) -> Option<u32> {
        let path = beside(spool, "lock");
        let inode = format!(":{}", std::fs::metadata(&path).ok()?.ino());
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let held = |line: &str| {
            let mut words = line.split_whitespace();
            line.contains(" FLOCK ") && !line.contains("->") && words.any(|word| word.ends_with(&inode))
        };
        let pid = std::fs::read_to_string(path).ok()?;
        locks.lines().any(held).then(|| pid.trim().parse().ok())?
    }
}

/// What one that delivers is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// There is something new.
    New,
    /// Try everything now, whatever failed just before.
    Now,
}

impl DrainLock {
    /// The lock, or none if somebody holds it.
    pub fn try_take(spool: &Path) -> std::io::Result<Option<Self>> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(spool, "lock"))?;
        match file.try_lock() {
            Ok(()) => {
                // For people only: what counts is the lock.
                let _ = file.set_len(0);
                let _ = write!(file, "{}", std::process::id());
                Ok(Some(Self { _file: file }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Tells whoever delivers. Nobody may be there, and a full queue says the same already.
pub fn nudge(spool: &Path, nudge: Nudge) {
    let word: &[u8] = match nudge {
        Nudge::New => b"new",
        Nudge::Now => b"now",
    };
    if let Ok(socket) = UnixDatagram::unbound()
        && socket.set_nonblocking(true).is_ok()
    {
        let _ = socket.send_to(word, beside(spool, "wake"));
    }
}

/// Where nudges arrive. Only the lock's holder listens.
#[derive(Debug)]
pub struct Nudged(Option<tokio::net::UnixDatagram>);

impl Nudged {
    /// Listens. Where no socket can be (its path may be too long), nothing is heard, and the caller looks every now and then anyway.
    pub fn listen(spool: &Path, _lock: &DrainLock) -> Self {
        let path = beside(spool, "wake");
        let _ = std::fs::remove_file(&path);
        Self(tokio::net::UnixDatagram::bind(&path).ok())
    }

    /// Waits for a nudge.
    pub async fn next(&self) -> Nudge {
        let mut word = [0_u8; 8];
        let Some(socket) = &self.0 else {
            return std::future::pending().await;
        };
        match socket.recv(&mut word).await {
            Ok(3) if word.starts_with(b"now") => Nudge::Now,
            Ok(_) => Nudge::New,
            Err(_) => std::future::pending().await,
        }
    }
}

fn beside(spool: &Path, ending: &str) -> PathBuf {
    spool.with_extension(ending)
}
