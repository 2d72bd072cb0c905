//! What Sentinels of other ports have left in DATA_DIR.
//!
//! Where a scheduler gives every start another port, each start leaves a directory behind, and in it a file that may hold
//! passwords. What those Sentinels knew counts on: whoever takes the run id of one must not vote again where it has voted.
//! Of the directories themselves the newest few stay, since Sentinels that share DATA_DIR and keep their ports are
//! started one after the other, and the first must not clear the others' away.
//!
//! Nothing is touched whose owner lives or that has no lock, nothing of another group, and no file that is not one of ours.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use topology::conf_file::settings;
use topology::{Epoch, MasterName};

use super::{FILE, LOCK, Previous, UNFINISHED};

/// How many stay.
const KEPT: usize = 8;

/// What was found, and what became of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// The highest epoch that any of them knew.
    pub(super) epoch: Epoch,
    /// How many directories are gone now.
    pub(super) removed: usize,
}

/// A directory whose owner is gone, and its lock, ours as long as this lives.
struct Stale {
    dir: PathBuf,
    written: SystemTime,
    epoch: Epoch,
    _lock: File,
}

/// Reads what others left, and removes all but the newest. What cannot be read or removed is passed over.
pub(super) fn clear_up(data_dir: &Path, own: &Path, group: &MasterName) -> Left {
    let entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    let others = entries
        .map(|entry| entry.path())
        .filter(|dir| *dir != own && is_port(dir));
    let mut stale: Vec<Stale> = others.filter_map(|dir| stale(dir, group)).collect();
    stale.sort_by_key(|stale| std::cmp::Reverse(stale.written));
    let surplus = stale.iter().skip(KEPT);
    Left {
        epoch: stale.iter().map(|stale| stale.epoch).max().unwrap_or_default(),
        removed: surplus.filter(|stale| remove(&stale.dir).is_ok()).count(),
    }
}

fn is_port(dir: &Path) -> bool {
    let name = dir.file_name().and_then(OsStr::to_str);
    let port = name.and_then(|name| name.strip_prefix("sentinel-"));
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

fn stale(dir: PathBuf, group: &MasterName) -> Option<Stale> {
    let lock = OpenOptions::new().write(true).open(dir.join(LOCK)).ok()?;
    lock.try_lock().ok()?;
    let file = dir.join(FILE);
    let text = fs::read_to_string(&file).ok()?;
    let of_group = settings(&text).iter().any(|setting| match &setting.values[..] {
        [word, name, ..] => setting.name == "sentinel" && word == "monitor" && name == group.as_str(),
        _ => false,
    });
    of_group.then_some(())?;
    Some(Stale {
        written: fs::metadata(&file).and_then(|file| file.modified()).ok()?,
        epoch: Previous::parse(&text).epoch,
        dir,
        _lock: lock,
    })
}

/// The lock goes last: who waits for it finds that the file it has is not there any more, and makes another.
fn remove(dir: &Path) -> io::Result<()> {
    let mut ours = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if !entry.file_type()?.is_file() || !is_ours(&entry.file_name()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        ours.push(entry.path());
    }
    for file in ours {
        fs::remove_file(file)?;
    }
    fs::remove_file(dir.join(LOCK))?;
    fs::remove_dir(dir)
}

/// Our file, and what is left of a write of it: ours, or Sentinel's (by `mkstemp`; config.c).
fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let suffix = name.strip_prefix(FILE).and_then(|rest| rest.strip_prefix('.'));
    let of_sentinel = suffix
        .is_some_and(|suffix| suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    name == FILE || name == UNFINISHED || of_sentinel
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::private::Private;

    /// A directory of this port as a Sentinel that is gone leaves it; older ones have higher ports.
    fn leave(data: &Path, port: u16, group: &str, epoch: u64) -> PathBuf {
        let dir = Private::path(data, port);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(LOCK), "").unwrap();
        let text = format!("sentinel monitor {group} 10.0.0.1 1 2\nsentinel current-epoch {epoch}\n");
        fs::write(dir.join(FILE), text).unwrap();
        let age = Duration::from_secs(u64::from(port));
        let file = File::options().write(true).open(dir.join(FILE)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        dir
    }

    #[test]
    fn the_newest_stay_and_what_the_others_knew_is_kept() {
        let data = tempfile::TempDir::new().unwrap();
        let own = leave(data.path(), 1000, "master1", 999);
        let newest: Vec<PathBuf> = (1..=8)
            .map(|port| leave(data.path(), port, "master1", 3))
            .collect();
        let older = [(20, 7), (21, 5)].map(|(port, epoch)| leave(data.path(), port, "master1", epoch));
        fs::write(older[0].join("sentinel.conf.xY3z9Q"), "").unwrap();
        let group = "master1".parse().unwrap();
        let left = |epoch, removed| Left {
            epoch: Epoch(epoch),
            removed,
        };
        assert_eq!(clear_up(data.path(), &own, &group), left(7, 2));
        assert!(own.exists() && newest.iter().all(|dir| dir.join(FILE).exists()));
        assert!(older.iter().all(|dir| !dir.exists()));
        assert_eq!(clear_up(data.path(), &own, &group), left(3, 0));
    }

    #[test]
    fn what_is_in_use_or_not_ours_is_left_alone() {
        let data = tempfile::TempDir::new().unwrap();
        for port in 1..=8 {
            leave(data.path(), port, "master1", 1);
        }
        let alive = leave(data.path(), 30, "master1", 50);
        let held = File::options().write(true).open(alive.join(LOCK)).unwrap();
        held.try_lock().unwrap();
        let another = leave(data.path(), 31, "sessions", 50);
        let unlocked = leave(data.path(), 32, "master1", 50);
        fs::remove_file(unlocked.join(LOCK)).unwrap();
        let garbage = leave(data.path(), 33, "master1", 50);
        fs::write(garbage.join(FILE), b"\xff").unwrap();
        let more = leave(data.path(), 34, "master1", 2);
        fs::write(more.join("dump.rdb"), "").unwrap();
        let named = data.path().join("sentinel-backup");
        fs::rename(leave(data.path(), 35, "master1", 50), &named).unwrap();
        let own = Private::path(data.path(), 1000);
        let left = clear_up(data.path(), &own, &"master1".parse().unwrap());
        let nothing = Left {
            epoch: Epoch(2),
            removed: 0,
        };
        assert_eq!(left, nothing);
        for dir in [alive, another, unlocked, garbage, more, named] {
            assert!(dir.join(FILE).exists(), "{}", dir.display());
        }
    }
}
