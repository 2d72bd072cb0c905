//! Handing a directory over to a user, with all it holds or with what in it is the program's.
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
const SYSTEM: [&str; 28] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/dev/shm",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/local",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/local",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

/// Deeper than any of ours; each level holds an open directory.
const DEEPEST: usize = 64;

/// A path that the user is to own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPath {
    /// The file or directory itself.
    pub path: PathBuf,
    /// What in it.
    pub below: Below,
}

/// What in a directory is the program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Below {
    /// All of it.
    Everything,
    /// Entries of these names, each with everything below it. The rest may be somebody else's.
    Only(Vec<Name>),
}

/// The name of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// This one.
    Exactly(String),
    /// All that begin so.
    Beginning(String),
}

impl Below {
    fn includes(&self, name: &CStr) -> bool {
        let name = name.to_bytes();
        let is = |one: &Name| match one {
            Name::Exactly(exactly) => name == exactly.as_bytes(),
            Name::Beginning(beginning) => name.starts_with(beginning.as_bytes()),
        };
        match self {
            Self::Everything => true,
            Self::Only(names) => names.iter().any(is),
        }
    }
}

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

/// Hands a path over, and what in it is the program's. A path that is not there is none of our worries.
pub(crate) fn hand_over(own: &OwnPath, uid: Uid, gid: Gid) -> Result<(), ChownError> {
    let path = own.path.as_path();
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
    let below = &own.below;
    Walk { uid, gid, below }.entry(&parent_dir, parent, &name, 0)
}

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

struct Walk<'a> {
    uid: Uid,
    gid: Gid,
    below: &'a Below,
}

impl Walk<'_> {
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
            let is_ours = depth > 0 || self.below.includes(&name);
            if is_ours && !matches!(name.to_bytes(), b"." | b"..") {
                self.entry(dir, path, &name, depth + 1)?;
            }
        }
        Ok(())
    }
}
