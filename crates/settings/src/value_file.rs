//! A value in a file of its own (`X_FILE`), as container platforms hand secrets over.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A password file of more than this is none.
const MAX_FILE: u64 = 64 * 1024;

/// The file's content less one newline at its end, or what is wrong with the file.
pub(crate) fn first_line(file: &Path) -> Result<String, String> {
    let text = read_bounded(file).map_err(|error| format!("cannot be read ({error})"))?;
    let text = String::from_utf8(text).map_err(|_| "holds no valid UTF-8".to_owned())?;
    // One newline is what editors and `echo` add; any other belongs to the value.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        // Who names a file expects a password in it: to run without one would be a surprise.
        return Err("is empty".to_owned());
    }
    Ok(text.to_owned())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("larger than 64 KiB"));
    }
    Ok(bytes)
}
