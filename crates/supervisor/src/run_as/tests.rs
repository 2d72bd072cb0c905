//! What is a user, and what happens to those who are not root. Becoming another user is shown by `tests/run_as.rs`, in
//! a process of its own.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

#[test]
fn users_are_written_in_four_ways() {
    // `root`, and `daemon` (1:1), are on every Unix.
    let table = [
        ("root", (0, 0, Some("root"))),
        ("root:daemon", (0, 1, Some("root"))),
        ("daemon:0", (1, 0, Some("daemon"))),
        ("1", (1, 1, Some("daemon"))),
        ("4242:4343", (4242, 4343, None)),
        ("4242:daemon", (4242, 1, None)),
    ];
    for (text, (uid, gid, name)) in table {
        let expected = RunAs {
            uid,
            gid,
            name: name.map(str::to_owned),
        };
        assert_eq!(text.parse::<RunAs>().unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_no_user_is_named_with_a_remedy() {
    let table = [
        ("", "is not a user"),
        (":", "is not a user"),
        ("redis:", "is not a user"),
        (":redis", "is not a user"),
        ("a:b:c", "is not a user"),
        ("-1", "is not a user"),
        ("two words", "is not a user"),
        ("no-such-user", "no user `no-such-user` here; create it"),
        ("root:no-such-group", "no group `no-such-group` here; create it"),
        ("4242", "write both numbers, for example 4242:4242"),
        ("4294967296", "no user `4294967296`"),
    ];
    for (text, part) in table {
        let error = text.parse::<RunAs>().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn becoming_oneself_is_nothing() {
    let me = RunAs {
        uid: getuid().as_raw(),
        gid: 4343,
        name: None,
    };
    // Not even the paths are touched.
    drop_privileges(&me, &[all(Path::new("/"))]).unwrap();
}

/// Changing owners takes root; without it the test says so and ends.
fn root() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: this test needs root");
    }
    root
}

fn all(path: &Path) -> OwnPath {
    OwnPath {
        path: path.to_owned(),
        below: Below::Everything,
    }
}

fn owner(path: &Path) -> (u32, u32) {
    let found = std::fs::symlink_metadata(path).unwrap();
    (found.uid(), found.gid())
}

#[test]
fn hands_over_everything_below_and_nothing_beyond_a_link() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    std::fs::create_dir_all(own.join("deep/er")).unwrap();
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(own.join("deep/er/dump.rdb"), "data").unwrap();
    std::fs::write(other.join("secret"), "of somebody else").unwrap();
    symlink(&other, own.join("deep/link")).unwrap();
    symlink(other.join("secret"), own.join("file-link")).unwrap();

    chown::hand_over(&all(&own), Uid::from_raw(4242), Gid::from_raw(4343)).unwrap();
    for path in [
        "",
        "deep",
        "deep/er",
        "deep/er/dump.rdb",
        "deep/link",
        "file-link",
    ] {
        assert_eq!(owner(&own.join(path)), (4242, 4343), "{path}");
    }
    assert_eq!(owner(&other), (0, 0));
    assert_eq!(owner(&other.join("secret")), (0, 0));
    assert_eq!(owner(dir.path()), (0, 0));
}

#[test]
fn what_else_is_there_stays_its_owners() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for path in ["appendonlydir", "other/appendonlydir"] {
        std::fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    for path in [
        "dump.rdb",
        "dump.rdb.old",
        ".ours.lock",
        "appendonlydir/1",
        "other/dump.rdb",
    ] {
        std::fs::write(dir.path().join(path), "").unwrap();
    }
    let names = vec![
        Name::Exactly("dump.rdb".to_owned()),
        Name::Exactly("appendonlydir".to_owned()),
        Name::Exactly("missing".to_owned()),
        Name::Beginning(".ours".to_owned()),
    ];
    let own = OwnPath {
        path: dir.path().to_owned(),
        below: Below::Only(names),
    };
    chown::hand_over(&own, Uid::from_raw(4242), Gid::from_raw(4343)).unwrap();
    for path in ["", "dump.rdb", ".ours.lock", "appendonlydir", "appendonlydir/1"] {
        assert_eq!(owner(&dir.path().join(path)), (4242, 4343), "{path}");
    }
    for path in ["dump.rdb.old", "other", "other/dump.rdb", "other/appendonlydir"] {
        assert_eq!(owner(&dir.path().join(path)), (0, 0), "{path}");
    }
}

#[test]
fn a_link_given_by_the_operator_is_followed() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("volume");
    std::fs::create_dir(&real).unwrap();
    symlink(&real, dir.path().join("data")).unwrap();
    chown::hand_over(
        &all(&dir.path().join("data")),
        Uid::from_raw(4242),
        Gid::from_raw(4343),
    )
    .unwrap();
    assert_eq!(owner(&real), (4242, 4343));
}

#[test]
fn refuses_what_is_not_the_programs_own() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/etc", dir.path().join("innocent")).unwrap();
    let me = (getuid(), Gid::current());
    for path in [
        Path::new("/"),
        Path::new("/usr/../etc"),
        Path::new("/var/lib"),
        &dir.path().join("innocent"),
    ] {
        let error = chown::hand_over(&all(path), me.0, me.1).unwrap_err();
        assert!(
            matches!(error, ChownError::System { .. }),
            "{}: {error}",
            path.display()
        );
    }
    std::fs::write(dir.path().join("a"), "").unwrap();
    std::fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
    let error = chown::hand_over(&all(dir.path()), Uid::from_raw(4242), Gid::from_raw(4343)).unwrap_err();
    assert!(
        matches!(error, ChownError::Linked { .. } | ChownError::Refused { .. }),
        "{error}"
    );
    assert!(chown::hand_over(&all(&dir.path().join("missing")), me.0, me.1).is_ok());
}

/// Becoming somebody is for good, so it is shown elsewhere, by a program.
#[test]
fn root_stays_root_where_everything_is_roots() {
    assert!(!become_owner_of(Path::new("/")).unwrap());
    assert!(!become_owner_of(Path::new("/no-such-directory/here")).unwrap());
    assert!(!become_owner_of(Path::new("/proc/nowhere")).unwrap());
}
