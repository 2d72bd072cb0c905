//! The identity of a data directory: a uuid in a file beside the data set.
//!
//! A container that moves with its disk keeps it, and one with a new disk is a new node. The file is made whole or not at all,
//! and what somebody else put in its place is left alone.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use uuid::Uuid;

/// Its name in the data directory.
pub const FILE: &str = ".redis-wrapper.node";

/// An identity, and how it was come by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeId {
    /// The identity.
    pub id: Uuid,
    /// Whence.
    pub from: Source,
}

/// How an identity was come by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The directory had it.
    Kept,
    /// The directory had none and got this one.
    Made,
    /// The file was cut off, as a full disk leaves it; replaced.
    Repaired,
    /// The file is somebody else's, or cannot be read or made; the identity lasts as long as this process.
    Passing(String),
}

/// The identity of a directory; made if it has none.
pub fn node_id(dir: &Path) -> NodeId {
    let path = dir.join(FILE);
    let (id, from) = match read(&path) {
        Ok(Some(text)) => match text.trim_end().parse() {
            Ok(id) => (id, Source::Kept),
            Err(_) if is_cut_off(&text) => made(dir, &path, Source::Repaired),
            Err(_) => (
                Uuid::new_v4(),
                Source::Passing("it holds something else".to_owned()),
            ),
        },
        Ok(None) => made(dir, &path, Source::Made),
        Err(error) => (Uuid::new_v4(), Source::Passing(error.to_string())),
    };
    NodeId { id, from }
}

/// `None` if there is no such file. More than an identity is not read.
fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(64).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The beginning of an identity, or nothing.
fn is_cut_off(text: &str) -> bool {
    text.len() < 36
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-' || byte == 0)
}

fn made(dir: &Path, path: &Path, from: Source) -> (Uuid, Source) {
    let id = Uuid::new_v4();
    let unfinished = dir.join(format!("{FILE}.{id}"));
    let written = write(&unfinished, id).and_then(|()| match from {
        // Does not replace what appeared meanwhile.
        Source::Made => fs::hard_link(&unfinished, path).or_else(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                Err(error)
            } else {
                fs::rename(&unfinished, path)
            }
        }),
        Source::Kept | Source::Repaired | Source::Passing(_) => fs::rename(&unfinished, path),
    });
    let _ = fs::remove_file(&unfinished);
    match written {
        Ok(()) => (id, from),
        Err(error) => (id, Source::Passing(error.to_string())),
    }
}

fn write(path: &Path, id: Uuid) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let first = node_id(dir.path());
        assert_eq!(first.from, Source::Made);
        let again = node_id(dir.path());
        assert_eq!((again.id, again.from), (first.id, Source::Kept));
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing unfinished is left"
        );
    }

    #[test]
    fn a_half_written_file_is_replaced_and_a_foreign_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for half in ["", "67e55044-10b1-426f", "\0\0\0"] {
            fs::write(&path, half).unwrap();
            let repaired = node_id(dir.path());
            assert_eq!(repaired.from, Source::Repaired, "{half:?}");
            assert_eq!(node_id(dir.path()).id, repaired.id);
        }
        let foreign = "this file belongs to another program, and it is longer than any identity of ours";
        fs::write(&path, foreign).unwrap();
        let first = node_id(dir.path());
        assert!(matches!(first.from, Source::Passing(_)));
        assert_ne!(first.id, node_id(dir.path()).id);
        assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(node_id(dir.path()).from, Source::Passing(_)));
        assert!(matches!(
            node_id(&dir.path().join("missing")).from,
            Source::Passing(_)
        ));
    }
}
