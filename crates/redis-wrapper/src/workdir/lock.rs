//! One lock file: taking it, and the note in it of whose it was last.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::{WorkDirError, system};

/// Notes in the lock file whose it is.
pub(super) fn own(lock: &File, port: u16) -> std::io::Result<()> {
    let text = format!("port {port}\n");
    lock.write_all_at(text.as_bytes(), 0)?;
    lock.set_len(text.len() as u64)
}

pub(super) fn last_port(path: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(path).ok()?;
    text.strip_prefix("port ")?.trim_end().parse().ok()
}

fn open(path: &Path) -> Result<File, WorkDirError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(system("open", path))
}

/// The lock file, held; as an error the one that somebody else holds.
pub(super) fn lock(path: &Path) -> Result<Result<File, File>, WorkDirError> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Ok(file)),
        Err(TryLockError::WouldBlock) => Ok(Err(file)),
        Err(TryLockError::Error(source)) => Err(system("lock", path)(source)),
    }
}
