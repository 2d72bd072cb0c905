//! Stepping down from root, in a process of its own: it cannot be taken back.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::observed::{PARENT, Parent, eventually, lives, root_or_skip};
use nix::sys::signal::Signal;

#[test]
fn root_hands_its_directory_over_and_becomes_the_user_for_good() {
    if !root_or_skip("RUN_AS from root") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("dump.rdb"), "old").unwrap();
    // The way to it must be open for the user.
    open_to_all(dir.path());

    let mut parent = Parent::start(&[
        "run-as",
        "4242:4343",
        data.to_str().unwrap(),
        "/bin/sh",
        "-c",
        "cat /proc/self/status; kill -0 1",
    ]);
    // kill -0 of root's process is refused: nothing of root is left.
    assert_eq!(parent.code(), 1);
    let said = parent.everything();
    let field = |name: &str| {
        let line = said
            .iter()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {said:#?}"));
        line.split_whitespace().skip(1).collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), ["4242"; 4]);
    assert_eq!(field("Gid:"), ["4343"; 4]);
    assert_eq!(field("Groups:"), ["4343"]);
    assert_eq!(field("CapEff:"), ["0000000000000000"]);
    assert_eq!(field("CapPrm:"), ["0000000000000000"]);
    for file in ["", "dump.rdb", "written"] {
        let found = std::fs::metadata(data.join(file)).unwrap();
        assert_eq!((found.uid(), found.gid()), (4242, 4343), "{file}");
    }
}

#[test]
fn the_child_still_dies_with_its_parent() {
    if !root_or_skip("the parent-death signal after RUN_AS") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    open_to_all(dir.path());
    let mut parent = Parent::start(&[
        "run-as",
        "4242:4343",
        dir.path().to_str().unwrap(),
        "/bin/sleep",
        "60",
    ]);
    let child = parent.child();
    assert!(lives(child));
    parent.signal(Signal::SIGKILL);
    parent.wait_exit();
    eventually("the child to die", || (!lives(child)).then_some(()));
}

#[test]
fn nobody_but_root_can_become_another() {
    if !root_or_skip("RUN_AS from a user (started as root to become one)") {
        return;
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=4242",
        "--regid=4343",
        "--clear-groups",
        PARENT,
        "run-as",
        "4244:4343",
        "/nowhere",
    ]);
    let mut parent = Parent::start_command(&mut command);
    let line = parent.line("error: ");
    assert!(
        line.contains("cannot become `4244:4343`") && line.contains("start it as root"),
        "{line}"
    );
    assert_eq!(parent.code(), 70);
}

#[test]
fn a_root_without_the_right_to_change_user_says_what_is_missing() {
    if !root_or_skip("RUN_AS from a root without capabilities") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-setuid,-setgid", PARENT, "run-as", "4242:4343"]);
    command.arg(dir.path());
    let mut parent = Parent::start_command(&mut command);
    let line = parent.line("error: ");
    assert!(line.contains("capabilities SETUID and SETGID"), "{line}");
}

fn open_to_all(dir: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}
