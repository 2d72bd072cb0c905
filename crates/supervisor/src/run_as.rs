//! From root to a user who may do little.
//!
//! Marathon's sandboxes and volumes belong to root, and its container runtimes may ignore the image's user, so a program
//! that should not run as root has to be started as root, hand its directories over and step down by itself. It must do
//! so before it has threads: the user is a property of each thread.

use std::ffi::CString;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use nix::errno::Errno;
use nix::unistd::{
    AccessFlags, Gid, Group, Uid, User, access, geteuid, getgrouplist, getuid, initgroups, setgid, setgroups,
    setuid,
};

use crate::sys;

mod chown;

pub use chown::{Below, ChownError, Name, OwnPath};

/// The user and group to run as: `user`, `user:group`, `uid` or `uid:gid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The user's name, where it has one: then its other groups are taken along.
    pub name: Option<String>,
}

/// Why the program cannot run as that user.
#[derive(Debug, thiserror::Error)]
pub enum RunAsError {
    /// Not in the form of a user.
    #[error("`{0}` is not a user; write user, user:group or uid:gid, for example redis or 999:999")]
    Shape(String),
    /// No such user here.
    #[error("there is no user `{0}` here; create it, or write its number, for example 999:999")]
    NoUser(String),
    /// No such group here.
    #[error("there is no group `{0}` here; create it, or write its number, for example 999:999")]
    NoGroup(String),
    /// A bare number that nobody here has.
    #[error("user {0} has no entry here that names its group; write both numbers, for example {0}:{0}")]
    NoPrimaryGroup(u32),
    /// Somebody else already.
    #[error(
        "cannot become `{wanted}`: the program runs as user {current}, not as root; start it as root or as that user"
    )]
    NotRoot {
        /// Who it should be.
        wanted: RunAs,
        /// Who it is.
        current: u32,
    },
    /// The list of users could not be read.
    #[error(
        "the users of this system could not be looked up to find `{asked}`; write numbers, for example 999:999"
    )]
    Lookup {
        /// As it was given.
        asked: String,
        /// What the operating system said.
        #[source]
        source: Errno,
    },
    /// A directory could not be handed over.
    #[error("cannot hand the program's own files over to `{wanted}`")]
    HandOver {
        /// Who should get it.
        wanted: RunAs,
        /// What is wrong.
        #[source]
        source: ChownError,
    },
    /// The kernel refused.
    #[error(
        "cannot become `{wanted}` ({step} was refused); give the container the capabilities SETUID and SETGID, or start the program as that user"
    )]
    Refused {
        /// Who it should be.
        wanted: RunAs,
        /// The call that failed.
        step: &'static str,
        /// What the operating system said.
        #[source]
        source: Errno,
    },
    /// It worked, and yet root can be had back.
    #[error("became `{wanted}` but can still become root; refusing to go on")]
    NotDropped {
        /// Who it should be.
        wanted: RunAs,
    },
}

impl RunAs {
    /// Whether the program may become this user, or is it already.
    pub fn check(&self) -> Result<(), RunAsError> {
        if self.is_current() || geteuid().is_root() {
            return Ok(());
        }
        Err(RunAsError::NotRoot {
            wanted: self.clone(),
            current: geteuid().as_raw(),
        })
    }

    /// Whether this user can open a file for reading: tried, as no mode tells it all. Everybody else is asked by the open
    /// that follows, so where the program is not root, or that user already, this says yes.
    pub fn reads(&self, file: &Path) -> io::Result<()> {
        if self.is_current() || !geteuid().is_root() {
            return Ok(());
        }
        self.tries(file, |file| File::open(file).map(drop))
    }

    /// Whether this user may run a file. Where the program is not root, or that user already, it is asked as who it is.
    pub fn runs(&self, file: &Path) -> io::Result<()> {
        if self.is_current() || !geteuid().is_root() {
            return may_run(file);
        }
        self.tries(file, may_run)
    }

    fn tries(&self, file: &Path, attempt: fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let gid = Gid::from_raw(self.gid);
        let name = self.name.as_deref().and_then(|name| CString::new(name).ok());
        let groups = match name {
            Some(name) => getgrouplist(&name, gid)?,
            None => vec![gid],
        };
        let groups: Vec<u32> = groups.into_iter().map(Gid::as_raw).collect();
        let (uid, gid, file) = (self.uid, self.gid, file.to_owned());
        // To the kernel a user is a thread's: this one ends as that user, and the program stays who it is.
        let trial = std::thread::spawn(move || {
            sys::become_in_this_thread(uid, gid, &groups)?;
            attempt(&file)
        });
        trial
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the trial failed")))
    }

    fn is_current(&self) -> bool {
        getuid().as_raw() == self.uid && geteuid().as_raw() == self.uid
    }
}

/// Whether this process may run a file: the kernel's word, as a mode tells neither of lists nor of mounts.
pub fn may_run(file: &Path) -> io::Result<()> {
    Ok(access(file, AccessFlags::X_OK)?)
}

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({}:{})", self.uid, self.gid),
            None => write!(f, "{}:{}", self.uid, self.gid),
        }
    }
}

impl FromStr for RunAs {
    type Err = RunAsError;

    fn from_str(text: &str) -> Result<Self, RunAsError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.contains(|c: char| c == ':' || c.is_whitespace())
        };
        if !part(user) || !group.is_none_or(part) {
            return Err(RunAsError::Shape(text.to_owned()));
        }
        let lookup = |source| RunAsError::Lookup {
            asked: text.to_owned(),
            source,
        };

        let number = user.parse::<u32>().ok();
        let entry = match number {
            Some(uid) => User::from_uid(Uid::from_raw(uid)),
            None => User::from_name(user),
        };
        let entry = match entry {
            // A container without a list of users has no names; numbers need none.
            Err(_) if number.is_some() && group.is_some() => None,
            other => other.map_err(lookup)?,
        };
        let uid = match (number, &entry) {
            (Some(uid), _) => uid,
            (None, Some(entry)) => entry.uid.as_raw(),
            (None, None) => return Err(RunAsError::NoUser(user.to_owned())),
        };
        let gid = match (group, &entry) {
            (Some(group), _) => find_group(group)
                .map_err(lookup)?
                .ok_or_else(|| RunAsError::NoGroup(group.to_owned()))?,
            (None, Some(entry)) => entry.gid.as_raw(),
            // The number of root's group, which others assume here, is no group to give away.
            (None, None) => return Err(RunAsError::NoPrimaryGroup(uid)),
        };
        Ok(Self {
            uid,
            gid,
            name: entry.map(|entry| entry.name),
        })
    }
}

/// From root to whoever a directory belongs to, for good: to the owner of `directory`, or where there is none yet, of the nearest one above it that
/// exists. With the owner's groups; one without an entry here gets the directory's group. Says whether it became somebody else; nobody does who is
/// not root, or where the owner is root.
///
/// For a program that several users may start, and whose files all of them share: what root made, the owner could not write. Call it before any file
/// is made, and single threaded.
pub fn become_owner_of(directory: &Path) -> Result<bool, RunAsError> {
    if !geteuid().is_root() {
        return Ok(false);
    }
    let found = directory
        .ancestors()
        .map(|path| {
            if path.as_os_str().is_empty() {
                Path::new(".")
            } else {
                path
            }
        })
        .find_map(|path| std::fs::metadata(path).ok());
    let Some(owner) = found.filter(|found| found.uid() != 0) else {
        return Ok(false);
    };
    // A list of users that cannot be read is as one without this user.
    let entry = User::from_uid(Uid::from_raw(owner.uid())).ok().flatten();
    let run_as = RunAs {
        uid: owner.uid(),
        gid: entry.as_ref().map_or(owner.gid(), |entry| entry.gid.as_raw()),
        name: entry.map(|entry| entry.name),
    };
    drop_privileges(&run_as, &[])?;
    Ok(true)
}

fn find_group(group: &str) -> Result<Option<u32>, Errno> {
    match group.parse::<u32>() {
        Ok(gid) => Ok(Some(gid)),
        Err(_) => Ok(Group::from_name(group)?.map(|group| group.gid.as_raw())),
    }
}

/// Hands `own_paths` over to the user and becomes it, for good. Does nothing when the
/// program is that user already. Call it before the runtime starts.
///
/// Paths that are not there are skipped; symbolic links are not followed below them.
pub fn drop_privileges(run_as: &RunAs, own_paths: &[OwnPath]) -> Result<(), RunAsError> {
    let wanted = || run_as.clone();
    run_as.check()?;
    if run_as.is_current() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(run_as.uid), Gid::from_raw(run_as.gid));
    for path in own_paths {
        chown::hand_over(path, uid, gid).map_err(|source| RunAsError::HandOver {
            wanted: wanted(),
            source,
        })?;
    }

    let refused = |step| {
        move |source| RunAsError::Refused {
            wanted: wanted(),
            step,
            source,
        }
    };
    // Groups first: afterwards there is no right to change them.
    match run_as.name.as_deref().and_then(|name| CString::new(name).ok()) {
        Some(name) => initgroups(&name, gid).map_err(refused("initgroups"))?,
        None => setgroups(&[gid]).map_err(refused("setgroups"))?,
    }
    setgid(gid).map_err(refused("setgid"))?;
    setuid(uid).map_err(refused("setuid"))?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err(RunAsError::NotDropped { wanted: wanted() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
