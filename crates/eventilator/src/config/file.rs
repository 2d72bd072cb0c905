//! The file: found, and read whole. A problem tells where it is, and never what is there: that may be a secret.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::source::Source;
use crate::mode::Mode;

/// Nobody wants a file of this size.
const LARGEST: u64 = 1024 * 1024;

/// The table in `file`, or in the first of the usual places where there is one; and which that is. None is no problem.
pub(super) fn load(
    mode: Mode,
    file: Option<&Path>,
    source: &mut Source<'_>,
) -> (toml::Table, Option<PathBuf>) {
    // By a variable, or by flag; a call has no flags.
    let named = file.map(Path::to_owned).or_else(|| source.file());
    let candidates = match &named {
        Some(file) => vec![file.clone()],
        None => mode.files(),
    };
    for path in candidates {
        match text(&path) {
            Ok(text) => return (table(&text, &mut source.problems), Some(path)),
            Err(error) if is_missing(&error) && named.is_none() => {}
            // Without it nothing would be delivered to anybody, and the events be gone. So Sentinel keeps them, and calls again.
            Err(error) => {
                source.problems.push(format!("it cannot be read: {error}"));
                return (toml::Table::new(), Some(path));
            }
        }
    }
    (toml::Table::new(), None)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What is in a file, if that is text, and no more than anybody would write.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
        io::Error::new(ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
    })
}

fn table(text: &str, problems: &mut Vec<String>) -> toml::Table {
    text.parse().unwrap_or_else(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = line_of(text.as_bytes(), at);
        problems.push(format!("line {line} is no TOML: {}", error.message()));
        toml::Table::new()
    })
}

fn line_of(text: &[u8], at: usize) -> usize {
    let before = &text[..at.min(text.len())];
    before.split(|byte| *byte == b'\n').count()
}

/// Whether everybody may read it.
pub(super) fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
}
