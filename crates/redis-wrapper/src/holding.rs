//! What a disk holds: the files that are there, and what ZooKeeper remembers of them. Pure.
//!
//! The record in ZooKeeper is what Redis said while it ran; the disk may hold less (an RDB is as old as its last save), a little
//! more (what was appended since), or something else (a disk that was replaced or restored). So the record is never believed further
//! than the files bear it out.

use std::cmp::Ordering;

use topology::Point;
use zkpaths::{AppendOnly, Holding, Node, Stopped};

use crate::disk::rdb::Header;
use crate::disk::{Content, DataSet, DiskFacts};

/// The length of `SELECT 0` as Redis writes it, first of all, into each append-only file (aof.c, `feedAppendOnlyFile`).
const SELECT: i64 = 23;

/// Judges a disk. `record` is what ZooKeeper has of this very data directory.
pub fn holding(facts: &DiskFacts, record: Option<&Node>) -> Holding {
    let modified_ms = facts.modified_ms;
    let (content, point) = match &facts.data {
        DataSet::None => return Holding::Nothing,
        DataSet::Unreadable(_) => return Holding::Unknown { modified_ms },
        DataSet::Rdb(header) => (header.content, in_rdb(header, facts, record)),
        DataSet::AppendOnly {
            sequence,
            bytes,
            content,
        } => {
            let now = AppendOnly {
                sequence: *sequence,
                bytes: *bytes,
            };
            (*content, record.and_then(|record| in_append_only(&now, record)))
        }
    };
    match (content, point) {
        // Offset 1 is what a replica has that never synchronised: a data set without keys and without a past.
        (Content::Empty, Some(point)) if point.offset <= 1 => Holding::Nothing,
        (Content::Empty, None) => Holding::Nothing,
        (Content::Empty | Content::Some, Some(point)) => Holding::Known { point, modified_ms },
        (Content::Some, None) => Holding::Unknown { modified_ms },
    }
}

/// An RDB names its point, unless a lone master wrote it: then the record says at least which lineage it was, and how far it had
/// come if Redis saved when it was stopped.
fn in_rdb(header: &Header, facts: &DiskFacts, record: Option<&Node>) -> Option<Point> {
    if header.point.is_some() {
        return header.point.clone();
    }
    let record = record?;
    let second = |ms: u64| ms / 1000;
    let saved_at_the_end =
        record.stopped == Stopped::Clean && second(facts.modified_ms) + 1 >= second(record.at_ms);
    Some(Point {
        id: record.point.id.clone(),
        offset: if saved_at_the_end { record.point.offset } else { 0 },
    })
}

/// What was appended after the record was written is replication stream, but for a few words; what is missing was lost with the
/// host. A lower sequence number is an older disk, about which the record says nothing.
fn in_append_only(now: &AppendOnly, record: &Node) -> Option<Point> {
    let then = record.append_only.as_ref()?;
    let length = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let grown = match now.sequence.cmp(&then.sequence) {
        Ordering::Equal => length(now.bytes) - length(then.bytes),
        // Redis has begun a new file since, and all in it came after the record, but for what it begins with.
        Ordering::Greater => (length(now.bytes) - SELECT).max(0),
        Ordering::Less => return None,
    };
    Some(Point {
        id: record.point.id.clone(),
        offset: record.point.offset.saturating_add(grown).max(0),
    })
}

#[cfg(test)]
mod tests {
    use topology::ReplicationId;
    use uuid::Uuid;

    use super::*;

    fn point(offset: i64) -> Point {
        Point {
            id: ReplicationId::from_bytes([5; 20]),
            offset,
        }
    }

    fn record(offset: i64, sequence: u64, bytes: u64) -> Node {
        Node {
            id: Uuid::nil(),
            addr: "10.0.0.1:1".parse().unwrap(),
            point: point(offset),
            branches: Vec::new(),
            append_only: Some(AppendOnly { sequence, bytes }),
            stopped: Stopped::No,
            at_ms: 9_000,
        }
    }

    fn facts(data: DataSet) -> DiskFacts {
        DiskFacts {
            data,
            files: Vec::new(),
            bytes: 1,
            modified_ms: 9_000,
        }
    }

    fn append_only(sequence: u64, bytes: u64, content: Content) -> DiskFacts {
        facts(DataSet::AppendOnly {
            sequence,
            bytes,
            content,
        })
    }

    fn rdb(point: Option<Point>, content: Content) -> DiskFacts {
        facts(DataSet::Rdb(Header {
            point,
            saved_s: None,
            content,
        }))
    }

    fn known(offset: i64) -> Holding {
        Holding::Known {
            point: point(offset),
            modified_ms: 9_000,
        }
    }

    #[test]
    fn an_append_only_file_goes_as_far_as_the_record_and_what_was_appended_since() {
        let record = record(100, 2, 50);
        for ((sequence, bytes), expected) in [
            ((2, 50), 100),
            ((2, 80), 130),
            ((2, 40), 90),
            ((3, 7), 100),
            ((3, 30), 107),
        ] {
            let facts = append_only(sequence, bytes, Content::Some);
            assert_eq!(holding(&facts, Some(&record)), known(expected));
        }
        let unknown = Holding::Unknown { modified_ms: 9_000 };
        assert_eq!(
            holding(&append_only(1, 999, Content::Some), Some(&record)),
            unknown,
            "an older disk"
        );
        assert_eq!(holding(&append_only(1, 999, Content::Some), None), unknown);
    }

    #[test]
    fn an_rdb_is_believed_before_the_record() {
        let record = record(100, 1, 0);
        assert_eq!(
            holding(&rdb(Some(point(60)), Content::Some), Some(&record)),
            known(60)
        );
        assert_eq!(holding(&rdb(None, Content::Some), Some(&record)), known(0));
        let stopped = Node {
            stopped: Stopped::Clean,
            ..record
        };
        assert_eq!(holding(&rdb(None, Content::Some), Some(&stopped)), known(100));
    }

    #[test]
    fn what_is_empty_holds_nothing_whatever_is_remembered() {
        let record = record(100, 2, 0);
        assert_eq!(holding(&facts(DataSet::None), Some(&record)), Holding::Nothing);
        assert_eq!(
            holding(&append_only(1, 0, Content::Empty), None),
            Holding::Nothing
        );
        assert_eq!(
            holding(&append_only(1, 0, Content::Empty), Some(&record)),
            Holding::Nothing
        );
        assert_eq!(holding(&rdb(None, Content::Empty), None), Holding::Nothing);
        assert_eq!(
            holding(&append_only(2, 0, Content::Empty), Some(&record)),
            known(100),
            "emptied by its users, at a known point"
        );
    }
}
