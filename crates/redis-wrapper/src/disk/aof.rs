//! The manifest of an append-only file of Redis 7, and the time stamps within one.

use topology::conf_file::split_words;

/// The files that make up an append-only file, in the order in which Redis reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    parts: Vec<Part>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, without a directory.
    pub file: String,
    /// Its number; a rewrite makes the next.
    pub sequence: u64,
    kind: char,
}

/// Not a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the manifest cannot be read")]
pub struct ManifestError {
    line: usize,
}

impl Manifest {
    /// Reads lines such as `file appendonly.aof.1.incr.aof seq 1 type i` (aof.c, `aofLoadManifestFromFile`).
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut parts = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let part = part(line).ok_or(ManifestError { line: index + 1 })?;
            // `h`: replaced, about to be deleted.
            if part.kind != 'h' {
                parts.push(part);
            }
        }
        Ok(Self { parts })
    }

    /// The files, the base first where there is one.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The file that is appended to now.
    pub fn last_appended(&self) -> Option<&Part> {
        self.parts.iter().rfind(|part| !part.is_base())
    }
}

impl Part {
    /// Whether this is what the others are appended to.
    pub fn is_base(&self) -> bool {
        self.kind == 'b'
    }
}

fn part(line: &str) -> Option<Part> {
    let words = split_words(line)?;
    let (mut file, mut sequence, mut kind) = (None, None, None);
    for pair in words.chunks(2) {
        let [name, value] = pair else { return None };
        match name.as_str() {
            "file" => file = (!value.contains('/') && !value.is_empty()).then(|| value.clone()),
            "seq" => sequence = value.parse().ok(),
            "type" => kind = value.chars().next(),
            // Redis 8 adds the offsets where a file starts and ends.
            _ => {}
        }
    }
    Some(Part {
        file: file?,
        sequence: sequence?,
        kind: kind?,
    })
}

/// The last `#TS:<seconds>` line (`aof-timestamp-enabled yes`) in the end of a file.
pub fn last_time_stamp(tail: &[u8]) -> Option<u64> {
    let mut lines = tail.split(|byte| *byte == b'\n').rev();
    lines.find_map(|line| {
        let digits = line.strip_prefix(b"#TS:")?;
        std::str::from_utf8(digits).ok()?.trim_end().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_manifest_is_read_without_what_is_to_be_deleted() {
        let text = "file \"a b.2.base.rdb\" seq 2 type b\nfile a.1.incr.aof seq 1 type h\nfile a.2.incr.aof seq 2 type i startoffset 7\n";
        let manifest = Manifest::parse(text).unwrap();
        let seen: Vec<_> = manifest
            .parts()
            .iter()
            .map(|part| (part.file.as_str(), part.sequence, part.is_base()))
            .collect();
        assert_eq!(seen, [("a b.2.base.rdb", 2, true), ("a.2.incr.aof", 2, false)]);
        assert_eq!(
            Manifest::parse("file a seq x type b"),
            Err(ManifestError { line: 1 })
        );
        assert!(Manifest::parse("file ../a seq 1 type b").is_err());
    }

    #[test]
    fn the_last_time_stamp_counts() {
        let tail = b"garbage\r\n#TS:5\r\n*1\r\n$4\r\nPING\r\n#TS:1700000000\r\n*1\r\n$4\r\nPI";
        assert_eq!(last_time_stamp(tail), Some(1_700_000_000));
        assert_eq!(last_time_stamp(b"#TS:x\n"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*", line in "(file|seq|type|#TS:)? ?\\PC{0,20}", bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Manifest::parse(&text);
            let _ = Manifest::parse(&line);
            let _ = last_time_stamp(&bytes);
        }
    }
}
