//! What wrappers of other ports have left beside ours.
//!
//! Where a scheduler gives every start another port, each leaves a private directory, and in it a file that may hold
//! passwords. The newest few stay, since wrappers that share DATA_DIR and keep their ports are started one after the other.
//!
//! Never data: a directory that is or was anybody's home has a lock of that, and stays, as does one that holds anything at
//! all beside the generated file.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::WRAPPER_LOCK;

/// How many stay.
const KEPT: usize = 8;
const FILE: &str = "redis.conf";
const UNFINISHED: &str = "redis.conf.new";

/// A directory whose wrapper is gone, and its lock, ours as long as this lives.
struct Stale {
    dir: PathBuf,
    written: SystemTime,
    files: Vec<PathBuf>,
    _lock: File,
}

/// Removes all but the newest, and returns how many. What cannot be read or removed is passed over. `spared` is the port
/// whose data set `root` was last.
pub(super) fn clear_up(root: &Path, own: &Path, spared: Option<u16>) -> usize {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let others = entries.map(|entry| entry.path()).filter(|dir| {
        let port = port(dir);
        *dir != own && port.is_some() && port != spared
    });
    let mut stale: Vec<Stale> = others.filter_map(stale).collect();
    stale.sort_by_key(|stale| std::cmp::Reverse(stale.written));
    let surplus = stale.iter().skip(KEPT);
    surplus.filter(|stale| remove(stale).is_ok()).count()
}

fn port(dir: &Path) -> Option<u16> {
    let name = dir.file_name().and_then(OsStr::to_str)?;
    name.strip_prefix("redis-")?.parse().ok()
}

fn stale(dir: PathBuf) -> Option<Stale> {
    let lock = OpenOptions::new().write(true).open(dir.join(WRAPPER_LOCK)).ok()?;
    lock.try_lock().ok()?;
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir).ok()? {
        let entry = entry.ok()?;
        let (name, kind) = (entry.file_name(), entry.file_type().ok()?);
        if name == WRAPPER_LOCK {
            continue;
        }
        if !kind.is_file() || (name != FILE && name != UNFINISHED) {
            return None;
        }
        files.push(entry.path());
    }
    let written = fs::metadata(dir.join(FILE)).and_then(|file| file.modified());
    Some(Stale {
        written: written.ok()?,
        dir,
        files,
        _lock: lock,
    })
}

/// The lock goes last: who has opened it meanwhile finds that it is not there any more, and makes another.
fn remove(stale: &Stale) -> io::Result<()> {
    for file in &stale.files {
        fs::remove_file(file)?;
    }
    fs::remove_file(stale.dir.join(WRAPPER_LOCK))?;
    fs::remove_dir(&stale.dir)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::workdir::{DATA_LOCK, own_directory};

    /// A directory of this port as a wrapper that is gone leaves it; older ones have higher ports.
    fn leave(root: &Path, port: u16) -> PathBuf {
        let dir = own_directory(root, port);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(WRAPPER_LOCK), "").unwrap();
        fs::write(dir.join(FILE), "port 1\n").unwrap();
        let file = File::options().write(true).open(dir.join(FILE)).unwrap();
        let age = Duration::from_secs(u64::from(port));
        file.set_modified(SystemTime::now() - age).unwrap();
        dir
    }

    #[test]
    fn the_newest_stay() {
        let root = tempfile::tempdir().unwrap();
        let own = leave(root.path(), 1000);
        let spared = leave(root.path(), 1001);
        let newest: Vec<PathBuf> = (1..=8).map(|port| leave(root.path(), port)).collect();
        let older = [leave(root.path(), 20), leave(root.path(), 21)];
        fs::write(older[0].join(UNFINISHED), "").unwrap();
        assert_eq!(clear_up(root.path(), &own, Some(1001)), 2);
        assert!(newest.iter().chain([&own, &spared]).all(|dir| dir.exists()));
        assert!(older.iter().all(|dir| !dir.exists()));
        assert_eq!(clear_up(root.path(), &own, Some(1001)), 0);
    }

    #[test]
    fn data_and_whatever_is_in_use_or_not_ours_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        for port in 1..=8 {
            leave(root.path(), port);
        }
        let alive = leave(root.path(), 30);
        let held = File::options()
            .write(true)
            .open(alive.join(WRAPPER_LOCK))
            .unwrap();
        held.try_lock().unwrap();
        let mut kept = vec![alive];
        for (port, name) in [
            (31, DATA_LOCK),
            (32, "dump.rdb"),
            (33, "appendonly.aof"),
            (34, "nodes.conf"),
            (35, "temp-12.rdb"),
        ] {
            let dir = leave(root.path(), port);
            fs::write(dir.join(name), "").unwrap();
            kept.push(dir);
        }
        for (port, name) in [(40, "appendonlydir"), (41, "salvage")] {
            let dir = leave(root.path(), port);
            fs::create_dir(dir.join(name)).unwrap();
            kept.push(dir);
        }
        let unlocked = leave(root.path(), 42);
        fs::remove_file(unlocked.join(WRAPPER_LOCK)).unwrap();
        let linked = leave(root.path(), 43);
        fs::remove_file(linked.join(FILE)).unwrap();
        std::os::unix::fs::symlink("/dev/null", linked.join(FILE)).unwrap();
        let named = root.path().join("redis-backup");
        fs::rename(leave(root.path(), 44), &named).unwrap();
        kept.extend([unlocked, linked, named]);
        let own = own_directory(root.path(), 1000);
        assert_eq!(clear_up(root.path(), &own, None), 0);
        for dir in kept {
            assert!(fs::symlink_metadata(dir.join(FILE)).is_ok(), "{}", dir.display());
        }
    }
}
