//! Keeping aside what only this node has, before Redis replaces it with the master's data.
//!
//! Files are linked, not moved: Redis needs its RDB for a partial resynchronisation, and a node whose new master dies before the
//! copy is whole still has its data. Redis replaces its files and appends to the last one at most, so a link goes on holding what was
//! there; it takes no space until Redis has deleted the original. Where links are impossible the files are copied.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use topology::{Addr, Branch, Epoch, Family, Point, Replication};
use tracing::{error, info, warn};
use zkpaths::{Holding, Node};

use crate::admin::Metrics;
use crate::disk::DiskFacts;
use crate::node::NodeKeeper;
use crate::view::View;

/// Its name in the directory of the data set.
pub(crate) const DIRECTORY: &str = "salvage";
/// How many are kept.
const KEPT: usize = 3;
/// The part of the disk that stays free, as a divisor.
const FREE: u64 = 10;

/// Whether something must be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing would be lost.
    Nothing(WhyNothing),
    /// The data set goes aside.
    Keep(WhyKeep),
}

/// Why nothing would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNothing {
    /// There is nothing.
    Empty,
    /// The master has all of it.
    MasterHasIt,
}

/// Why something would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyKeep {
    /// The master's lineage does not include it, or does not reach as far.
    MasterHasLess,
    /// Nobody knows its lineage.
    LineageUnknown,
    /// Nobody knows the master's.
    MasterUnknown,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The files are here now.
    Now {
        /// Where.
        path: PathBuf,
        /// How many bytes.
        bytes: u64,
    },
    /// An earlier start has kept the same files.
    Before(PathBuf),
    /// There is no room.
    NoRoom {
        /// How many bytes there are to keep.
        bytes: u64,
        /// How many bytes are free.
        free: u64,
    },
}

/// A file system's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What we may use.
    pub free: u64,
}

/// Whether becoming a replica of `of` would lose data that only we have.
pub fn judge(own: &Holding, of: &Addr, view: &View) -> Verdict {
    let own = match own {
        Holding::Nothing => return Verdict::Nothing(WhyNothing::Empty),
        Holding::Unknown { .. } => return Verdict::Keep(WhyKeep::LineageUnknown),
        Holding::Known { point, .. } => point,
    };
    let (points, family) = master(of, view);
    if points.is_empty() {
        Verdict::Keep(WhyKeep::MasterUnknown)
    } else if points.iter().any(|point| family.includes(point, own)) {
        Verdict::Nothing(WhyNothing::MasterHasIt)
    } else {
        Verdict::Keep(WhyKeep::MasterHasLess)
    }
}

/// Points that the master contains: what it says, what its disk held when it started, else what was last known of it.
fn master(of: &Addr, view: &View) -> (Vec<Point>, Family) {
    let mut branches: Vec<Branch> = view
        .field
        .nodes
        .iter()
        .flat_map(|node| node.branches.clone())
        .collect();
    let mut points = Vec::new();
    if let Some(snapshot) = view.snapshot(of) {
        let replication = &snapshot.replication;
        points.push(Point {
            id: replication.id.clone(),
            offset: replication.offset,
        });
        branches.extend(Branch::of_second(
            &replication.id,
            &replication.second_id,
            replication.second_offset,
        ));
    }
    let candidacies = view.field.others.iter().filter(|other| other.addr == *of);
    points.extend(candidacies.filter_map(|other| other.holds.point().cloned()));
    if points.is_empty() {
        let nodes = view.field.nodes.iter().filter(|node| node.addr == *of);
        let last: Option<&Node> = nodes.max_by_key(|node| node.at_ms);
        points.extend(last.map(|node| node.point.clone()));
    }
    (points, branches.into_iter().collect())
}

/// Whether a master has everything that this node has: its lineage, or the one that it went on from, reaches as far.
pub fn contains(master: &Replication, own: &Replication) -> bool {
    let same = master.id == own.id && master.offset >= own.offset;
    // The second offset is the first that is not shared any more (`second_replid_offset` in server.h).
    same || master.second_id == own.id && master.second_offset > own.offset
}

/// Before Redis, which has not started yet, replaces our data set with the master's.
pub(crate) async fn before_start(node: &NodeKeeper, epoch: Epoch, why: WhyKeep, metrics: &Metrics) {
    keep(node, Some(node.facts().clone()), epoch, why, metrics).await;
}

/// Before Redis, which runs and takes no writes, does so: what is on the disk.
pub(crate) async fn before_following(node: &NodeKeeper, epoch: Epoch, metrics: &Metrics) {
    keep(node, None, epoch, WhyKeep::MasterHasLess, metrics).await;
}

async fn keep(node: &NodeKeeper, facts: Option<DiskFacts>, epoch: Epoch, why: WhyKeep, metrics: &Metrics) {
    let layout = node.layout().clone();
    let kept = tokio::task::spawn_blocking(move || {
        let facts = facts.unwrap_or_else(|| layout.look());
        if facts.files.is_empty() {
            return Ok(None);
        }
        keep_aside(&layout.dir, &facts, epoch, space(&layout.dir)?).map(Some)
    });
    match kept.await.unwrap_or_else(|error| Err(error.into())) {
        Ok(None) => {}
        Ok(Some(Kept::Now { path, bytes })) => {
            metrics.salvages.inc();
            warn!(reason = ?why, path = %path.display(), bytes, "data that the master does not have was kept aside");
        }
        Ok(Some(Kept::Before(path))) => {
            info!(reason = ?why, path = %path.display(), "data that the master does not have was kept aside before");
        }
        Ok(Some(Kept::NoRoom { bytes, free })) => {
            warn!(reason = ?why, bytes, free, "no room to keep data that the master does not have: a tenth of the disk must stay free");
        }
        Err(error) => error!(reason = %error, "data that the master does not have could not be kept aside"),
    }
}

/// Puts the data set of `dir` aside, in `salvage/<epoch>`.
pub fn keep_aside(dir: &Path, facts: &DiskFacts, epoch: Epoch, space: Space) -> io::Result<Kept> {
    let salvage = dir.join(DIRECTORY);
    let before = entries(&salvage)?;
    if let Some(same) = before
        .iter()
        .rev()
        .find(|entry| holds_the_same(&entry.path, facts))
    {
        return Ok(Kept::Before(same.path.clone()));
    }
    let sizes: Vec<u64> = before.iter().map(|entry| entry.bytes).collect();
    let Some(drop) = room(space, &sizes, facts.bytes) else {
        return Ok(Kept::NoRoom {
            bytes: facts.bytes,
            free: space.free,
        });
    };
    for entry in &before[..drop] {
        fs::remove_dir_all(&entry.path)?;
    }
    let turn = before
        .iter()
        .filter(|entry| entry.epoch == epoch.0)
        .map(|entry| entry.turn + 1);
    let name = match turn.max() {
        None => epoch.to_string(),
        Some(turn) => format!("{epoch}-{turn}"),
    };
    let unfinished = salvage.join(format!("unfinished-{name}"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&unfinished)?;
    for file in &facts.files {
        let Ok(below) = file.strip_prefix(dir) else {
            continue;
        };
        let to = unfinished.join(below);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        if fs::hard_link(file, &to).is_err() {
            fs::copy(file, &to)?;
        }
    }
    let path = salvage.join(name);
    fs::rename(&unfinished, &path)?;
    Ok(Kept::Now {
        path,
        bytes: facts.bytes,
    })
}

/// How many of the oldest must go so that one more of `bytes` fits: no more than [`KEPT`] in all, and a tenth of the disk free when Redis
/// has written the master's data set, of about the same size, beside it. `None` if not even all of them would make room.
fn room(space: Space, sizes: &[u64], bytes: u64) -> Option<usize> {
    let surplus = (sizes.len() + 1).saturating_sub(KEPT);
    let wanted = (space.total / FREE).saturating_add(bytes);
    (surplus..=sizes.len()).find(|drop| {
        let freed: u64 = sizes[..*drop].iter().sum();
        space.free.saturating_add(freed) >= wanted
    })
}

/// One that was kept.
struct Entry {
    epoch: u64,
    turn: u64,
    path: PathBuf,
    bytes: u64,
}

/// What is kept, the oldest first. What has another name is not ours.
fn entries(salvage: &Path) -> io::Result<Vec<Entry>> {
    let listing = match fs::read_dir(salvage) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for found in listing {
        let found = found?;
        let name = found.file_name().to_string_lossy().into_owned();
        let (epoch, turn) = name.split_once('-').unwrap_or((&name, "0"));
        if let (Ok(epoch), Ok(turn)) = (epoch.parse(), turn.parse()) {
            let path = found.path();
            let bytes = files(&path)?.iter().map(|(_, metadata)| metadata.len()).sum();
            entries.push(Entry {
                epoch,
                turn,
                path,
                bytes,
            });
        }
    }
    entries.sort_by_key(|entry| (entry.epoch, entry.turn));
    Ok(entries)
}

/// The files of a directory and of those below it.
fn files(dir: &Path) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), metadata));
        }
    }
    Ok(found)
}

/// Whether the data set was linked from here and has not been replaced since.
fn holds_the_same(kept: &Path, facts: &DiskFacts) -> bool {
    let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let Ok(kept) = files(kept) else { return false };
    let kept: Vec<_> = kept.into_iter().map(|(_, metadata)| inode(metadata)).collect();
    let linked = |file: &PathBuf| fs::metadata(file).is_ok_and(|metadata| kept.contains(&inode(metadata)));
    !facts.files.is_empty() && facts.files.iter().all(linked)
}

/// The size of the file system that a directory is on.
pub fn space(dir: &Path) -> io::Result<Space> {
    let answer = rustix::fs::statvfs(dir)?;
    Ok(Space {
        total: answer.f_blocks.saturating_mul(answer.f_frsize),
        free: answer.f_bavail.saturating_mul(answer.f_frsize),
    })
}

#[cfg(test)]
mod tests;
