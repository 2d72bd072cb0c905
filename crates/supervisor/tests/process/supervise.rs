//! A parent and its child as real processes: codes, orphans, deaths, and the way to the end.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::observed::{PARENT, Parent, children_of, eventually, lives, root_or_skip, send};
use nix::sys::signal::Signal;

#[test]
fn fifty_children_at_once_and_every_code_is_right() {
    let mut parent = Parent::start(&["codes", "50"]);
    let line = parent.line("right ");
    assert_eq!(line, "right 50", "{:#?}", parent.everything());
    assert_eq!(parent.code(), 0);
}

#[test]
fn the_childs_end_is_the_parents_exit_code() {
    let table: [(&[&str], i32); 6] = [
        (&["exit", "0"], 0),
        (&["exit", "42"], 42),
        (&["exit", "255"], 255),
        (&["/bin/sh", "-c", "kill -9 $$"], 137),
        (&["/bin/sh", "-c", "kill -15 $$"], 143),
        // A real-time signal, which has no name.
        (&["/bin/sh", "-c", "kill -40 $$"], 168),
    ];
    for (child, code) in table {
        let mut parent = Parent::start(&[&["supervise", "5000"], child].concat());
        assert_eq!(parent.code(), code, "{child:?}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let table = [
        ("/no/such/program", "was not found"),
        ("/etc/passwd", "may not be run"),
        ("/etc", "may not be run"),
    ];
    for (program, part) in table {
        let mut parent = Parent::start(&["supervise", "5000", program]);
        let line = parent.line("error: ");
        assert!(
            line.contains(&format!("`{program}`")) && line.contains(part),
            "{line}"
        );
        assert_eq!(parent.code(), 70);
    }
}

#[test]
fn a_working_directory_that_cannot_be_entered_is_named() {
    for dir in ["/no/such/directory", "/etc/passwd"] {
        let mut parent = Parent::start(&["in", dir, "exit", "0"]);
        let line = parent.line("error: ");
        assert!(
            line.contains(&format!("the directory `{dir}`")) && line.contains("create it"),
            "{line}"
        );
    }
}

#[test]
fn a_panic_in_a_task_is_an_ordered_end_and_a_line_of_json() {
    let mut parent = Parent::start(&["panic"]);
    assert_eq!(parent.code(), 70);
    let said = parent.everything();
    let lines = said
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .collect::<Vec<_>>();
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "panic" && line["reason"] == "a bug"),
        "{said:#?}"
    );
    let stopped = lines.iter().find(|line| line["task"] == "broken").unwrap();
    assert_eq!(
        (&stopped["level"], &stopped["reason"]),
        (&"ERROR".into(), &"a bug".into()),
        "{said:#?}"
    );
}

#[test]
fn a_child_starts_with_a_clean_slate() {
    // A parent that was started with nohup and by somebody's systemd.
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap '' HUP INT QUIT USR1 ALRM WINCH; exec \"$@\"",
        "sh",
        PARENT,
        "supervise",
        "5000",
        "describe",
    ]);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("NOTIFY_SOCKET", "/run/n")
        .env("WATCHDOG_USEC", "1")
        .env("WATCHDOG_PID", "1");
    command.env("SECRET", "hunter2").env("KEPT", "yes");
    let mut parent = Parent::start_command(&mut command);
    assert_eq!(parent.code(), 0);
    let said = parent.everything();
    let has = |line: &str| said.iter().any(|said| said == line);
    assert!(has("SigBlk:\t0000000000000000"), "{said:#?}");
    // Rust's own runtime ignores SIGPIPE, in the child's program too. Above 31 are libc's own, which it keeps.
    let ignored = said
        .iter()
        .find_map(|line| line.strip_prefix("SigIgn:\t"))
        .unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap() & 0x7fff_ffff;
    assert_eq!(ignored, 1 << (Signal::SIGPIPE as u32 - 1), "{said:#?}");
    assert!(
        has("own group: true")
            && has("directory: /")
            && has("env KEPT=yes")
            && has("env GIVEN=by the parent"),
        "{said:#?}"
    );
    for removed in ["NOTIFY_SOCKET", "WATCHDOG_", "SECRET", "hunter2"] {
        assert!(
            !said.iter().any(|said| said.contains(removed)),
            "{removed}: {said:#?}"
        );
    }
}

#[test]
fn a_stop_asks_the_child_and_is_clean() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut parent = Parent::start(&["supervise", "10000", "wait"]);
        let child = parent.child();
        parent.line("ready");
        parent.signal(signal);
        assert_eq!(parent.code(), 0, "{signal}");
        assert!(!lives(child));
    }
}

#[test]
fn other_signals_change_nothing() {
    let mut parent = Parent::start(&["supervise", "10000", "wait"]);
    let child = parent.child();
    parent.line("ready");
    for signal in [
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGCHLD,
        Signal::SIGPIPE,
    ] {
        parent.signal(signal);
    }
    // The one signal that counts comes last; the kernel hands the others over first or with it.
    assert!(lives(child));
    parent.signal(Signal::SIGTERM);
    assert_eq!(parent.code(), 0);
}

#[test]
fn grace_then_kill() {
    let mut parent = Parent::start(&["supervise", "700", "ignore-term"]);
    let child = parent.child();
    parent.line("ready");
    let asked = Instant::now();
    parent.signal(Signal::SIGTERM);
    assert_eq!(parent.code(), 137);
    let took = asked.elapsed();
    assert!(
        took >= Duration::from_millis(700) && took < Duration::from_secs(4),
        "{took:?}"
    );
    assert!(!lives(child));
}

#[test]
fn a_childs_own_complaint_about_its_end_is_passed_on() {
    let mut parent = Parent::start(&["supervise", "10000", "count-term", "1", "3"]);
    parent.line("ready");
    parent.signal(Signal::SIGTERM);
    assert_eq!(parent.code(), 3);
}

#[test]
fn asking_again_neither_hurries_nor_restarts_the_grace() {
    // The child would end at a second SIGTERM; it must get one only, and live until the first one's deadline.
    let mut parent = Parent::start(&["supervise", "3000", "count-term", "2", "3"]);
    parent.line("ready");
    let asked = Instant::now();
    parent.signal(Signal::SIGTERM);
    parent.line("term 1");
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGTERM] {
        parent.signal(signal);
        std::thread::park_timeout(Duration::from_millis(700));
    }
    assert_eq!(parent.code(), 137);
    let took = asked.elapsed();
    // Counted anew from the last request, at 1.4 s, it would be 4.4 s.
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_millis(4300),
        "{took:?}"
    );
    let said = parent.everything();
    assert!(!said.iter().any(|line| line.contains("term 2")), "{said:#?}");
    assert_eq!(
        said.iter().filter(|line| line.contains("asked to stop")).count(),
        2,
        "{said:#?}"
    );
}

#[test]
fn the_gentle_way_comes_first_and_is_bounded() {
    let mut parent = Parent::start(&["gentle", "8000", "ends", "count-term", "1", "0"]);
    parent.line("ready");
    let asked = Instant::now();
    parent.signal(Signal::SIGTERM);
    parent.line("gentle");
    parent.line("term 1");
    assert_eq!(parent.code(), 0);
    assert!(
        asked.elapsed() < Duration::from_millis(1900),
        "it waited after the gentle way had ended"
    );

    let mut parent = Parent::start(&["gentle", "2000", "hangs", "count-term", "1", "0"]);
    parent.line("ready");
    let asked = Instant::now();
    parent.signal(Signal::SIGTERM);
    parent.line("gentle");
    parent.line("term 1");
    let told = asked.elapsed();
    assert!(
        told >= Duration::from_millis(500) && told < Duration::from_millis(1900),
        "{told:?}"
    );
    assert_eq!(parent.code(), 0);
}

#[test]
fn a_child_that_was_told_is_not_told_again() {
    let mut parent = Parent::start(&["gentle", "2000", "terminates", "count-term", "2", "3"]);
    parent.line("ready");
    parent.signal(Signal::SIGTERM);
    parent.line("term 1");
    assert_eq!(parent.code(), 137);
    let said = parent.everything();
    assert!(!said.iter().any(|line| line.contains("term 2")), "{said:#?}");
}

#[test]
fn a_child_that_dies_during_the_gentle_way_ends_it() {
    let mut parent = Parent::start(&["gentle", "60000", "hangs", "wait"]);
    let child = parent.child();
    parent.line("ready");
    parent.signal(Signal::SIGTERM);
    parent.line("gentle");
    send(child, Signal::SIGKILL);
    assert_eq!(parent.code(), 137);
}

#[test]
fn the_child_dies_with_a_killed_parent() {
    for signal in [Signal::SIGKILL, Signal::SIGABRT] {
        let mut parent = Parent::start(&["supervise", "5000", "ignore-term"]);
        let child = parent.child();
        parent.line("ready");
        parent.signal(signal);
        parent.wait_exit();
        eventually("the child to die", || (!lives(child)).then_some(()));
    }
}

#[test]
fn an_inherited_lock_lasts_until_the_last_fork_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let fork_and_wait = "sleep 1000 & echo fork $!; wait";
    let mut parent = Parent::start(&["locked", path.to_str().unwrap(), "/bin/sh", "-c", fork_and_wait]);
    let child = parent.child();
    let fork = parent
        .line("fork ")
        .split_once("fork ")
        .unwrap()
        .1
        .parse()
        .unwrap();
    parent.signal(Signal::SIGKILL);
    parent.wait_exit();
    eventually("the child to die", || (!lives(child)).then_some(()));
    let file = std::fs::File::open(&path).unwrap();
    assert!(lives(fork), "its parent's death is no concern of a fork");
    assert!(file.try_lock().is_err(), "held by the fork alone");
    send(fork, Signal::SIGKILL);
    eventually("the lock to be free", || file.try_lock().ok());
}

#[test]
fn the_child_outlives_the_thread_that_asked_for_it() {
    let mut parent = Parent::start(&["short-thread", "count-term", "1", "7"]);
    parent.line("thread that has ended");
    parent.line("ready");
    // Had the kernel taken the thread's end for the parent's, the child would be gone by 9, not by its own 7.
    parent.signal(Signal::SIGTERM);
    assert_eq!(parent.code(), 7);
}

#[test]
fn what_the_child_forked_ends_with_it() {
    let mut parent = Parent::start(&["supervise", "5000", "leave-a-fork"]);
    assert_eq!(parent.code(), 0);
    // The fork holds the standard output: its end shows that it is gone.
    parent.everything();
}

fn twenty_orphans(parent: &mut Parent, pid: i32) {
    parent.line("orphaned 20");
    // 20 living orphans and the child that made them; the generation between is reaped by the child.
    let known = eventually("20 orphans to arrive", || {
        Some(children_of(pid)).filter(|all| all.len() == 21)
    });
    let (maker, _) = known.iter().find(|(pid, _)| is_orphan_maker(*pid)).unwrap();
    send(*maker, Signal::SIGUSR1);
    parent.line("ready");
    let left = eventually("the orphans to be reaped", || {
        Some(children_of(pid)).filter(|all| all.len() == 1)
    });
    assert_eq!(left[0].0, *maker);
    assert_ne!(left[0].1, "Z", "{left:?}");
}

fn is_orphan_maker(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("orphans"))
}

#[test]
fn orphans_are_reaped() {
    let mut parent = Parent::start(&["supervise", "5000", "orphans", "20"]);
    let pid = parent.pid();
    twenty_orphans(&mut parent, pid);
    parent.signal(Signal::SIGTERM);
    assert_eq!(parent.code(), 0);
}

#[test]
fn does_all_that_as_pid_1() {
    if !root_or_skip("the duties of PID 1") {
        return;
    }
    let start = |args: &[&str]| {
        let mut parent = Parent::start_as_pid_1(args);
        assert_ne!(parent.child(), 1);
        parent
    };
    let pid_1 = |parent: &Parent| children_of(parent.pid())[0].0;

    let mut parent = start(&["supervise", "5000", "orphans", "20"]);
    let pid = pid_1(&parent);
    twenty_orphans(&mut parent, pid);
    send(pid, Signal::SIGTERM);
    assert_eq!(parent.code(), 0);

    // The child's own code, and a signal to PID 1 that the kernel would drop without a handler.
    let mut parent = start(&["supervise", "5000", "count-term", "1", "42"]);
    parent.line("ready");
    for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGINT] {
        send(pid_1(&parent), signal);
    }
    assert_eq!(parent.code(), 42);

    let mut parent = start(&["supervise", "300", "ignore-term"]);
    parent.line("ready");
    send(pid_1(&parent), Signal::SIGTERM);
    assert_eq!(parent.code(), 137);
}
