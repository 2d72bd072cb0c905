//! The private directory of one Sentinel, and the file in it.
//!
//! Sentinel rewrites its file by a temporary one beside it, so it needs the directory, not only the file. Both hold
//! passwords and are for their owner alone. What the last Sentinel here wrote is read once: it names the run id it
//! had and the epochs it knew, and a vote it gave must not be given again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use topology::conf_file::settings;
use topology::{Epoch, RunId};

const FILE: &str = "sentinel.conf";

/// The directory.
#[derive(Debug, Clone)]
pub struct Private {
    dir: PathBuf,
}

/// A file or directory that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}; make DATA_DIR writable for this user", path = path.display())]
pub struct PrivateError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// What the last Sentinel in this directory left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Previous {
    /// Its run id.
    pub id: Option<RunId>,
    /// The highest epoch in its file.
    pub epoch: Epoch,
}

impl Previous {
    /// Reads a file that Sentinel has written. Whatever it does not understand is not there.
    pub fn parse(text: &str) -> Self {
        let mut previous = Self::default();
        for setting in settings(text).iter().filter(|setting| setting.name == "sentinel") {
            let words: Vec<&str> = setting.values.iter().map(String::as_str).collect();
            match words[..] {
                ["myid", id] => previous.id = id.parse().ok(),
                ["current-epoch", epoch] | ["config-epoch" | "leader-epoch", _, epoch] => {
                    previous.epoch = previous.epoch.max(Epoch(epoch.parse().unwrap_or(0)));
                }
                _ => {}
            }
        }
        previous
    }
}

impl Private {
    /// Where it is for a Sentinel on this port.
    pub fn path(data_dir: &Path, port: u16) -> PathBuf {
        data_dir.join(format!("sentinel-{port}"))
    }

    /// Makes the directory, or takes the one that is there, and closes it to others.
    pub fn take(data_dir: &Path, port: u16) -> Result<Self, PrivateError> {
        let dir = Self::path(data_dir, port);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        let closed = made.and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)));
        closed.map_err(|source| PrivateError {
            path: dir.clone(),
            source,
        })?;
        Ok(Self { dir })
    }

    /// Its path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the last Sentinel here left.
    pub fn previous(&self) -> Previous {
        fs::read_to_string(self.dir.join(FILE))
            .map(|text| Previous::parse(&text))
            .unwrap_or_default()
    }

    /// Puts the file in place: whole or not at all, whatever happens in between.
    pub fn write(&self, text: &str) -> Result<PathBuf, PrivateError> {
        let path = self.dir.join(FILE);
        let new = self.dir.join("sentinel.conf.new");
        let write = || {
            if let Err(error) = fs::remove_file(&new)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source| PrivateError {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_for_its_owner_alone_and_replaced_whole() {
        let data = tempfile::TempDir::new().unwrap();
        let private = Private::take(data.path(), 7).unwrap();
        std::fs::write(
            private.dir().join("sentinel.conf.new"),
            "half of an earlier attempt",
        )
        .unwrap();
        private.write("one").unwrap();
        let path = private.write("two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(private.dir())), (0o600, 0o700));
        let error = Private::take(&path, 8).unwrap_err();
        assert!(error.to_string().contains("DATA_DIR"), "{error}");
    }

    #[test]
    fn what_the_last_sentinel_knew_is_read_from_its_file() {
        let id = "ab".repeat(20);
        let text = format!(
            "port 1\nsentinel myid {id}\nsentinel config-epoch master1 4\nsentinel leader-epoch other 9\n\
             sentinel current-epoch 7\nsentinel known-sentinel master1 1.1.1.1 1 {id}\n"
        );
        assert_eq!(
            Previous::parse(&text),
            Previous {
                id: Some(id.parse().unwrap()),
                epoch: Epoch(9)
            }
        );
        assert_eq!(
            Previous::parse("garbage \"\nsentinel myid x\nsentinel current-epoch -1"),
            Previous::default()
        );
    }
}
