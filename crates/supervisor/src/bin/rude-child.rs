//! A child that behaves badly on purpose, for the tests of this crate; nobody installs it.
//!
//! It waits on pipes and signals, never on time, so that a test decides when things happen.

#![expect(clippy::print_stdout, reason = "its lines are what the tests read")]

use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpgrp, getpid, pause};

fn main() -> ExitCode {
    let args = std::env::args().skip(1).collect::<Vec<_>>();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["exit", code] => ExitCode::from(code.parse::<u8>().unwrap_or(99)),
        ["wait"] => ready_for_ever(),
        ["ignore-term"] => {
            let _ = SigSet::from(Signal::SIGTERM).thread_block();
            ready_for_ever()
        }
        ["count-term", enough, code] => count_term(enough.parse().unwrap_or(1), code.parse().unwrap_or(99)),
        ["describe"] => describe(),
        ["leave-a-fork"] => leave_a_fork(),
        ["orphans", count] => orphans(count.parse().unwrap_or(1)),
        // The two generations below `orphans`.
        ["middle"] => start_self("leaf", Stdio::inherit()),
        ["leaf"] => {
            let _ = std::io::stdin().read(&mut [0]);
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(64),
    }
}

fn ready_for_ever() -> ExitCode {
    say("ready");
    loop {
        pause();
    }
}

/// Ends with `code` after the `enough`th SIGTERM.
fn count_term(enough: u32, code: u8) -> ExitCode {
    let term = SigSet::from(Signal::SIGTERM);
    let _ = term.thread_block();
    say("ready");
    for number in 1..=enough {
        let _ = term.wait();
        say(&format!("term {number}"));
    }
    ExitCode::from(code)
}

fn describe() -> ExitCode {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| {
        ["SigBlk", "SigIgn", "SigCgt"]
            .iter()
            .any(|name| line.starts_with(name))
    }) {
        say(line);
    }
    say(&format!("own group: {}", getpgrp() == getpid()));
    say(&format!(
        "directory: {}",
        std::env::current_dir().unwrap_or_default().display()
    ));
    for (name, value) in std::env::vars() {
        say(&format!("env {name}={value}"));
    }
    ExitCode::SUCCESS
}

/// Ends and leaves a process of its group behind.
fn leave_a_fork() -> ExitCode {
    let exit = start_self("wait", Stdio::null());
    say("left");
    exit
}

/// Orphans many processes, lets them all end at one moment, and goes on.
fn orphans(count: usize) -> ExitCode {
    let Ok((alive, held)) = std::io::pipe() else {
        return ExitCode::FAILURE;
    };
    for _ in 0..count {
        let Ok(stdin) = alive.try_clone() else {
            return ExitCode::FAILURE;
        };
        let middle = Command::new(own_path()).arg("middle").stdin(stdin).spawn();
        if middle.and_then(|mut middle| middle.wait()).is_err() {
            return ExitCode::FAILURE;
        }
    }
    // It is sent as soon as the line below is read.
    let _ = SigSet::from(Signal::SIGUSR1).thread_block();
    say(&format!("orphaned {count}"));
    // Not before the test has seen them.
    let _ = SigSet::from(Signal::SIGUSR1).wait();
    drop(held);
    ready_for_ever()
}

fn start_self(verb: &str, stdin: Stdio) -> ExitCode {
    match Command::new(own_path()).arg(verb).stdin(stdin).spawn() {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn own_path() -> std::path::PathBuf {
    std::env::current_exe().unwrap_or_default()
}

fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}
