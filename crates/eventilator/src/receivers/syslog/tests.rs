//! A log gets one line for each event, and no more time than there is.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram as Blocking;

use proptest::prelude::*;

use super::*;
use crate::receivers::tests::{
    Mood, PATIENCE, Plain, SHORT, any_message, failure, message, nobody, odown, trial,
};

fn config(to: SyslogTo) -> SyslogConfig {
    SyslogConfig {
        name: "syslog".to_owned(),
        to,
        facility: Facility::Local0,
        tag: "redis-events".to_owned(),
        trigger: Trigger::Every,
        timeout: PATIENCE,
    }
}

fn syslog(to: SyslogTo) -> Syslog {
    Syslog::new(config(to)).unwrap()
}

const TEXT: &str =
    "event=+odown pod=m1 id=m1/7/+odown epoch=7 description=master m1 10.0.0.1 6379 #quorum 2/3";

#[tokio::test]
async fn the_local_log_gets_a_line_of_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = UnixDatagram::bind(&path).unwrap();
    syslog(SyslogTo::Socket(path)).send(&odown()).await.unwrap();
    let mut some = [0; 4096];
    let count = log.recv(&mut some).await.unwrap();
    let line = String::from_utf8(some[..count].to_vec()).unwrap();
    // local0.err; the time is the host's own.
    let rest = line.strip_prefix("<131>").unwrap();
    let (time, rest) = rest.split_at(15);
    assert!(
        jiff::civil::DateTime::strptime("%Y %b %e %H:%M:%S", format!("2026 {time}")).is_ok(),
        "{line}"
    );
    assert_eq!(rest, format!(" redis-events[{}]: {TEXT}", std::process::id()));
}

#[tokio::test]
async fn a_full_log_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let _log = Blocking::bind(&path).unwrap();
    // A sender has a limit of its own, so several fill the queue until the first word of one finds no room.
    let mut senders = Vec::new();
    'full: loop {
        let sender = Blocking::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        sender.connect(&path).unwrap();
        for count in 0.. {
            match sender.send(b"x") {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && count == 0 => break 'full,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        senders.push(sender);
    }
    let full = SyslogConfig {
        timeout: SHORT,
        ..config(SyslogTo::Socket(path.clone()))
    };
    let why = failure(&Syslog::new(full).unwrap(), &odown()).await;
    assert_eq!(
        why,
        format!("the log at {} took nothing within 300 ms", path.display())
    );
}

#[tokio::test]
async fn no_log_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let why = failure(&syslog(SyslogTo::Socket(path.clone())), &odown()).await;
    assert!(
        why.starts_with(&format!("the log at {} did not take it: ", path.display())),
        "{why}"
    );
}

#[tokio::test]
async fn a_server_gets_a_datagram() {
    let log = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (host, port) = ("127.0.0.1".to_owned(), log.local_addr().unwrap().port());
    let udp = syslog(SyslogTo::Udp { host, port });
    udp.send(&odown()).await.unwrap();
    let mut some = [0; 4096];
    let count = log.recv(&mut some).await.unwrap();
    let line = String::from_utf8(some[..count].to_vec()).unwrap();
    let id = std::process::id();
    assert_eq!(
        line,
        format!("<131>1 2026-03-01T09:05:07.123456Z node-a redis-events {id} +odown - {TEXT}")
    );
    drop(log);
    let why = failure(&udp, &odown()).await;
    assert!(
        why.starts_with(&format!("the log at 127.0.0.1 port {port} did not take it: ")),
        "{why}"
    );
}

#[tokio::test]
async fn a_server_over_tcp_is_told_the_length() {
    let log = Plain::new(Mood::Hears("")).await;
    let to = |port| SyslogTo::Tcp {
        host: "localhost".to_owned(),
        port,
    };
    syslog(to(log.at.port())).send(&trial()).await.unwrap();
    let heard = log.heard().await;
    let (length, line) = heard.split_once(' ').unwrap();
    assert_eq!(length.parse(), Ok(line.len()), "{heard}");
    // local0.info, and a test.
    assert!(line.starts_with("<134>1 2026-"), "{line}");
    assert!(
        line.ends_with(&format!("This is a test, nothing is wrong: {TEXT}")),
        "{line}"
    );
    let hangs = Plain::new(Mood::Hangs).await;
    syslog(to(hangs.at.port())).send(&odown()).await.unwrap();
    let resets = Plain::new(Mood::Resets).await;
    let why = failure(&syslog(to(resets.at.port())), &odown()).await;
    assert!(why.contains("broke the connection"), "{why}");
    let at = nobody().await;
    let why = failure(&syslog(to(at.port())), &odown()).await;
    assert!(why.starts_with("no connection to localhost:"), "{why}");
}

#[test]
fn nobody_forges_a_line() {
    let event = message(
        "+news",
        "all is well\n<131>Mar  1 root[1]: forged\u{2028}\u{1b}[2J\0",
    );
    let line = line::rfc5424(&event, Facility::Daemon, "a tag:[x]\n", 2048);
    let wanted = r"description=all is well\n<131>Mar  1 root[1]: forged\u{2028}\u{1b}[2J\u{0}";
    assert!(line.ends_with(wanted), "{line}");
    assert!(
        line.starts_with("<28>1 ") && line.contains(" node-a atagx "),
        "{line}"
    );
    let local = line::rfc3164(&event, Facility::Daemon, "\n");
    assert!(
        local.starts_with("<28>") && local.contains(" eventilator["),
        "{local}"
    );
}

#[test]
fn a_facility_is_read_by_its_name() {
    assert_eq!("LOCAL7".parse(), Ok(Facility::Local7));
    assert_eq!("user".parse(), Ok(Facility::User));
    assert_eq!(Facility::default(), Facility::Daemon);
    let error = "kern".parse::<Facility>().unwrap_err().to_string();
    assert!(
        error.starts_with("`kern` is no facility of syslog; write daemon"),
        "{error}"
    );
    for (name, facility) in [("authpriv", 10), ("local0", 16)] {
        assert_eq!(name.parse::<Facility>().unwrap().number(), facility);
    }
}

#[test]
fn a_place_is_needed() {
    assert_eq!(SyslogTo::default(), SyslogTo::Socket("/dev/log".into()));
    let none = |to| Syslog::new(config(to)).unwrap_err().to_string();
    assert!(none(SyslogTo::Socket(PathBuf::new())).contains("no path is set"));
    let host = String::new();
    assert!(none(SyslogTo::Udp { host, port: 514 }).contains("no host is set"));
    let host = "log".to_owned();
    assert!(none(SyslogTo::Tcp { host, port: 0 }).contains("127.0.0.1 and 514"));
}

proptest! {
    #[test]
    fn no_event_breaks_it(message in any_message(), tag in any::<String>()) {
        let local = line::rfc3164(&message, Facility::Local7, &tag);
        let far = line::rfc5424(&message, Facility::Local7, &tag, line::DATAGRAM);
        prop_assert!(local.len() <= 1024 && far.len() <= 2048);
        for line in [local, far] {
            prop_assert!(!line.contains(char::is_control), "{line:?}");
            prop_assert!(line.contains("event="));
        }
    }
}
