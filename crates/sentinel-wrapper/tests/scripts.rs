//! The scripts that Sentinel calls: that they are called, go on being called, and are checked beforehand.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Group, NAME, SOON, Wrapper, program};
use tempfile::TempDir;
use testkit::{Exit, eventually, ports};
use topology::Addr;

/// A script that adds a line to a file for each call: how many arguments, the arguments, and what it was told.
struct Script {
    file: PathBuf,
    calls: PathBuf,
}

impl Script {
    /// In a directory that Sentinel's own user, whoever that is, can write to.
    fn new(dir: &Path, name: &str) -> Self {
        let (file, calls) = (dir.join(name), dir.join(format!("{name}.calls")));
        let text = format!(
            "#!/bin/sh\necho \"$#: $*; $EVENTILATOR_SENTINEL_ADDRESS $EVENTILATOR_SENTINEL_PORT\" >> '{}'\n",
            calls.display()
        );
        std::fs::write(&file, text).unwrap();
        mode(&file, 0o755);
        Self { file, calls }
    }

    fn path(&self) -> String {
        self.file.to_str().unwrap().to_owned()
    }

    /// Waits for a call that looks like this.
    async fn wait_called(&self, like: impl Fn(&str) -> bool) -> String {
        eventually("a call of the script", SOON, async || {
            let calls = std::fs::read_to_string(&self.calls).unwrap_or_default();
            let found = calls.lines().find(|line| like(line)).map(str::to_owned);
            found.ok_or(calls)
        })
        .await
    }
}

fn mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What Sentinel says that it calls.
async fn called(wrapper: &Wrapper, word: &str) -> Option<String> {
    wrapper.sentinel.field(NAME, word).await
}

async fn wait_calls(wrapper: &Wrapper, word: &str, script: Option<String>) {
    eventually(&format!("{word} to be {script:?}"), SOON, async || {
        // Only of a Sentinel that answers it means something that a field is not there.
        let known = wrapper.sentinel.field(NAME, "name").await.is_some();
        let calls = called(wrapper, word).await;
        if known && calls == script {
            Ok(())
        } else {
            Err(format!("{calls:?}"))
        }
    })
    .await;
}

fn configuration(dir: &Path, port: u16) -> String {
    std::fs::read_to_string(dir.join(format!("sentinel-{port}/sentinel.conf"))).unwrap()
}

fn environment(wrapper: &Wrapper) -> String {
    let child = wrapper.program.child_pid().unwrap();
    let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap();
    String::from_utf8_lossy(&environment).replace('\0', "\n")
}

#[tokio::test]
async fn by_default_no_script_is_called_and_nobody_told() {
    let group = Group::start(0, 1).await;
    let wrapper = group.wrapper();
    wrapper.wait_registered(group.zk.client()).await;
    let port = wrapper.addr.port();
    let file = configuration(&group.data_dir(&port.to_string()), port);
    assert!(
        file.contains("sentinel monitor") && !file.contains("-script "),
        "{file}"
    );
    let environment = environment(&wrapper);
    assert!(!environment.contains("EVENTILATOR"), "{environment}");
}

#[tokio::test]
async fn each_event_is_a_call_with_two_arguments_also_after_a_rewritten_file_and_a_restart() {
    let group = Group::start(0, 1).await;
    let dir = group.data_dir("an \"odd\" place");
    let script = Script::new(&dir, "notify me.sh");
    let port = ports::free();
    let asked = || program(&group.zk.hosts(), port, &dir);
    let template = dir.join("mine.conf");
    let of_user = format!("sentinel notification-script {NAME} /bin/true\n");
    std::fs::write(&template, of_user).unwrap();
    let asked_both = asked()
        .env("NOTIFICATION_SCRIPT", script.path())
        .env("SENTINEL_CONF", template.display().to_string());
    let wrapper = Wrapper::start(port, asked_both);
    let master = group.master.addr();
    let told = format!(
        "2: +monitor master {NAME} {} {} quorum 2; 127.0.0.1 {port}",
        master.host(),
        master.port()
    );
    script.wait_called(|line| line == told).await;
    let log = wrapper.program.log();
    let named = |line: &str| line.contains("no effect") && line.contains("sentinel notification-script");
    assert!(log.lines().any(named), "a setting wins, and says so: {log}");
    // Forgetting ghosts, and what Sentinel writes of its own accord, take nothing away.
    for command in [&["SENTINEL", "RESET", NAME][..], &["SENTINEL", "FLUSHCONFIG"]] {
        wrapper.sentinel.command(command).await.unwrap();
        assert_eq!(called(&wrapper, "notification-script").await, Some(script.path()));
    }
    // Sentinel writes such a path without quotes, and could not start from that file; the next start does not.
    wrapper.program.terminate();
    assert_eq!(wrapper.program.wait_exit(SOON).await, Exit::Code(0));
    std::fs::remove_file(&script.calls).unwrap();
    wrapper.program.restart();
    script.wait_called(|line| line == told).await;
    drop(wrapper);
    let without = Wrapper::start(port, asked());
    wait_calls(&without, "notification-script", None).await;
    assert!(!configuration(&dir, port).contains("-script "));
}

#[tokio::test]
async fn a_failover_is_a_call_with_seven_arguments() {
    let group = Group::start(1, 1).await;
    let dir = group.data_dir("clients");
    let script = Script::new(&dir, "reconfigure.sh");
    let port = ports::free();
    let program = program(&group.zk.hosts(), port, &dir)
        .env("CLIENT_RECONFIG_SCRIPT", script.path())
        .env("SENTINEL_QUORUM", "1");
    let wrapper = Wrapper::start(port, program);
    wrapper.sentinel.wait_knows(NAME, 1, 0, SOON).await;
    let replica = group.replicas[0].addr();
    eventually("a failover", SOON, async || {
        let asked = wrapper.sentinel.command(&["SENTINEL", "FAILOVER", NAME]).await;
        asked.map_err(|problem| problem.to_string())
    })
    .await;
    let at = |addr: &Addr| format!("{} {}", addr.host(), addr.port());
    let (from, to) = (at(group.master.addr()), at(replica));
    let told = format!("7: {NAME} leader start {from} {to}; 127.0.0.1 {port}");
    script.wait_called(|line| line == told).await;
    // Another master, by its own failover or by a hello, is the same group to Sentinel.
    eventually("the new master", SOON, async || {
        wrapper
            .sentinel
            .master(NAME)
            .await
            .filter(|master| master == replica)
    })
    .await;
    assert_eq!(
        called(&wrapper, "client-reconfig-script").await,
        Some(script.path())
    );
}

/// Whoever removes the group and has it monitored again takes its scripts away, and nobody may set them at runtime.
#[tokio::test]
async fn scripts_come_back_when_somebody_has_the_group_monitored_anew() {
    let group = Group::start(1, 1).await;
    // Without an epoch Sentinel is in step at once, as after the hello of a neighbour.
    group.zk.client().delete("/redis/state").await;
    let dir = group.data_dir("anew");
    let script = Script::new(&dir, "notify.sh");
    let port = ports::free();
    let program = program(&group.zk.hosts(), port, &dir)
        .env("NOTIFICATION_SCRIPT", script.path())
        .env("CLIENT_RECONFIG_SCRIPT", script.path());
    let wrapper = Wrapper::start(port, program);
    wrapper.wait_registered(group.zk.client()).await;
    let words = ["notification-script", "client-reconfig-script"];
    for word in words {
        wait_calls(&wrapper, word, Some(script.path())).await;
    }
    let refused = ["SENTINEL", "SET", NAME, "notification-script", "/bin/true"];
    assert!(wrapper.sentinel.command(&refused).await.is_err());
    let (host, master_port) = (group.master.addr().host(), group.master.addr().port().to_string());
    let monitor = ["SENTINEL", "MONITOR", NAME, host, &master_port, "2"];
    // A look may fall between the two; then it is another cure that works.
    let lost = "a script is not called";
    eventually("scripts to be missed", SOON, async || {
        let _ = wrapper.sentinel.command(&["SENTINEL", "REMOVE", NAME]).await;
        let _ = wrapper.sentinel.command(&monitor).await;
        let looked = async || wrapper.program.log().contains(lost).then_some(());
        tokio::time::timeout(SOON / 4, eventually("a look", SOON, looked))
            .await
            .ok()
    })
    .await;
    for word in words {
        wait_calls(&wrapper, word, Some(script.path())).await;
    }
}

/// Sentinel would refuse to start with it, and a group needs its Sentinels more than its alerts. One that was only being replaced
/// must not be forgotten for that.
#[tokio::test]
async fn a_script_that_is_gone_keeps_no_sentinel_from_being_started_again_and_is_called_once_it_is_back() {
    let group = Group::start(0, 1).await;
    let dir = group.data_dir("gone");
    let [kept, gone] = ["kept.sh", "gone.sh"].map(|name| Script::new(&dir, name));
    let port = ports::free();
    let program = program(&group.zk.hosts(), port, &dir)
        .env("NOTIFICATION_SCRIPT", gone.path())
        .env("CLIENT_RECONFIG_SCRIPT", kept.path());
    let wrapper = Wrapper::start(port, program);
    wait_calls(&wrapper, "notification-script", Some(gone.path())).await;
    let child = wrapper.program.child_pid();
    std::fs::remove_file(&gone.file).unwrap();
    wrapper
        .sentinel
        .command(&["SENTINEL", "REMOVE", NAME])
        .await
        .unwrap();
    let line = wrapper
        .program
        .wait_log("a script cannot be run any more", SOON)
        .await;
    assert!(line.contains(&gone.path()), "{line}");
    wait_calls(&wrapper, "client-reconfig-script", Some(kept.path())).await;
    wait_calls(&wrapper, "notification-script", None).await;
    let without = wrapper.program.child_pid();
    assert_ne!(without, child);
    let gone = Script::new(&dir, "gone.sh");
    wait_calls(&wrapper, "notification-script", Some(gone.path())).await;
    assert_eq!(
        called(&wrapper, "client-reconfig-script").await,
        Some(kept.path())
    );
    assert_ne!(wrapper.program.child_pid(), without);
    gone.wait_called(|line| line.starts_with("2: +monitor ")).await;
    let log = wrapper.program.log();
    let said = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(said("a script can be run again"), 1, "{log}");
    assert_eq!(
        said("sentinel is started again"),
        2,
        "once without it and once with it: {log}"
    );
}

#[tokio::test]
async fn a_script_that_cannot_be_run_is_one_clear_error() {
    let dir = TempDir::new().unwrap();
    let plain = dir.path().join("plain.sh");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    mode(&plain, 0o644);
    let refused = async |script: &Path, why: &str| {
        let script = script.display().to_string();
        let wrapper = program("127.0.0.1:1", ports::free(), dir.path())
            .env("NOTIFICATION_SCRIPT", "/bin/true")
            .env("CLIENT_RECONFIG_SCRIPT", &script)
            .start();
        assert_eq!(wrapper.wait_exit(SOON).await, Exit::Code(64));
        let log = wrapper.log();
        let wrong = format!("CLIENT_RECONFIG_SCRIPT: `{script}` {why}");
        assert!(log.contains(&wrong) && log.contains("executable"), "{log}");
        assert!(log.contains("one problem"), "{log}");
    };
    refused(&dir.path().join("gone.sh"), "cannot be found").await;
    refused(dir.path(), "is not a file").await;
    refused(&plain, "cannot be run (Permission denied").await;
}

#[tokio::test]
async fn a_script_is_run_as_the_user_whom_run_as_names() {
    if std::fs::metadata("/proc/self")
        .map(|own| std::os::unix::fs::MetadataExt::uid(&own))
        .unwrap()
        != 0
    {
        eprintln!("SKIPPED, not tested: RUN_AS needs root");
        return;
    }
    let group = Group::start(0, 1).await;
    let dir = TempDir::new().unwrap();
    mode(dir.path(), 0o777);
    let script = Script::new(dir.path(), "notify.sh");
    let password = dir.path().join("password");
    std::fs::write(&password, "sesame").unwrap();
    mode(&password, 0o600);
    let port = ports::free();
    let program = || {
        program(&group.zk.hosts(), port, dir.path())
            .env("RUN_AS", "nobody")
            .env("NOTIFICATION_SCRIPT", script.path())
            .env("SENTINEL_PASSWORD_FILE", password.display().to_string())
    };
    mode(&script.file, 0o700);
    let refused = program().start();
    assert_eq!(refused.wait_exit(SOON).await, Exit::Code(64));
    let log = refused.log();
    assert!(
        log.contains("NOTIFICATION_SCRIPT: `") && log.contains("cannot be run by `nobody`"),
        "{log}"
    );
    mode(&script.file, 0o755);
    let wrapper = program().start();
    script.wait_called(|line| line.starts_with("2: +monitor ")).await;
    let log = wrapper.log();
    assert!(
        log.contains("the scripts of Sentinel cannot read the file"),
        "{log}"
    );
    assert!(!log.contains("sesame"), "{log}");
}
