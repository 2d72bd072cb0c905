//! A program is believed by its exit code, and leaves nothing behind that it was not to start.

use std::path::Path;
use std::time::Instant;

use proptest::prelude::*;
use testkit::eventually;

use super::*;
use crate::message::Call;
use crate::receivers::tests::{PATIENCE, SHORT, any_message, failure, message, odown, trial};

fn config(script: &str) -> ExecConfig {
    ExecConfig {
        name: "exec:it".to_owned(),
        command: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned(), "it".to_owned()],
        trigger: Trigger::Every,
        timeout: PATIENCE,
    }
}

fn exec(script: &str) -> Exec {
    Exec::new(config(script)).unwrap()
}

/// One that has ended and is waited for by nobody is gone, too.
fn gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"));
    stat.map_or(true, |stat| stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

/// What a script has written there, once it has.
async fn written(file: &Path) -> String {
    let text = || std::fs::read_to_string(file).unwrap_or_default();
    eventually("the script to write", PATIENCE, async || text().ends_with('\n')).await;
    text()
}

#[tokio::test]
async fn a_program_gets_the_record_and_the_facts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("told");
    let script = format!(
        "{{ cat; echo $REDIS_EVENT/$REDIS_GROUP/$REDIS_EVENT_ID/$REDIS_EVENT_TRIAL; }} > {}",
        file.display()
    );
    exec(&script).send(&odown()).await.unwrap();
    let told = std::fs::read_to_string(&file).unwrap();
    let record = serde_json::to_string(&odown().record()).unwrap();
    assert_eq!(told, format!("{record}\n+odown/m1/m1/7/+odown/\n"));
    exec(&script).send(&trial()).await.unwrap();
    let told = std::fs::read_to_string(&file).unwrap();
    assert!(
        told.contains(r#""trial":true}"#) && told.ends_with("/true\n"),
        "{told}"
    );
}

#[tokio::test]
async fn a_failure_says_how_and_the_last_line() {
    for (script, wanted) in [
        (
            "echo no >&2; echo 'not \x1b[1mup' >&2; echo >&2; exit 3",
            "it exited with code 3: not \\u{1b}[1mup",
        ),
        ("echo on stdout; exit 75", "it exited with code 75"),
        ("kill -9 $$", "it was ended by signal 9"),
        ("seq 1 99999 >&2; exit 1", "it exited with code 1: 99999"),
    ] {
        assert_eq!(failure(&exec(script), &odown()).await, wanted);
    }
}

#[tokio::test]
async fn one_that_reads_nothing_may_end_well() {
    // More than a pipe holds.
    let long = message("+news", &"x".repeat(200_000));
    exec("exit 0").send(&long).await.unwrap();
    exec("exec <&-; sleep 0.1; exit 0").send(&long).await.unwrap();
    assert_eq!(failure(&exec("exit 4"), &long).await, "it exited with code 4");
}

#[tokio::test]
async fn one_that_never_stops_talking_is_heard_out() {
    exec("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; cat > /dev/null")
        .send(&odown())
        .await
        .unwrap();
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_its_grandchild() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!(
        "sh -c 'trap \"\" TERM; echo $$ > {}; sleep 1000; sleep 1000' & echo waiting >&2; wait",
        file.display()
    );
    let hangs = ExecConfig {
        timeout: Duration::from_secs(1),
        ..config(&script)
    };
    let began = Instant::now();
    let why = failure(&Exec::new(hangs).unwrap(), &odown()).await;
    assert_eq!(
        why,
        "no end after 1000 ms; killed with all it had started: waiting"
    );
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let pid = written(&file).await;
    eventually("the grandchild to be gone", PATIENCE, async || gone(&pid)).await;
}

#[tokio::test]
async fn one_that_floods_for_ever_is_killed() {
    let floods = ExecConfig {
        timeout: SHORT,
        ..config("yes >&2")
    };
    let why = failure(&Exec::new(floods).unwrap(), &odown()).await;
    assert_eq!(why, "no end after 300 ms; killed with all it had started: y");
}

#[tokio::test]
async fn what_it_leaves_in_the_background_goes_on_and_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = |code: u8| {
        format!(
            "sleep 30 & echo $! > {}; echo no >&2; exit {code}",
            file.display()
        )
    };
    let began = Instant::now();
    exec(&script(0)).send(&odown()).await.unwrap();
    let first = written(&file).await;
    assert_eq!(
        failure(&exec(&script(2)), &odown()).await,
        "it exited with code 2: no"
    );
    let second = written(&file).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for pid in [first, second] {
        assert!(!gone(&pid));
        std::process::Command::new("kill")
            .arg(pid.trim())
            .status()
            .unwrap();
    }
}

#[tokio::test]
async fn one_that_nobody_waits_for_any_more_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let exec = exec(&format!("echo $$ > {}; sleep 1000; sleep 1000", file.display()));
    let event = odown();
    tokio::select! {
        sent = exec.send(&event) => panic!("{sent:?}"),
        _ = written(&file) => {}
    }
    let pid = written(&file).await;
    eventually("the program to be gone", PATIENCE, async || gone(&pid)).await;
}

#[tokio::test]
async fn no_program_is_said() {
    let none = |command: &str| ExecConfig {
        command: command.into(),
        ..config("")
    };
    let why = failure(&Exec::new(none("/no/such/program")).unwrap(), &odown()).await;
    assert!(
        why.starts_with("`/no/such/program` could not be started: "),
        "{why}"
    );
    let error = Exec::new(none("")).unwrap_err().to_string();
    assert!(error.starts_with("exec:it: no path is set"), "{error}");
}

#[tokio::test]
async fn what_no_process_can_be_given_is_left_out() {
    let mut odd = odown();
    odd.id = "a\0b".to_owned();
    exec("test $REDIS_EVENT_ID = ab").send(&odd).await.unwrap();
    odd.call = Call::Notice(crate::event::Notice::read("+\0new-epoch", "8"));
    exec("test \"$REDIS_EVENT/$REDIS_GROUP\" = +new-epoch/")
        .send(&odd)
        .await
        .unwrap();
}

proptest! {
    #[test]
    fn no_event_breaks_it(message in any_message(), words in any::<Vec<u8>>()) {
        let exec = exec("");
        let command = exec.command(&message);
        for (_, value) in command.as_std().get_envs() {
            let bytes = value.map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
            prop_assert!(!bytes.contains(&0));
        }
        prop_assert!(!last_line(&words).contains(char::is_control));
    }
}
