//! `sentinel-scriptify` against a real Sentinel: what it sets is set, and what it cannot set it tells how to.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Redis, Sentinel, ports};

/// What it said, and how it ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// As it is called: by its own name, with nothing in its environment but this.
fn scriptify(arguments: &[&str], env: &[(&str, &str)]) -> Said {
    let dir = TempDir::new().unwrap();
    let link = dir.path().join("sentinel-scriptify");
    symlink(env!("CARGO_BIN_EXE_eventilator"), &link).unwrap();
    said(
        Command::new(link)
            .args(arguments)
            .env_clear()
            .envs(env.iter().copied()),
    )
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// A directory with both scripts.
fn scripts() -> TempDir {
    let dir = TempDir::new().unwrap();
    // Sentinel may be another user.
    mode(dir.path(), 0o755);
    for name in ["eventilator", "reconfigurator"] {
        script(&dir.path().join(name));
    }
    dir
}

fn script(path: &Path) {
    std::fs::write(path, "#!/bin/sh\n").unwrap();
    mode(path, 0o755);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A master, and a Sentinel that watches it under two names.
async fn sentinel(lines: &[&str]) -> (Redis, Sentinel) {
    let master = Redis::start().await;
    let addr = master.addr();
    let mut builder = Sentinel::builder().monitor("m1", addr, 1).line(&format!(
        "sentinel monitor m2 {} {} 1",
        addr.host(),
        addr.port()
    ));
    for line in lines {
        builder = builder.line(line);
    }
    let sentinel = builder.start().await;
    (master, sentinel)
}

const ALLOWED: &str = "sentinel deny-scripts-reconfig no";
const WORDS: [(&str, &str); 2] = [
    ("notification-script", "eventilator"),
    ("client-reconfig-script", "reconfigurator"),
];

async fn assert_called(sentinel: &Sentinel, group: &str, word: &str, script: Option<&Path>) {
    let called = sentinel.field(group, word).await;
    assert_eq!(called.as_deref(), script.and_then(Path::to_str), "{group} {word}");
}

#[tokio::test]
async fn where_sentinel_takes_scripts_they_are_set_and_read_back() {
    let (_master, sentinel) = sentinel(&[ALLOWED]).await;
    let dir = scripts();
    let (port, path) = (sentinel.port().to_string(), dir.path().to_str().unwrap());
    let both = ["-s", "127.0.0.1", "-p", &port, "--both", "--commandpath", path];
    let dry = scriptify(&[&both[..], &["--dry-run"]].concat(), &[]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    assert_eq!(
        dry.out.matches("would be set (before: none)").count(),
        4,
        "{}",
        dry.out
    );
    assert_called(&sentinel, "m1", "notification-script", None).await;

    let set = scriptify(&both, &[]);
    assert_eq!((set.code, set.err.as_str()), (0, ""), "{}", set.out);
    assert_eq!(set.out.matches(": set (before: none)").count(), 4, "{}", set.out);
    for group in ["m1", "m2"] {
        for (word, script) in WORDS {
            assert_called(&sentinel, group, word, Some(&dir.path().join(script))).await;
        }
    }
    // Again changes nothing; another directory replaces.
    let again = scriptify(&both, &[]);
    assert_eq!(again.out.matches("already set").count(), 4, "{}", again.out);
    let other = scripts();
    let said = scriptify(
        &["-p", &port, "-e", "-c", other.path().to_str().unwrap(), "--json"],
        &[],
    );
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["result"]), (0, &"set".into()));
    assert_eq!(json["scripts"][0]["before"], format!("{path}/eventilator"));
    assert_eq!(json["sentinel_conf"], serde_json::json!([]));
    assert_called(
        &sentinel,
        "m1",
        "client-reconfig-script",
        Some(&dir.path().join("reconfigurator")),
    )
    .await;
    // It can start from what it has written.
    sentinel.restart().await;
    assert_called(
        &sentinel,
        "m2",
        "notification-script",
        Some(&other.path().join("eventilator")),
    )
    .await;
}

#[tokio::test]
async fn where_sentinel_takes_none_the_lines_for_its_file_are_printed_and_work() {
    let (_master, sentinel) = sentinel(&[]).await;
    let dir = scripts();
    let (port, path) = (sentinel.port().to_string(), dir.path().to_str().unwrap());
    let arguments = ["-p", &port, "-b", "-c", path];
    let refused = scriptify(&arguments, &[]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
    assert!(refused.err.contains("deny-scripts-reconfig"), "{}", refused.err);
    for group in ["m1", "m2"] {
        for (word, script) in WORDS {
            let line = format!("sentinel {word} {group} {path}/{script}");
            assert!(
                refused.out.lines().any(|said| said == line),
                "{line}: {}",
                refused.out
            );
            assert_called(&sentinel, group, word, None).await;
        }
    }
    assert!(
        refused
            .out
            .contains(&format!("NOTIFICATION_SCRIPT={path}/eventilator"))
    );
    assert!(
        refused
            .out
            .contains(&format!("CLIENT_RECONFIG_SCRIPT={path}/reconfigurator"))
    );

    let json: Value =
        serde_json::from_str(&scriptify(&[&arguments[..], &["--json"]].concat(), &[]).out).unwrap();
    assert_eq!(json["result"], "refused");
    assert_eq!(json["sentinel_conf"].as_array().map(Vec::len), Some(4));

    // As it tells: stop, append, start.
    sentinel.kill();
    let conf = sentinel.dir().join("sentinel.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, format!("{text}\n{}", refused.out)).unwrap();
    sentinel.restart().await;
    assert_called(
        &sentinel,
        "m2",
        "client-reconfig-script",
        Some(&dir.path().join("reconfigurator")),
    )
    .await;
    // What is there needs no setting, and so no leave.
    let already = scriptify(&arguments, &[]);
    assert_eq!(already.code, 0, "{}{}", already.out, already.err);
}

#[tokio::test]
async fn a_script_that_cannot_be_run_changes_nothing() {
    let (_master, sentinel) = sentinel(&[ALLOWED]).await;
    let dir = scripts();
    let port = sentinel.port().to_string();
    let reconfigurator = dir.path().join("reconfigurator");
    let spoil: [&dyn Fn(); 3] = [
        &|| mode(&reconfigurator, 0o644),
        &|| std::fs::remove_file(&reconfigurator).unwrap(),
        &|| std::fs::create_dir(&reconfigurator).unwrap(),
    ];
    for spoil in spoil {
        spoil();
        let said = scriptify(&["-p", &port, "-b", "-c", dir.path().to_str().unwrap()], &[]);
        assert_eq!(said.code, 1, "{}", said.out);
        assert!(
            said.err.contains(reconfigurator.to_str().unwrap()),
            "{}",
            said.err
        );
        assert_called(&sentinel, "m1", "notification-script", None).await;
    }
}

/// A name that is none of an interface of ours: the files there may be others, so the Sentinel is asked.
#[tokio::test]
async fn what_only_the_sentinel_finds_missing_is_undone() {
    let (_master, sentinel) = sentinel(&[ALLOWED]).await;
    let dir = scripts();
    let port = sentinel.port().to_string();
    std::fs::remove_file(dir.path().join("reconfigurator")).unwrap();
    // No IP address as anybody writes it, so it is not known to be ours; it leads here all the same.
    let by_name = ["-s", "127.1", "-p", &port];
    let said = scriptify(
        &[&by_name[..], &["-b", "-c", dir.path().to_str().unwrap()]].concat(),
        &[],
    );
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("by the Sentinel"), "{}", said.err);
    for group in ["m1", "m2"] {
        assert_called(&sentinel, group, "notification-script", None).await;
    }
}

#[tokio::test]
async fn a_password_is_taken_from_the_environment() {
    let master = Redis::start().await;
    let sentinel = Sentinel::builder()
        .monitor("m1", master.addr(), 1)
        .password("hush hush")
        .line(ALLOWED)
        .start()
        .await;
    let (dir, port) = (scripts(), sentinel.port().to_string());
    let file = dir.path().join("password");
    std::fs::write(&file, "hush hush\n").unwrap();
    let arguments = ["-p", &port, "-e", "-c", dir.path().to_str().unwrap()];
    for (env, code) in [
        (None, 1),
        (Some(("EVENTILATOR_SENTINEL_PASSWORD", "another")), 1),
        (Some(("EVENTILATOR_SENTINEL_PASSWORD", "hush hush")), 0),
        (
            Some(("EVENTILATOR_SENTINEL_PASSWORD_FILE", file.to_str().unwrap())),
            0,
        ),
        (Some(("EVENTILATOR_SENTINEL_PASSWORD_FILE", "/nowhere")), 64),
    ] {
        let said = scriptify(&arguments, env.as_slice());
        assert_eq!(said.code, code, "{env:?}: {}", said.err);
        assert!(
            !said.err.contains("another") && !said.err.contains("hush"),
            "{}",
            said.err
        );
    }
}

#[tokio::test]
async fn a_sentinel_that_cannot_be_asked_fails_in_time_and_the_lines_are_printed() {
    let dir = scripts();
    let path = dir.path().to_str().unwrap();
    let port = ports::free().to_string();
    let nobody = scriptify(&["-p", &port, "-e", "-c", path], &[]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("nothing listens"), "{}", nobody.err);
    let line = format!("sentinel notification-script <group> {path}/eventilator");
    assert!(nobody.out.contains(&line), "{}", nobody.out);

    let (_master, sentinel) = sentinel(&[ALLOWED]).await;
    sentinel.stop();
    let began = std::time::Instant::now();
    let hung = scriptify(&["-p", &sentinel.port().to_string(), "-e", "-c", path], &[]);
    sentinel.cont();
    assert_eq!(hung.code, 1);
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());

    let idle = Sentinel::builder().start().await;
    let none = scriptify(&["-p", &idle.port().to_string(), "-e", "-c", path], &[]);
    assert_eq!(none.code, 1);
    assert!(none.err.contains("watches no group"), "{}", none.err);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anybody_is_asked() {
    let said = scriptify(&[], &[]);
    assert_eq!(said.code, 64);
    for flag in ["--eventilator", "--reconfigurator", "--both"] {
        assert!(said.err.contains(flag), "{}", said.err);
    }
    for arguments in [
        &["-b", "-c", "bin"][..],
        &["-b", "-c", "/a b"],
        &["-b", "-s", "no host"],
        &["-b", "-p", "0"],
        &["-b", "-p", "x"],
        &["-x"],
    ] {
        let said = scriptify(arguments, &[]);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{arguments:?}");
        assert!(!said.err.is_empty());
    }
    let help = scriptify(&["--help"], &[]);
    assert_eq!(help.code, 0);
    for word in [
        "--sentineladdress",
        "-s",
        "--sentinelport",
        "--commandpath",
        "Exit codes",
        "26379",
        "/usr/sbin",
    ] {
        assert!(help.out.contains(word), "{word}: {}", help.out);
    }
    assert_eq!(scriptify(&["--version"], &[]).code, 0);
    // By a sub-command as well.
    let program = env!("CARGO_BIN_EXE_eventilator");
    assert_eq!(by_sub_command(program, &["scriptify", "--help"]).out, help.out);
}

fn by_sub_command(program: &str, arguments: &[&str]) -> Said {
    said(Command::new(program).args(arguments).env_clear())
}
