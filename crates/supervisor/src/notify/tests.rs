//! The protocol against a real socket, as systemd would hold it.

use std::os::unix::net::UnixDatagram;

use super::*;

fn heard(systemd: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    systemd.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let length = systemd.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn whole_conversation(systemd: &UnixDatagram, name: &OsStr) {
    let own_pid = std::process::id().to_string();
    let notifier = Notifier::new(Some(name), Some("3000000"), Some(&own_pid)).unwrap();
    assert_eq!(notifier.watchdog_interval(), Some(Duration::from_millis(1500)));
    notifier.ready();
    assert_eq!(heard(systemd), "READY=1");
    notifier.status("replica of 10.0.0.7:6379\nREADY=0");
    assert_eq!(heard(systemd), "STATUS=replica of 10.0.0.7:6379 READY=0");
    notifier.clone().watchdog();
    assert_eq!(heard(systemd), "WATCHDOG=1");
    notifier.extend_timeout(Duration::from_secs(30));
    assert_eq!(heard(systemd), "EXTEND_TIMEOUT_USEC=30000000");
    notifier.stopping();
    assert_eq!(heard(systemd), "STOPPING=1");
}

#[test]
fn speaks_to_a_socket_in_the_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    whole_conversation(&systemd, path.as_os_str());
}

#[test]
fn speaks_to_an_abstract_socket() {
    let name = format!("supervisor-test-{}", std::process::id());
    let systemd = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    whole_conversation(&systemd, OsStr::new(&format!("@{name}")));
}

#[test]
fn does_nothing_without_a_socket() {
    for name in [None, Some(OsStr::new(""))] {
        let notifier = Notifier::new(name, Some("3000000"), None).unwrap();
        notifier.ready();
        notifier.watchdog();
        assert_eq!(notifier.watchdog_interval(), None);
    }
}

#[test]
fn a_name_that_is_no_socket_is_an_error() {
    for name in ["notify", "@", "./notify", &format!("/{}", "x".repeat(200))] {
        let error = Notifier::new(Some(OsStr::new(name)), None, None).err();
        assert!(
            matches!(error, Some(NotifyError::Address { .. })),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn a_systemd_that_went_away_or_does_not_read_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    let notifier = Notifier::new(Some(path.as_os_str()), None, None).unwrap();
    for _ in 0..10_000 {
        notifier.status("nobody reads this");
    }
    drop(systemd);
    notifier.ready();
}

#[test]
fn only_our_own_watchdog_is_fed() {
    let own = std::process::id().to_string();
    let table = [
        (None, None, None),
        (Some("2000000"), None, Some(2)),
        (Some("2000000"), Some(""), Some(2)),
        (Some("2000000"), Some(own.as_str()), Some(2)),
        (Some("2000000"), Some("1"), None),
        (Some("2000000"), Some("soon"), None),
        (Some("0"), None, None),
        (Some("often"), None, None),
    ];
    for (usec, pid, seconds) in table {
        assert_eq!(
            watchdog(usec, pid),
            seconds.map(Duration::from_secs),
            "{usec:?} {pid:?}"
        );
    }
}
