//! Events that come while something is wrong: they are kept, what is wrong is told, and when it is mended they are delivered.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{Collector, Need, Redis, Relay, eventually, require};

const DEADLINE: Duration = Duration::from_secs(30);
const ODOWN: [&str; 2] = ["+odown", "master m1 10.0.0.1 6379 #quorum 2/2"];

fn code(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

/// What is wrong with receivers costs no event: not even one that comes ten times within four hours.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_a_receiver_was_set_wrongly_is_delivered_when_it_is_mended() {
    let collector = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (conf, token) = (dir.path().join("conf"), dir.path().join("token"));
    let text = format!(
        "[HTTP]\nURL = \"{}\"\nTokenFile = {:?}\n",
        collector.url(),
        token.display().to_string()
    );
    std::fs::write(&conf, &text).unwrap();
    let relay = Relay::new().env("EVENTILATOR_CONFIG", conf.display().to_string());
    assert_eq!(
        code(&relay.call("eventilator", &ODOWN)),
        Some(0),
        "{}",
        relay.log()
    );
    let log = relay.log();
    let told = log
        .lines()
        .find(|line| line.contains("ERROR"))
        .unwrap_or_default();
    assert!(
        told.contains("[HTTP] TokenFile") && told.contains(&token.display().to_string()),
        "{log}"
    );
    let early = relay.call("eventilator", &["drain", "--mode", "eventilator"]);
    assert_eq!(code(&early), Some(64), "{early:?}");
    assert_eq!(collector.got().len(), 0);

    std::fs::write(&token, "sesame\n").unwrap();
    let drained = relay.call("eventilator", &["drain", "--mode", "eventilator"]);
    assert_eq!(code(&drained), Some(0), "{drained:?} {}", relay.log());
    assert_eq!(collector.keys().len(), 1);
    assert_eq!(collector.got()[0]["podname"], "m1");
}

#[test]
fn only_what_a_call_needs_must_be_good() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("conf");
    let call = |text: &str| {
        std::fs::write(&conf, text).unwrap();
        let relay = Relay::new().env("EVENTILATOR_CONFIG", conf.display().to_string());
        let output = relay.call("eventilator", &ODOWN);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (code(&output), relay.log() + &said)
    };
    for (text, told) in [
        ("[HTTP]\nEnabled = true\n", "no URL"),
        ("[Exec]\nCommand = \"page-somebody\"\n", "whole path"),
        ("[Slack]\nEnabled = true\n", "TokenFile"),
        (
            "[Slack]\nToken = \"a\"\n[[HTTP]]\nURL = 3\nMethod = \"GET\"\n",
            "GET",
        ),
        ("RedisPort = \"many\"\n", "RedisPort"),
        ("Timeout = \"soon\"\n", "Timeout"),
        ("Slack = 3\n", "[Slack]"),
        ("[Sentinel]\nPort = \"no\"\n", "[Sentinel] Port"),
        ("[Sentinel]\nPasswordFile = \"/nowhere\"\n", "PasswordFile"),
    ] {
        let (code, log) = call(text);
        assert_eq!(code, Some(0), "{text}: {log}");
        assert!(log.contains("ERROR") && log.contains(told), "{text}: {log}");
    }
    for (text, told) in [
        ("[Spool]\nMaxEvents = \"many\"\n", "MaxEvents"),
        (
            "[Spool]\nDirectory = [\"a\", \"b\"]\nMaxAge = \"never\"\n",
            "MaxAge",
        ),
        ("[Spool]\nMaxAge = \"1d\"\nmax_age = \"2d\"\n", "same key"),
        ("Spool = 3\n", "[Spool]"),
        ("[Slack\n", "line 1"),
    ] {
        let (code, log) = call(text);
        assert_eq!(code, Some(1), "{text}: {log}");
        assert!(log.contains(told), "{text}: {log}");
    }
}

const NOBODY: &str = "65534";

/// A relay whose program and directory anybody may reach, and whose spool's parent belongs to nobody. None without root, which says so.
fn relay_of_nobody() -> Option<Relay> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED, not tested: becoming another user takes root");
        return None;
    }
    // Debian's /etc/redis, where settings usually are, is closed to nobody.
    let relay = Relay::new().env("EVENTILATOR_CONFIG", "/dev/null");
    // A link to a build directory may lead where only root may go.
    let program = relay.script("eventilator");
    let copy = relay.dir().join("copy");
    std::fs::copy(&program, &copy).unwrap();
    std::fs::rename(&copy, &program).unwrap();
    std::fs::set_permissions(relay.dir(), Permissions::from_mode(0o755)).unwrap();
    let nobody = NOBODY.parse().ok();
    chown(relay.dir(), nobody, nobody).unwrap();
    Some(relay)
}

fn files(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_root_does_does_not_lock_sentinels_user_out() {
    let Some(relay) = relay_of_nobody() else { return };
    let collector = Collector::start().await;
    let relay = relay.env("EVENTILATOR_HTTP_URL", collector.url());
    let spool = relay.dir().join("spool");
    assert_eq!(
        code(&relay.call("eventilator", &ODOWN)),
        Some(0),
        "{}",
        relay.log()
    );
    let everything = files(&spool).into_iter().chain([spool, relay.dir().join("log")]);
    for file in everything {
        // Whoever delivers takes away what SQLite needs no more.
        let Ok(found) = std::fs::symlink_metadata(&file) else {
            continue;
        };
        assert_eq!((found.uid(), found.gid()), (65534, 65534), "{}", file.display());
    }
    let as_nobody = [
        "setpriv",
        "--reuid",
        NOBODY,
        "--regid",
        NOBODY,
        "--clear-groups",
        "--",
    ];
    let again = relay
        .command_under(&as_nobody, "eventilator", &["-odown", "master m1 10.0.0.1 6379"])
        .output()
        .unwrap();
    assert_eq!(code(&again), Some(0), "{again:?} {}", relay.log());
    let what = "both events to arrive";
    eventually(what, DEADLINE, async || match collector.keys().len() {
        2 => Ok(()),
        _ => Err(relay.log()),
    })
    .await;
}

/// The log may be root's, and is no reason to stay root.
#[test]
fn a_log_that_only_root_may_write_gives_way_to_standard_error() {
    let Some(relay) = relay_of_nobody() else { return };
    let (log, spool) = (relay.dir().join("log"), relay.dir().join("spool"));
    std::fs::write(&log, "").unwrap();
    std::fs::set_permissions(&log, Permissions::from_mode(0o600)).unwrap();
    // Here the directory itself is nobody's, and the one above it is root's.
    std::fs::create_dir(&spool).unwrap();
    chown(&spool, NOBODY.parse().ok(), NOBODY.parse().ok()).unwrap();
    chown(relay.dir(), Some(0), Some(0)).unwrap();
    let relay = relay.env("EVENTILATOR_HTTP_ENABLED", "true");
    let output = relay.call("eventilator", &ODOWN);
    assert_eq!(code(&output), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no URL"), "{said}");
    assert_eq!(relay.log(), "");
    let made = std::fs::metadata(spool.join("eventilator.db")).unwrap();
    assert_eq!((made.uid(), made.gid()), (65534, 65534));
}

/// What only root can read helps nobody who delivers; the event is spooled, and that is told.
#[test]
fn settings_that_only_root_may_read_are_told() {
    let Some(relay) = relay_of_nobody() else { return };
    let conf = relay.dir().join("conf");
    std::fs::write(&conf, "").unwrap();
    std::fs::set_permissions(&conf, Permissions::from_mode(0o600)).unwrap();
    let relay = relay.env("EVENTILATOR_CONFIG", conf.display().to_string());
    assert_eq!(
        code(&relay.call("eventilator", &ODOWN)),
        Some(0),
        "{}",
        relay.log()
    );
    let log = relay.log();
    assert!(log.contains("cannot be read: Permission denied"), "{log}");
}

/// An ACL user who may write our own keys only: nothing of it counts as counted, and with the right it is, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_refused_is_counted_once_when_the_right_is_given() {
    if !require(&[Need::Redis]) {
        return;
    }
    let store = Redis::start().await;
    let rights = async |words: &[&str]| {
        let words = [&["ACL", "SETUSER", "counter"][..], words].concat();
        store.command(&words).await.unwrap();
    };
    rights(&[
        "on",
        ">sesame",
        "~eventilator:*",
        "+@read",
        "+@write",
        "+@scripting",
        "+@connection",
    ])
    .await;
    let relay = Relay::new()
        .env("EVENTILATOR_REDIS_ENABLED", "true")
        .env("EVENTILATOR_REDIS_PORT", store.port().to_string())
        .env("EVENTILATOR_REDIS_USER", "counter")
        .env("EVENTILATOR_REDIS_AUTH", "sesame");
    let check = || {
        let output = relay.call("eventilator", &["--check", "--mode", "eventilator"]);
        (
            code(&output),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let drain = || relay.call("eventilator", &["drain", "--wait", "2s", "--mode", "eventilator"]);
    let (failed, told) = check();
    assert_eq!(failed, Some(1), "{told}");
    for right in [
        "~failovers:*",
        "~pods-with-*",
        "~sentinel:warnings*",
        "~warnings:*",
    ] {
        assert!(told.contains(right), "{right}: {told}");
    }
    assert!(
        !told.contains("~eventilator:*") && told.contains("does not work"),
        "{told}"
    );

    assert_eq!(code(&relay.call("eventilator", &ODOWN)), Some(0));
    let left = drain();
    assert_eq!(code(&left), Some(1), "{left:?} {}", relay.log());
    let log = relay.log();
    assert!(
        !log.contains("delivered sink=") && log.contains("sentinel:warnings:+odown:m1:timestamps"),
        "{log}"
    );

    // Some of it: what was counted is not counted again.
    rights(&["~sentinel:warnings*", "~pods-with-*"]).await;
    assert_eq!(code(&drain()), Some(1), "{}", relay.log());
    assert!(relay.log().contains("warnings:+odown:faillog"), "{}", relay.log());
    let (failed, told) = check();
    assert!(
        failed == Some(1) && told.contains("~warnings:*") && told.contains("~failovers:*"),
        "{told}"
    );
    assert!(!told.contains("~pods-with-*"), "{told}");

    rights(&["~failovers:*", "~warnings:*"]).await;
    assert_eq!(check().0, Some(0));
    for _ in 0..2 {
        let drained = drain();
        assert_eq!(code(&drained), Some(0), "{drained:?} {}", relay.log());
        relay.call("eventilator", &ODOWN);
    }
    for counter in [
        "sentinel:warnings:+odown:m1:counters",
        "sentinel:warnings:aggregated",
    ] {
        let counted = store.hash(counter).await;
        assert!(
            counted.len() == 5 && counted.values().all(|n| n == "1"),
            "{counter}: {counted:?}"
        );
    }
    let members = store
        .command(&["ZCARD", "warnings:+odown:faillog"])
        .await
        .unwrap();
    assert_eq!(members, testkit::Value::Int(1));
    assert_eq!(
        relay.log().matches(" delivered mode=").count(),
        1,
        "{}",
        relay.log()
    );
    // Nothing is left of the checks.
    let left = store.command(&["KEYS", "*eventilator-check*"]).await.unwrap();
    assert_eq!(left, testkit::Value::Array(vec![]));
}

/// What somebody else made of a key is no reason to count anything twice, or to wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_stops_no_other_counter() {
    if !require(&[Need::Redis]) {
        return;
    }
    let store = Redis::start().await;
    store.set("pods-with-warnings", "mine").await;
    store.set("sentinel:warnings:aggregated", "mine").await;
    let relay = Relay::new()
        .env("EVENTILATOR_REDIS_ENABLED", "true")
        .env("EVENTILATOR_REDIS_PORT", store.port().to_string());
    let checked = relay.call("eventilator", &["--check", "--mode", "eventilator"]);
    assert_eq!(code(&checked), Some(0), "{checked:?}");
    relay.call("eventilator", &ODOWN);
    let drained = relay.call("eventilator", &["drain", "--mode", "eventilator"]);
    assert_eq!(code(&drained), Some(0), "{drained:?} {}", relay.log());
    assert!(relay.log().contains("of another type"), "{}", relay.log());
    let counted = store.hash("sentinel:warnings:+odown:m1:counters").await;
    assert!(
        counted.len() == 5 && counted.values().all(|n| n == "1"),
        "{counted:?}"
    );
    for key in ["pods-with-warnings", "sentinel:warnings:aggregated"] {
        assert_eq!(store.get(key).await.as_deref(), Some("mine"), "{key}");
    }
}

#[test]
fn a_verb_of_roots_makes_no_file_of_roots() {
    let Some(relay) = relay_of_nobody() else { return };
    let relay = relay.env("RECONFIGURATOR_CONFIG", "/dev/null");
    let status = relay.call("eventilator", &["status"]);
    assert_eq!(code(&status), Some(0), "{status:?}");
    for file in files(&relay.dir().join("spool")) {
        let found = std::fs::symlink_metadata(&file).unwrap();
        assert_eq!((found.uid(), found.gid()), (65534, 65534), "{}", file.display());
    }
}
