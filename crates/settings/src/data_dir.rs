//! `DATA_DIR`: where generated files and the data set live. Proven writable by writing, as permissions, read-only mounts
//! and full disks cannot be told from a mode.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::vars;

/// Where container images keep data.
const CONTAINER: &str = "/data";

/// Reads `DATA_DIR`, and proves that files can be made in it. A directory that is missing is made once all other settings
/// have turned out to be good.
pub fn data_dir(reader: &mut Reader<'_>) -> Outcome<PathBuf> {
    let (name, path) = match reader.path(&vars::DATA_DIR)? {
        Some(given) => given,
        None => (vars::DATA_DIR.name.to_owned(), usual(reader)?),
    };
    let refused = |name: String, path: &Path, error: &io::Error| {
        let wrong = format!(
            "is not a writable directory ({error}); make it writable for this user, or set DATA_DIR, for example {}",
            vars::DATA_DIR.example
        );
        Problem::with_value(name, &path.to_string_lossy(), wrong)
    };
    if let Err(error) = prove(there(&path)) {
        return Err(reader.problem(refused(name, &path, &error)));
    }
    reader.holds(&vars::DATA_DIR, Some(path.display()));
    let wanted = path.clone();
    reader.afterwards(move || {
        let made = make(&wanted).and_then(|()| prove(&wanted));
        made.map_err(|error| refused(name, &wanted, &error))
    });
    Ok(path)
}

/// The directory itself, or that in which it would be made.
fn there(path: &Path) -> &Path {
    let is_there = |path: &&Path| fs::symlink_metadata(path).is_ok();
    path.ancestors().find(is_there).unwrap_or(path)
}

fn usual(reader: &mut Reader<'_>) -> Outcome<PathBuf> {
    if Path::new(CONTAINER).is_dir() {
        return Ok(PathBuf::from(CONTAINER));
    }
    std::env::current_dir().map_err(|error| {
        let wrong =
            format!("is not set, and the working directory is unusable ({error}); set it, for example /data");
        reader.problem(Problem::new(vars::DATA_DIR.name, wrong))
    })
}

/// Makes a file there and takes it away again.
fn prove(path: &Path) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let probe = path.join(format!(".writable-{}-{}", std::process::id(), now.as_nanos()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|mut file| file.write_all(b"x").and_then(|()| file.sync_all()));
    let removed = fs::remove_file(&probe);
    written.and(removed)
}

/// What is generated there may hold passwords: a directory of our making is for its owner only.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another program of the group may have made it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}
