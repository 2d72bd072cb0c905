//! A value in a file of its own (`X_FILE`), as container platforms hand secrets over.
//!
//! A shell hands one over as a pipe, `REDIS_PASSWORD_FILE=<(pass redis)`. Nobody may ever write to a pipe, so it gets a deadline; what is
//! neither a file nor a pipe is not opened at all.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

/// A password file of more than this is none.
const MAX_FILE: u64 = 64 * 1024;
/// A password store may ask its agent first.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file's content less one newline at its end, or what is wrong with the file.
pub(crate) fn first_line(file: &Path) -> Result<String, String> {
    first_line_within(file, PATIENCE)
}

fn first_line_within(file: &Path, patience: Duration) -> Result<String, String> {
    let text = read(file, patience).map_err(|error| format!("cannot be read ({error})"))?;
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

fn read(path: &Path, patience: Duration) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() {
        read_bounded(path)
    } else if kind.is_fifo() {
        read_pipe(path, patience)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Opening a pipe waits for its writer as well, and nothing ends that. So it is done beside; where it takes too long, the program ends with
/// the complaint, and the thread with it.
fn read_pipe(path: &Path, patience: Duration) -> io::Result<Vec<u8>> {
    let (sender, receiver) = channel();
    let path = path.to_owned();
    let reading = std::thread::spawn(move || {
        let _ = sender.send(read_bounded(&path));
    });
    match receiver.recv_timeout(patience) {
        Ok(read) => {
            // Whoever becomes another user after this must have no thread left.
            let _ = reading.join();
            read
        }
        Err(_) => Err(io::Error::other(format!(
            "it is a pipe, and what it holds did not come to its end within {} s; write the value to a regular file",
            patience.as_secs()
        ))),
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("larger than 64 KiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn fifo(dir: &tempfile::TempDir) -> std::path::PathBuf {
        let path = dir.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_a_problem_and_no_hang() {
        let dir = tempfile::tempdir().unwrap();
        let wrong = first_line_within(&fifo(&dir), Duration::from_millis(20)).unwrap_err();
        assert!(
            wrong.contains("it is a pipe") && wrong.contains("regular file"),
            "{wrong}"
        );
    }

    #[test]
    fn a_pipe_that_somebody_writes_to_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(&dir);
        let mut writer = Command::new("sh");
        let writer = writer.args(["-c", "echo s3cret > \"$0\""]).arg(&path).spawn();
        assert_eq!(first_line_within(&path, PATIENCE).as_deref(), Ok("s3cret"));
        assert!(writer.unwrap().wait().unwrap().success());

        // As a shell's `<(...)`: by the number of a descriptor, its writer gone or not.
        let mut echo = Command::new("echo");
        let mut echo = echo.arg("by number").stdout(Stdio::piped()).spawn().unwrap();
        let pipe = std::os::fd::AsRawFd::as_raw_fd(echo.stdout.as_ref().unwrap());
        let path = format!("/dev/fd/{pipe}");
        assert_eq!(
            first_line_within(Path::new(&path), PATIENCE).as_deref(),
            Ok("by number")
        );
        assert!(echo.wait().unwrap().success());
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        for path in ["/dev/zero", "/"] {
            let wrong = first_line(Path::new(path)).unwrap_err();
            assert!(wrong.contains("not a regular file"), "{path}: {wrong}");
        }
    }
}
