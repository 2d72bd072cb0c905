//! The host's files, as far as the settings need them. Nothing is opened that could hang, and nothing is written.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// A configuration or a template of more than this is none.
const MOST: u64 = 4 * 1024 * 1024;

/// The bytes of a regular file. Opening a pipe would wait for its writer.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other("larger than 4 MiB"));
    }
    Ok(bytes)
}

/// Whether a file can be put in the place of this one, which need not exist. redishappy tries it out by writing into the file that
/// HAProxy runs with; its directory's rights say the same.
pub(super) fn can_be_replaced(file: &Path) -> Result<(), String> {
    let dir = file.parent().unwrap_or(Path::new("/"));
    if std::fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err("is no file".to_owned());
    }
    match std::fs::metadata(dir) {
        Ok(found) if !found.is_dir() => {
            return Err(format!("is in {}, which is no directory", dir.display()));
        }
        Ok(_) => {}
        Err(error) => return Err(format!("is in {}, which cannot be read ({error})", dir.display())),
    }
    accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|error| format!("is in {}, where this user may not write ({error})", dir.display()))
}
