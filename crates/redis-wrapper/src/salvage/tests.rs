//! What is kept, for how long, and when there is no room.

use super::*;
use crate::disk::{DataSet, Layout};
use crate::template::Template;

const ROOM: Space = Space {
    total: 1 << 30,
    free: 1 << 30,
};

fn rdb_in(dir: &Path, content: &str) -> DiskFacts {
    // As Redis does: a new file takes the place of the old one.
    let unfinished = dir.join("temp.rdb");
    fs::write(&unfinished, format!("REDIS0010{content}")).unwrap();
    fs::rename(unfinished, dir.join("dump.rdb")).unwrap();
    let facts = Layout::of(&Template::default(), dir).look();
    assert!(matches!(facts.data, DataSet::Rdb(_)));
    facts
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.join("salvage"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_master_contains_what_its_lineage_or_the_one_before_reaches() {
    let id = |n: u8| topology::ReplicationId::from_bytes([n; 20]);
    let says = |(own, offset): (u8, i64), (second, shared): (u8, i64)| Replication {
        role: topology::Role::Master,
        id: id(own),
        second_id: id(second),
        second_offset: shared,
        offset,
        link: None,
        link_down_s: 0,
        syncing: false,
        priority: 100,
        connected_replicas: 0,
    };
    let own = says((1, 100), (0, -1));
    for (what, master, expected) in [
        ("the same", says((1, 100), (0, -1)), true),
        ("behind", says((1, 99), (0, -1)), false),
        ("promoted after it", says((2, 300), (1, 101)), true),
        ("promoted before its last write", says((2, 300), (1, 100)), false),
        ("a stranger", says((3, 300), (4, 300)), false),
    ] {
        assert_eq!(contains(&master, &own), expected, "{what}");
    }
}

#[test]
fn a_data_set_is_kept_once_and_outlives_its_replacement() {
    let dir = tempfile::tempdir().unwrap();
    let facts = rdb_in(dir.path(), "\u{1}first");
    let Kept::Now { path, bytes } = keep_aside(dir.path(), &facts, Epoch(4), ROOM).unwrap() else {
        panic!("not kept");
    };
    assert_eq!(bytes, facts.bytes);
    assert!(
        dir.path().join("dump.rdb").exists(),
        "redis may still resynchronise from it"
    );
    assert_eq!(
        keep_aside(dir.path(), &facts, Epoch(5), ROOM).unwrap(),
        Kept::Before(path.clone())
    );
    let next = rdb_in(dir.path(), "\u{1}second");
    assert!(
        fs::read_to_string(path.join("dump.rdb"))
            .unwrap()
            .ends_with("first")
    );
    assert!(matches!(
        keep_aside(dir.path(), &next, Epoch(4), ROOM).unwrap(),
        Kept::Now { .. }
    ));
    assert_eq!(names(dir.path()), ["4", "4-1"]);
}

#[test]
fn the_last_three_are_kept_and_foreign_files_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("salvage/by-hand")).unwrap();
    for epoch in [9, 10, 11, 12] {
        let facts = rdb_in(dir.path(), &format!("\u{1}{epoch}"));
        let _ = keep_aside(dir.path(), &facts, Epoch(epoch), ROOM).unwrap();
    }
    assert_eq!(names(dir.path()), ["10", "11", "12", "by-hand"]);
}

#[test]
fn a_tenth_of_the_disk_stays_free() {
    let space = |free| Space { total: 1000, free };
    assert_eq!(room(space(500), &[], 400), Some(0));
    assert_eq!(room(space(499), &[], 400), None);
    assert_eq!(room(space(450), &[30, 30], 400), Some(2), "the oldest make room");
    assert_eq!(
        room(space(300), &[30, 30], 400),
        None,
        "then they are not dropped for nothing"
    );
    assert_eq!(room(space(1000), &[1, 1, 1], 1), Some(1));
}

#[test]
fn an_append_only_file_is_kept_whole() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("appendonlydir");
    fs::create_dir(&below).unwrap();
    let manifest =
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    fs::write(below.join("appendonly.aof.manifest"), manifest).unwrap();
    fs::write(below.join("appendonly.aof.1.base.rdb"), "REDIS0010\u{1}").unwrap();
    fs::write(below.join("appendonly.aof.1.incr.aof"), "*1\r\n").unwrap();
    let facts = Layout::of(&Template::parse("appendonly yes"), dir.path()).look();
    assert_eq!(facts.bytes, 14, "the manifest is not counted");
    let Kept::Now { path, .. } = keep_aside(dir.path(), &facts, Epoch(1), ROOM).unwrap() else {
        panic!("not kept");
    };
    assert_eq!(fs::read_dir(path.join("appendonlydir")).unwrap().count(), 3);
}
