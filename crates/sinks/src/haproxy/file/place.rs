//! The file on disk: the new one is written whole beside it, and takes its place in one rename.
//!
//! `<output>.before-reload` is the file that HAProxy has read, for as long as a reload is due: it says that one is due, also to whoever
//! starts after a crash, and it is what is put back. Of several files that were put in place without a reload, the first one's
//! predecessor is kept.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What stands in `.before-reload` when there was no file.
const NONE_BEFORE: &[u8] = b"# no file was here before\n";

/// Where the file is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    output: PathBuf,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Staged {
    /// Nothing.
    Same,
    /// The file is right, and HAProxy has not read it.
    NotReloaded,
    /// This is to take its place.
    New(New),
}

/// A new file, beside the old one. Dropping it removes it.
#[derive(Debug)]
pub(super) struct New {
    place: Place,
    path: PathBuf,
}

/// What is kept when a new file takes the old one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The old file, until a reload.
    UntilReloaded,
    /// Nothing: nobody reloads.
    Nothing,
}

/// What was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// The file that was there.
    Old,
    /// There had been none.
    Nothing,
}

impl Place {
    pub(super) fn new(output: PathBuf) -> Self {
        Self { output }
    }

    pub(super) fn output(&self) -> &Path {
        &self.output
    }

    /// Compares, and writes `text` beside the output when it differs. A file that is not there yet gets the template's mode.
    pub(super) fn stage(&self, text: &str, template: &Path) -> Result<Staged, String> {
        let output = self.target();
        let old = match fs::read(&output) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read", &output, &error)),
        };
        let due = beside(&output, "", ".before-reload").exists();
        if old.as_deref() == Some(text.as_bytes()) {
            return Ok(if due { Staged::NotReloaded } else { Staged::Same });
        }
        let new = New {
            place: self.clone(),
            path: beside(&output, ".", ".new"),
        };
        let like = if old.is_some() { output.as_path() } else { template };
        match write(&new.path, text, like, old.is_some()) {
            Ok(()) => Ok(Staged::New(new)),
            Err(error) => Err(failed("write", &new.path, &error)),
        }
    }

    /// HAProxy has read the output.
    pub(super) fn reloaded(&self) -> Result<(), String> {
        let before = beside(&self.target(), "", ".before-reload");
        remove(&before).map_err(|error| failed("remove", &before, &error))
    }

    /// Puts back what HAProxy had read. That a reload is due is kept.
    pub(super) fn put_back(&self) -> Result<Back, String> {
        let output = self.target();
        let before = beside(&output, "", ".before-reload");
        if fs::read(&before).is_ok_and(|text| text == NONE_BEFORE) {
            remove(&output).map_err(|error| failed("remove", &output, &error))?;
            remove(&before).map_err(|error| failed("remove", &before, &error))?;
            return Ok(Back::Nothing);
        }
        let copy = beside(&output, ".", ".back");
        let back = remove(&copy)
            .and_then(|()| link(&before, &copy))
            .and_then(|()| fs::rename(&copy, &output))
            // Of two names of one file, rename leaves both.
            .and_then(|()| remove(&copy))
            .and_then(|()| sync_dir(&output));
        back.map_err(|error| failed("restore", &output, &error))?;
        Ok(Back::Old)
    }

    /// The file itself, where the output is a link to it: the link stays.
    fn target(&self) -> PathBuf {
        fs::canonicalize(&self.output).unwrap_or_else(|_| self.output.clone())
    }
}

impl New {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the old file's place.
    pub(super) fn install(self, keep: Keep) -> Result<(), String> {
        let output = self.place.target();
        let before = beside(&output, "", ".before-reload");
        if keep == Keep::UntilReloaded && !before.exists() {
            set_aside(&output, &before).map_err(|error| failed("keep", &output, &error))?;
        }
        let moved = fs::rename(&self.path, &output).and_then(|()| sync_dir(&output));
        moved.map_err(|error| {
            if error.kind() == io::ErrorKind::ResourceBusy {
                let output = output.display();
                return format!(
                    "{output} is mounted by itself and cannot be replaced; mount its directory instead"
                );
            }
            failed("replace", &output, &error)
        })
    }
}

impl Drop for New {
    fn drop(&mut self) {
        let _ = remove(&self.path);
    }
}

/// A second name for the old file, or a note that there was none; whole or not at all.
fn set_aside(output: &Path, before: &Path) -> io::Result<()> {
    let part = beside(before, ".", ".part");
    remove(&part)?;
    if output.exists() {
        link(output, &part)?;
    } else {
        let mut file = create(&part)?;
        file.write_all(NONE_BEFORE)?;
        file.sync_all()?;
    }
    fs::rename(&part, before)?;
    sync_dir(before)
}

/// A link needs no space; some file systems have none.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

/// A new file with this text, to the disk, with the mode of `like`; with its owner too, where it is the same file made anew.
fn write(path: &Path, text: &str, like: &Path, own: bool) -> io::Result<()> {
    remove(path)?;
    let mut file = create(path)?;
    file.write_all(text.as_bytes())?;
    let like = fs::metadata(like)?;
    let now = file.metadata()?;
    if own && (like.uid(), like.gid()) != (now.uid(), now.gid()) {
        // Before the mode: a change of owner takes some bits away. Who may not give files away leaves it his own, readable as before.
        let _ = fchown(&file, Some(like.uid()), Some(like.gid()));
    }
    file.set_permissions(Permissions::from_mode(like.mode() & 0o777))?;
    file.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

fn sync_dir(file: &Path) -> io::Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

/// A name in the same directory. What begins with a dot is not read where HAProxy reads whole directories.
fn beside(file: &Path, prefix: &str, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(prefix);
    name.push(file.file_name().unwrap_or_default());
    name.push(suffix);
    file.with_file_name(name)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {verb} {}: {error}", path.display())
}

#[cfg(test)]
mod tests;
