//! Test processes run at the same time and must not take each other's ports.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// Printed by the test below when it runs in a process of its own.
const MARK: &str = "PORTS:";

#[test]
fn processes_never_share_a_port() {
    let mine: Vec<u16> = (0..50).map(|_| testkit::ports::free()).collect();
    // Each child is this test binary again; all hold their ports until they have printed all of them.
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "takes_ports_and_waits", "--ignored", "--nocapture"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut all: BTreeSet<u16> = mine.iter().copied().collect();
    assert_eq!(all.len(), mine.len());
    let mut count = mine.len();
    let mut waiting = Vec::new();
    for mut child in children {
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let line = loop {
            let mut line = String::new();
            assert_ne!(
                std::io::BufRead::read_line(&mut output, &mut line).unwrap(),
                0,
                "no ports printed"
            );
            if let Some((_, ports)) = line.split_once(MARK) {
                break ports.to_owned();
            }
        };
        for port in line.split_ascii_whitespace() {
            all.insert(port.parse().unwrap());
            count += 1;
        }
        waiting.push((child, output));
    }
    for (mut child, mut output) in waiting {
        drop(child.stdin.take());
        // It has more to say, and would take offence at a closed pipe.
        std::io::copy(&mut output, &mut std::io::sink()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(count, 50 * 5);
    assert_eq!(all.len(), count, "a port was handed out twice");
}

#[test]
#[ignore = "the other test runs it in processes of their own"]
fn takes_ports_and_waits() {
    let ports: Vec<String> = (0..50).map(|_| testkit::ports::free().to_string()).collect();
    println!("{MARK} {}", ports.join(" "));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn a_port_in_use_is_passed_over() {
    let port = testkit::ports::free();
    let _listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert!((0..100).all(|_| testkit::ports::free() != port));
}
