//! The directories a wrapper works in: the data set's, and a private one for generated files.
//!
//! Two redis-servers in one directory destroy each other's append-only file. A lock file, held as long as the process
//! lives, keeps a second wrapper out; it then uses a directory of its own below, and says so.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where data and generated files are. Dropping it lets others in.
#[derive(Debug)]
pub struct WorkDir {
    /// Directory of the data set.
    pub data: PathBuf,
    /// Private directory (mode 0700) of the generated configuration.
    pub private: PathBuf,
    /// Why `data` is not the directory asked for, if it is not.
    pub moved: Option<String>,
    _lock: File,
}

/// A directory or file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorkDirError {
    /// The system refused.
    #[error("cannot {verb} {path}; DATA_DIR must be writable for this user")]
    System {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// Both the directory and the one below it are used by others.
    #[error("{0} is used by another redis-wrapper; give each its own DATA_DIR")]
    InUse(PathBuf),
}

fn system(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> WorkDirError {
    let path = path.to_owned();
    move |source| WorkDirError::System { verb, path, source }
}

impl WorkDir {
    /// Takes `data_dir`, or a directory of this port below it when another wrapper has it.
    pub fn take(data_dir: &Path, port: u16) -> Result<Self, WorkDirError> {
        let own = data_dir.join(format!("redis-{port}"));
        let held = if has_data(&own) { None } else { lock(data_dir)? };
        let (data, lock, moved) = if let Some(held) = held {
            (data_dir.to_owned(), held, None)
        } else {
            private_dir(&own)?;
            let held = lock(&own)?.ok_or_else(|| WorkDirError::InUse(own.clone()))?;
            let moved = format!("{} is used by another redis-wrapper", data_dir.display());
            (own.clone(), held, Some(moved))
        };
        private_dir(&own)?;
        let data = data.canonicalize().map_err(system("find", &data))?;
        let private = own.canonicalize().map_err(system("find", &own))?;
        Ok(Self {
            data,
            private,
            moved,
            _lock: lock,
        })
    }

    /// Writes a generated file, readable for us only, whole or not at all.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, WorkDirError> {
        let path = self.private.join(name);
        let unfinished = self.private.join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&unfinished).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(system("write", &unfinished))?;
        std::fs::rename(&unfinished, &path).map_err(system("write", &path))?;
        Ok(path)
    }
}

/// Whether an earlier run kept its data set in this directory.
fn has_data(dir: &Path) -> bool {
    dir.join("appendonlydir").exists() || dir.join("dump.rdb").exists() || dir.join("appendonly.aof").exists()
}

fn private_dir(path: &Path) -> Result<(), WorkDirError> {
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(path)
        .map_err(system("create", path))
}

/// The held lock file of a directory, `None` if somebody else holds it.
fn lock(dir: &Path) -> Result<Option<File>, WorkDirError> {
    std::fs::create_dir_all(dir).map_err(system("create", dir))?;
    let path = dir.join(".redis-wrapper.lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(system("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(system("lock", &path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_wrapper_gets_a_directory_of_its_own_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = WorkDir::take(dir.path(), 1).unwrap();
        assert!(first.moved.is_none());
        let second = WorkDir::take(dir.path(), 2).unwrap();
        assert!(second.moved.is_some() && second.data != first.data);
        std::fs::write(second.data.join("dump.rdb"), "x").unwrap();
        drop((first, second));
        assert!(
            WorkDir::take(dir.path(), 2).unwrap().data.ends_with("redis-2"),
            "its data is there"
        );
        let again = WorkDir::take(dir.path(), 2).unwrap();
        assert!(matches!(
            WorkDir::take(dir.path(), 2),
            Err(WorkDirError::InUse(_))
        ));
        drop(again);
    }

    #[test]
    fn generated_files_are_private_and_whole() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let work = WorkDir::take(dir.path(), 1).unwrap();
        let path = work.write("redis.conf", "port 1\n").unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            std::fs::metadata(&work.private).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), "port 1\n");
    }
}
