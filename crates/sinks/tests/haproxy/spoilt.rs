//! The file way, when the template, the check, the reload or the disk is no good: the file that worked stays.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sinks::Sink;
use testkit::{Need, eventually, require};

use crate::file::{Desk, one};
use crate::proxy::{SOON, loopback, program};

const GOOD: &str = "{{range .Clusters}}{{.Epoch}}{{end}}\n";

#[tokio::test]
async fn a_template_or_a_file_that_is_wrong_changes_nothing() {
    if !require(&[Need::Haproxy]) {
        return;
    }
    let good = "# {{range .Clusters}}{{.Epoch}}{{end}}\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nfrontend a\n  bind 127.0.0.1:1\n";
    let desk = Desk::new(good);
    let check = format!("{} -c -f \"$FILE\"", program().display());
    let mut sink = desk.sink(Some(&check), &desk.noting("true"), SOON);
    let _ = sink.bring(&one(1, &loopback(1))).await.unwrap();
    let before = desk.output();
    desk.template("\n\n{{range .Clusters}}{{.Nmae}}{{end}}");
    let error = sink.bring(&one(2, &loopback(2))).await.unwrap_err().to_string();
    let file = desk.path("template").display().to_string();
    assert!(
        error.contains(&format!("{file}, line 3: no field `Nmae`")),
        "{error}"
    );
    desk.template(&format!("{good}  timout queue 1s\n"));
    let error = sink.bring(&one(2, &loopback(2))).await.unwrap_err().to_string();
    assert!(
        error.contains("unknown keyword 'timout'") && error.contains("the old one stays"),
        "{error}"
    );
    fs::remove_file(desk.path("template")).unwrap();
    let error = sink.bring(&one(2, &loopback(2))).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("cannot read the template {file}")),
        "{error}"
    );
    assert_eq!((desk.output(), desk.reloads().len()), (before, 1));
    desk.template(good);
    let _ = sink.bring(&one(2, &loopback(2))).await.unwrap();
    assert_eq!(desk.reloads(), ["# 1", "# 2"]);
}

#[tokio::test]
async fn a_reload_that_fails_puts_the_old_file_back_until_it_works() {
    let desk = Desk::new(GOOD);
    let broken = desk.path("broken");
    let reload = desk.noting(&format!(
        "if test -f {}; then echo no such service; exit 3; fi",
        broken.display()
    ));
    let mut sink = desk.sink(None, &reload, SOON);
    // A first file that cannot be loaded is not left for a restart to find.
    fs::write(&broken, "").unwrap();
    let error = sink.bring(&one(1, &loopback(1))).await.unwrap_err().to_string();
    assert!(
        error.contains("no such service") && error.contains("removed"),
        "{error}"
    );
    assert_eq!(desk.output(), None);
    fs::remove_file(&broken).unwrap();
    let _ = sink.bring(&one(1, &loopback(1))).await.unwrap();
    fs::write(&broken, "").unwrap();
    for _ in 0..2 {
        let error = sink.bring(&one(2, &loopback(2))).await.unwrap_err().to_string();
        assert!(
            error.contains("exited with code 3") && error.contains("the old file is in place, and fails too"),
            "{error}"
        );
        assert_eq!(desk.output().as_deref(), Some("1\n"));
    }
    assert_eq!(desk.reloads(), ["1", "1", "2", "1", "2", "1"]);
    fs::remove_file(&broken).unwrap();
    // Back to what it was: whether HAProxy took the old file again is not known, so it is told once more.
    let _ = sink.bring(&one(1, &loopback(1))).await.unwrap();
    let _ = sink.bring(&one(2, &loopback(2))).await.unwrap();
    let _ = sink.bring(&one(2, &loopback(2))).await.unwrap();
    assert_eq!(desk.reloads()[6..], ["1", "2"]);
    assert_eq!(desk.output().as_deref(), Some("2\n"));
}

#[tokio::test]
async fn a_reload_that_hangs_is_killed_with_all_it_started() {
    let desk = Desk::new(GOOD);
    let (slow, pids) = (desk.path("slow"), desk.path("pids"));
    let reload = desk.noting(&format!(
        "if test -f {}; then sleep 1000 & echo $! >> {}; wait; fi",
        slow.display(),
        pids.display()
    ));
    let mut sink = desk.sink(None, &reload, Duration::from_millis(200));
    let _ = sink.bring(&one(1, &loopback(1))).await.unwrap();
    fs::write(&slow, "").unwrap();
    let began = Instant::now();
    let error = sink.bring(&one(2, &loopback(2))).await.unwrap_err().to_string();
    assert!(
        began.elapsed() < sink.longest() && error.contains("no end after 200 ms"),
        "{error}"
    );
    assert_eq!(desk.output().as_deref(), Some("1\n"));
    for pid in fs::read_to_string(&pids).unwrap().lines() {
        eventually("the sleeper to be gone", SOON, async || {
            !Path::new(&format!("/proc/{pid}")).exists()
        })
        .await;
    }
}

#[tokio::test]
async fn who_ends_between_the_file_and_its_reload_reloads_at_the_next_start() {
    let desk = Desk::new(GOOD);
    let _ = desk
        .sink(None, &desk.noting("true"), SOON)
        .bring(&one(1, &loopback(1)))
        .await
        .unwrap();
    let mut killed = desk.sink(None, &desk.noting("sleep 1000"), SOON);
    {
        // Given up in the middle of its reload, as by a SIGKILL.
        let picture = one(2, &loopback(2));
        let mut bringing = std::pin::pin!(killed.bring(&picture));
        let begun = async || desk.reloads().len() == 2;
        tokio::select! {
            ended = &mut bringing => panic!("{ended:?}"),
            () = eventually("the reload to begin", SOON, begun) => {}
        }
    }
    drop(killed);
    assert_eq!(desk.output().as_deref(), Some("2\n"));
    let mut next = desk.sink(None, &desk.noting("true"), SOON);
    let _ = next.bring(&one(2, &loopback(2))).await.unwrap();
    let _ = next.bring(&one(2, &loopback(2))).await.unwrap();
    assert_eq!(desk.reloads(), ["1", "2", "2"]);
}

/// A file system of 64 KiB, until it is dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(dir.path());
        assert!(
            command.status().expect("mount runs").success(),
            "root may mount a tmpfs"
        );
        Self(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The reaper may have its status; that it has ended is what counts.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_file() {
    // Root, for the mount.
    if !require(&[Need::Network]) {
        return;
    }
    let small = Small::mount();
    let dir = small.0.path();
    let desk = Desk::new(&format!("{GOOD}{}", "# filler\n".repeat(2000)));
    let mut sink = desk.sink_in(dir, None, &desk.noting("true"), SOON);
    let _ = sink.bring(&one(1, &loopback(1))).await.unwrap();
    let before = fs::read(dir.join("out.cfg")).unwrap();
    let filler = vec![0_u8; 1024 * 1024];
    let _ = fs::write(dir.join("filler"), &filler);
    let error = sink.bring(&one(2, &loopback(2))).await.unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(fs::read(dir.join("out.cfg")).unwrap(), before);
    assert_eq!(desk.reloads().len(), 1);
    fs::remove_file(dir.join("filler")).unwrap();
    let _ = sink.bring(&one(2, &loopback(2))).await.unwrap();
    assert_eq!(desk.reloads(), ["1", "2"]);
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["out.cfg"]);
}

#[tokio::test]
async fn what_the_commands_are_is_told_to_nobody() {
    let desk = Desk::new(GOOD);
    let check = "password=s3cr3t; grep -v 2 \"$FILE\" || { echo not that; exit 9; }";
    let reload = "password=s3cr3t; grep -v 3 \"$FILE\" || { echo not this; exit 8; }";
    let mut sink = desk.sink(Some(check), reload, SOON);
    let _ = sink.bring(&one(1, &loopback(1))).await.unwrap();
    for (epoch, expected) in [
        (2, "the new file did not pass the check"),
        (3, "the reload failed: it exited with code 8"),
    ] {
        let error = sink
            .bring(&one(epoch, &loopback(1)))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected) && error.contains("not th"), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
        assert_eq!(desk.output().as_deref(), Some("1\n"));
    }
}

#[tokio::test]
async fn who_is_cut_off_during_the_check_leaves_nothing_behind() {
    let desk = Desk::new(GOOD);
    let (began, go) = (desk.path("began"), desk.path("go"));
    let check = format!(
        "touch {}; while test ! -f {}; do sleep 0.01; done",
        began.display(),
        go.display()
    );
    let mut sink = desk.sink(Some(&check), &desk.noting("true"), SOON);
    let begun = eventually("the check to begin", SOON, async || began.exists());
    let first = one(1, &loopback(1));
    tokio::select! {
        brought = sink.bring(&first) => panic!("{brought:?}"),
        () = begun => {}
    }
    // The next one has its own turn, after what the first one left is gone.
    fs::write(&go, "").unwrap();
    let _ = sink.bring(&one(2, &loopback(1))).await.unwrap();
    assert_eq!(desk.output().as_deref(), Some("2\n"));
    assert!(!desk.path(".out.cfg.new").exists());
}
