//! Handing a directory and all it holds over to a user.
//!
//! Root walks through directories that somebody else may be changing at that moment, so every step is relative to an open
//! directory and never through a link: a path looked up twice may name two files.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{Gid, Uid, fchownat};

/// Directories of the system: handing one over would break the machine or open it.
const SYSTEM: [&str; 19] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc",
    "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var",
];

/// Deeper than any of ours; each level holds an open directory.
const DEEPEST: usize = 64;

/// Why a path could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum ChownError {
    /// One of the system's own.
    #[error("`{path}` belongs to the system; give the program a directory of its own, for example /data")]
    System {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error(
        "the owner of `{path}` cannot be changed; change it from outside, or give the container the capability CHOWN"
    )]
    Refused {
        /// The path.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A file that is somewhere else too.
    #[error("`{path}` has other names (hard links), so it may be somebody else's; change its owner by hand")]
    Linked {
        /// The path.
        path: PathBuf,
    },
    /// Too many levels.
    #[error("`{path}` lies more than {DEEPEST} levels deep; is this the program's own directory?")]
    TooDeep {
        /// The path.
        path: PathBuf,
    },
}

/// Hands `path` and everything below it over. A path that is not there is none of our worries.
pub(crate) fn hand_over(path: &Path, uid: Uid, gid: Gid) -> Result<(), ChownError> {
    let refused = |source| ChownError::Refused {
        path: path.to_owned(),
        source,
    };
    // The operator may have linked the directory itself elsewhere; what counts is where it leads.
    let real = match std::fs::canonicalize(path) {
        Ok(real) => real,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(refused(source)),
    };
    if SYSTEM.iter().any(|system| real == Path::new(system)) {
        return Err(ChownError::System { path: real });
    }
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(ChownError::System { path: real });
    };
    let parent_dir = Dir::open(parent, DIRECTORY, Mode::empty()).map_err(|errno| refused(errno.into()))?;
    let name = std::ffi::CString::new(name.as_bytes()).map_err(|nul| refused(nul.into()))?;
    Walk { uid, gid }.entry(&parent_dir, parent, &name, 0)
}

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

struct Walk {
    uid: Uid,
    gid: Gid,
}

impl Walk {
    fn entry(&self, parent: &Dir, parent_path: &Path, name: &CStr, depth: usize) -> Result<(), ChownError> {
        let path = parent_path.join(OsStr::from_bytes(name.to_bytes()));
        let refused = |errno: Errno| ChownError::Refused {
            path: path.clone(),
            source: errno.into(),
        };
        let found = match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            // Whoever removed it in between needs no new owner.
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(refused(errno)),
        };
        let is_directory = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR;
        if is_directory {
            if depth == DEEPEST {
                return Err(ChownError::TooDeep { path });
            }
            let mut dir = Dir::openat(parent, name, DIRECTORY, Mode::empty()).map_err(refused)?;
            self.below(&mut dir, &path, depth)?;
        }
        if found.st_uid == self.uid.as_raw() && found.st_gid == self.gid.as_raw() {
            return Ok(());
        }
        if !is_directory && found.st_nlink > 1 {
            return Err(ChownError::Linked { path });
        }
        fchownat(
            parent.as_fd(),
            name,
            Some(self.uid),
            Some(self.gid),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .map_err(refused)
    }

    fn below(&self, dir: &mut Dir, path: &Path, depth: usize) -> Result<(), ChownError> {
        let refused = |errno: Errno| ChownError::Refused {
            path: path.to_owned(),
            source: errno.into(),
        };
        let names = dir
            .iter()
            .map(|entry| entry.map(|entry| entry.file_name().to_owned()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(refused)?;
        for name in names {
            if !matches!(name.to_bytes(), b"." | b"..") {
                self.entry(dir, path, &name, depth + 1)?;
            }
        }
        Ok(())
    }
}
