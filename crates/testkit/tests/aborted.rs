//! A test that is killed leaves no server behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::{Launch, Process, eventually};

/// Printed by the test below when it runs in a process of its own.
const MARK: &str = "STARTED:";

#[tokio::test]
async fn a_killed_test_takes_its_servers_along() {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "starts_something_and_waits",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(test.stdout.take().unwrap());
    let pid = output
        .lines()
        .find_map(|line| Some(line.unwrap().split_once(MARK)?.1.trim().to_owned()))
        .expect("the other test tells what it started");
    assert!(is_alive(&pid));
    test.kill().unwrap();
    test.wait().unwrap();
    eventually("the server to die", Duration::from_secs(5), async || {
        !is_alive(&pid)
    })
    .await;
}

fn is_alive(pid: &str) -> bool {
    // A zombie has no command line any more.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
#[ignore = "the other test runs it in a process of its own"]
fn starts_something_and_waits() {
    // The thread that asks for the process is not the one that must live on.
    let process = std::thread::spawn(|| {
        let dir = std::env::temp_dir();
        Process::spawn(Launch {
            name: "a server".to_owned(),
            program: "/bin/sleep".into(),
            args: vec!["1000".into()],
            env: Vec::new(),
            log: "/dev/null".into(),
            dir,
        })
    })
    .join()
    .unwrap();
    println!("{MARK} {}", process.pid());
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
