//! What a data directory holds before Redis starts: which files Redis would read, how old they are, how far they go.
//!
//! Only headers and names are read, never a data set. Nothing here is decided: [`crate::holding`] says what it means.

pub mod aof;
pub mod rdb;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use self::aof::{Manifest, ManifestError};
use self::rdb::Header;
use crate::template::Template;

/// As much of an RDB as is read: its header takes less than 300 bytes.
const HEADER: u64 = 4096;
/// As much of the end of an append-only file as is searched for its last time stamp.
const TAIL: u64 = 64 * 1024;
/// A manifest is a few lines; more is not read.
const MANIFEST: u64 = 1024 * 1024;

/// Where Redis keeps its data set, by its effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `dir`.
    pub dir: PathBuf,
    /// `dbfilename`.
    pub rdb: String,
    /// `appenddirname`.
    pub append_dir: String,
    /// `appendfilename`.
    pub append_file: String,
    /// Which of the two Redis reads at its start.
    pub reads: Reads,
}

/// What a starting Redis reads: with `appendonly yes` it does not even look at the RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The append-only file.
    AppendOnly,
    /// The RDB.
    Rdb,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// The data set.
    pub data: DataSet,
    /// The files it is made of.
    pub files: Vec<PathBuf>,
    /// Their sizes together.
    pub bytes: u64,
    /// When the data set was last written to, in milliseconds since 1970.
    pub modified_ms: u64,
}

/// One data set, as far as it can be told without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSet {
    /// No file that Redis would read.
    None,
    /// An RDB with this header.
    Rdb(Header),
    /// An append-only file.
    AppendOnly {
        /// Sequence number of the file that is appended to; 0 for the single file of Redis before 7.0.
        sequence: u64,
        /// Its length.
        bytes: u64,
        /// Whether there is anything in it.
        content: Content,
    },
    /// There is a file, and it is no data set that we can read.
    Unreadable(String),
}

/// Whether a data set has any keys, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// None for sure.
    Empty,
    /// Some, or nobody knows.
    Some,
}

impl Layout {
    /// The layout by a template, its includes and the arguments after `--`, in the directory of the data set.
    pub fn of(template: &Template, dir: &Path) -> Self {
        let value = |name: &str, default: &str| template.value(name).unwrap_or(default).to_owned();
        let reads = if value("appendonly", "no").eq_ignore_ascii_case("yes") {
            Reads::AppendOnly
        } else {
            Reads::Rdb
        };
        Self {
            dir: dir.to_owned(),
            rdb: value("dbfilename", "dump.rdb"),
            append_dir: value("appenddirname", "appendonlydir"),
            append_file: value("appendfilename", "appendonly.aof"),
            reads,
        }
    }

    /// Looks at the disk.
    pub fn look(&self) -> DiskFacts {
        let looked = match self.reads {
            Reads::AppendOnly => self.look_at_append_only(),
            Reads::Rdb => self.look_at_rdb(),
        };
        looked.unwrap_or_else(|error| DiskFacts {
            data: DataSet::Unreadable(error.to_string()),
            files: Vec::new(),
            bytes: 0,
            modified_ms: 0,
        })
    }

    /// The file that Redis appends to now; `None` if there is none, or if it is not the whole data set yet: after a full copy
    /// from a master the old files stand until a new base has been written, and Redis appends to a temporary one meanwhile
    /// (aof.c, `openNewIncrAofForAppend`). Redis leaves that behind when it is killed, so one from before `since` does not count.
    pub fn appending_to(&self, since: SystemTime) -> Option<(u64, u64)> {
        let dir = self.dir.join(&self.append_dir);
        let unfinished = dir.join(format!("temp-{}.incr", self.append_file));
        let written = std::fs::metadata(unfinished).and_then(|metadata| metadata.modified());
        if written.is_ok_and(|written| written >= since) {
            return None;
        }
        let manifest = dir.join(format!("{}.manifest", self.append_file));
        let Some(manifest) = open(&manifest).ok()? else {
            let single = std::fs::metadata(self.dir.join(&self.append_file)).ok()?;
            return Some((0, single.len()));
        };
        let last = read_manifest(manifest).ok()?.ok()?.last_appended()?.clone();
        let length = std::fs::metadata(dir.join(&last.file)).ok()?.len();
        Some((last.sequence, length))
    }

    fn look_at_rdb(&self) -> io::Result<DiskFacts> {
        let path = self.dir.join(&self.rdb);
        let Some(file) = open(&path)? else {
            return Ok(DiskFacts::none());
        };
        let modified_ms = modified_ms(&file)?;
        let bytes = file.metadata()?.len();
        let mut start = Vec::new();
        file.take(HEADER).read_to_end(&mut start)?;
        let (data, saved_ms) = match rdb::header(&start) {
            Ok(header) => {
                let saved = header.saved_s.map(|seconds| seconds.saturating_mul(1000));
                (DataSet::Rdb(header), saved)
            }
            Err(error) => (DataSet::Unreadable(format!("{}: {error}", path.display())), None),
        };
        Ok(DiskFacts {
            data,
            files: vec![path],
            bytes,
            // A copied file has the time of the copy; the header knows better.
            modified_ms: saved_ms.unwrap_or(modified_ms),
        })
    }

    fn look_at_append_only(&self) -> io::Result<DiskFacts> {
        let dir = self.dir.join(&self.append_dir);
        let path = dir.join(format!("{}.manifest", self.append_file));
        let Some(manifest) = open(&path)? else {
            return self.look_at_single_file();
        };
        let manifest = match read_manifest(manifest)? {
            Ok(manifest) => manifest,
            Err(error) => {
                return Ok(DiskFacts {
                    data: DataSet::Unreadable(format!("{}: {error}", path.display())),
                    files: vec![path],
                    bytes: 0,
                    modified_ms: 0,
                });
            }
        };
        let mut facts = DiskFacts::none();
        facts.files.push(path);
        let (mut sequence, mut appended, mut content) = (0, 0, Content::Empty);
        for part in manifest.parts() {
            let path = dir.join(&part.file);
            let Some(mut file) = open(&path)? else { continue };
            let length = file.metadata()?.len();
            facts.bytes += length;
            let written = last_time_stamp_ms(&mut file, length)?.unwrap_or(modified_ms(&file)?);
            facts.modified_ms = facts.modified_ms.max(written);
            if part.is_base() {
                if base_content(&mut file)? == Content::Some {
                    content = Content::Some;
                }
            } else {
                (sequence, appended) = (part.sequence, length);
                if length > 0 {
                    content = Content::Some;
                }
            }
            facts.files.push(path);
        }
        facts.data = DataSet::AppendOnly {
            sequence,
            bytes: appended,
            content,
        };
        Ok(facts)
    }

    /// Redis before 7.0 has one append-only file, and a later one takes it over as its base.
    fn look_at_single_file(&self) -> io::Result<DiskFacts> {
        let path = self.dir.join(&self.append_file);
        let Some(mut file) = open(&path)? else {
            return Ok(DiskFacts::none());
        };
        let bytes = file.metadata()?.len();
        let modified_ms = last_time_stamp_ms(&mut file, bytes)?.unwrap_or(modified_ms(&file)?);
        let content = if bytes == 0 {
            Content::Empty
        } else {
            base_content(&mut file)?
        };
        Ok(DiskFacts {
            data: DataSet::AppendOnly {
                sequence: 0,
                bytes,
                content,
            },
            files: vec![path],
            bytes,
            modified_ms,
        })
    }
}

impl DiskFacts {
    fn none() -> Self {
        Self {
            data: DataSet::None,
            files: Vec::new(),
            bytes: 0,
            modified_ms: 0,
        }
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
    }
}

fn read_manifest(file: File) -> io::Result<Result<Manifest, ManifestError>> {
    let mut text = String::new();
    file.take(MANIFEST).read_to_string(&mut text)?;
    Ok(Manifest::parse(&text))
}

fn modified_ms(file: &File) -> io::Result<u64> {
    let since = file.metadata()?.modified()?.duration_since(UNIX_EPOCH);
    Ok(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

/// A base may be an RDB, of which the header tells whether it is empty, or commands.
fn base_content(file: &mut File) -> io::Result<Content> {
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    file.take(HEADER).read_to_end(&mut start)?;
    Ok(match rdb::header(&start) {
        Ok(header) => header.content,
        Err(_) if start.is_empty() => Content::Empty,
        Err(_) => Content::Some,
    })
}

fn last_time_stamp_ms(file: &mut File, length: u64) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(aof::last_time_stamp(&tail).map(|seconds| seconds.saturating_mul(1000)))
}
