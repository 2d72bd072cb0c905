//! Calls as Sentinel makes them: many at once, with sinks that are away, and killed at every write.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world is not as it must be"
)]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use testkit::{Collector, Need, Redis, Relay, eventually, require, soak};

const DEADLINE: Duration = Duration::from_secs(30);
const ODOWN: [&str; 2] = ["+odown", "master m1 10.0.0.1 6379 #quorum 2/2"];
const MOVED: [&str; 7] = ["m1", "leader", "start", "10.0.0.1", "6379", "10.0.0.2", "6379"];

fn code(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

async fn collected(collector: &Collector, events: usize) -> BTreeMap<String, usize> {
    eventually("every event to arrive", DEADLINE, async || {
        let keys = collector.keys();
        if keys.len() >= events {
            Ok(keys)
        } else {
            Err(keys.len())
        }
    })
    .await
}

/// Waits until nobody delivers any more, so that what is there is all there will be.
async fn over(relay: &Relay) {
    eventually("the drainer to end", DEADLINE, async || {
        relay.drainers().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_at_once_and_its_event_arrives_once() {
    let collector = Collector::start().await;
    let relay = Relay::new().env("EVENTILATOR_HTTP_URL", collector.url());
    for _ in 0..3 {
        assert_eq!(code(&relay.call("eventilator", &ODOWN)), Some(0));
    }
    let keys = collected(&collector, 1).await;
    over(&relay).await;
    assert_eq!(
        keys.into_values().collect::<Vec<_>>(),
        [1],
        "{:?}",
        collector.got()
    );
    let record = &collector.got()[0];
    assert_eq!(
        (
            &record["event"],
            &record["podname"],
            &record["votes"],
            &record["port"]
        ),
        (&"+odown".into(), &"m1".into(), &2.into(), &6379.into())
    );
    let log = relay.log();
    assert!(log.contains("delivered") && log.contains("10.0.0.1"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_in_a_burst_arrive_each_once() {
    let collector = Collector::start().await;
    let relay = std::sync::Arc::new(Relay::new().env("EVENTILATOR_HTTP_URL", collector.url()));
    // As many at once as Sentinel starts.
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..16 {
        let relay = relay.clone();
        callers.spawn_blocking(move || {
            for n in (caller..1000).step_by(16) {
                let text = format!("master m{n} 10.0.0.1 6379");
                assert_eq!(code(&relay.call("eventilator", &["+odown", &text])), Some(0));
            }
        });
    }
    callers.join_all().await;
    let keys = collected(&collector, 1000).await;
    over(&relay).await;
    assert_eq!(keys.len(), 1000);
    assert_eq!(collector.got().len(), 1000, "none twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_missed_it_gets_once_when_it_is_back_and_the_others_do_not_wait() {
    let (well, away) = (Collector::start().await, Collector::start().await);
    away.set_away(true);
    let conf = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[[HTTP]]\nName = \"well\"\nURL = \"{}\"\n[[HTTP]]\nName = \"away\"\nURL = \"{}\"\n",
        well.url(),
        away.url()
    );
    std::fs::write(conf.path(), text).unwrap();
    let relay = Relay::new().env("EVENTILATOR_CONFIG", conf.path().display().to_string());
    for n in 0..20 {
        relay.call("eventilator", &["+odown", &format!("master m{n} 10.0.0.1 6379")]);
    }
    collected(&well, 20).await;
    // Nobody waits for the one that is away; and a drainer that dies changes nothing.
    assert_eq!(away.got().len(), 0);
    assert_eq!(relay.kill_drainers(), 1);
    let left = relay.call(
        "eventilator",
        &["drain", "--wait", "300ms", "--mode", "eventilator"],
    );
    assert_eq!(code(&left), Some(1), "{left:?}");
    let status = relay.call("eventilator", &["status", "--mode", "eventilator"]);
    let told = String::from_utf8(status.stdout.clone()).unwrap();
    assert!(told.contains("waiting 20") && told.contains("503"), "{told}");
    assert_eq!(code(&status), Some(1));
    away.set_away(false);
    let drained = relay.call("eventilator", &["drain", "--mode", "eventilator"]);
    assert_eq!(code(&drained), Some(0), "{drained:?}");
    for sink in [&well, &away] {
        assert_eq!(sink.keys().len(), 20);
        assert_eq!(sink.got().len(), 20, "none twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_delivers_what_the_one_before_could_not() {
    let collector = Collector::start().await;
    collector.set_away(true);
    let relay = Relay::new().env("EVENTILATOR_HTTP_URL", collector.url());
    relay.call("eventilator", &ODOWN);
    eventually("a try", DEADLINE, async || {
        relay.log().contains("not delivered yet")
    })
    .await;
    relay.kill_drainers();
    collector.set_away(false);
    relay.call("eventilator", &["-odown", "master m1 10.0.0.1 6379"]);
    collected(&collector, 2).await;
    assert_eq!(collector.got().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_delivers_and_ends_when_it_is_asked_to() {
    let collector = Collector::start().await;
    let relay = Relay::new().env("EVENTILATOR_HTTP_URL", collector.url());
    let mut service = relay
        .command("eventilator", &["serve", "--mode", "eventilator"])
        .spawn()
        .unwrap();
    eventually("the service to deliver", DEADLINE, async || {
        relay.call("eventilator", &ODOWN);
        (!collector.got().is_empty()).then_some(())
    })
    .await;
    let asked = std::process::Command::new("kill")
        .arg(service.id().to_string())
        .status();
    assert!(asked.unwrap().success());
    let ended = tokio::task::spawn_blocking(move || service.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(collector.got().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_is_bounded_and_the_oldest_go_with_a_count() {
    let collector = Collector::start().await;
    collector.set_away(true);
    let relay = Relay::new()
        .env("EVENTILATOR_HTTP_URL", collector.url())
        .env("EVENTILATOR_SPOOL_MAX_EVENTS", "20");
    for n in 0..50 {
        relay.call("eventilator", &["+odown", &format!("master m{n} 10.0.0.1 6379")]);
    }
    relay.kill_drainers();
    collector.set_away(false);
    let drained = relay.call("eventilator", &["drain", "--mode", "eventilator"]);
    assert_eq!(code(&drained), Some(0), "{drained:?}");
    let got = collector.got();
    assert!(
        got.len() <= 21 && got.iter().any(|event| event["podname"] == "m49"),
        "{}",
        got.len()
    );
    let status = relay.call("eventilator", &["status", "--json", "--mode", "eventilator"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        status[0]["dropped"].as_u64().unwrap() + got.len() as u64,
        50,
        "{status}"
    );
}

/// Kills the call at each of its system calls that write, once at each, and calls again as Sentinel does. The drainer, which is another process,
/// has a test of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_killed_at_any_write_is_told_once_after_the_next() {
    if !require(&[Need::Strace, Need::Redis]) {
        return;
    }
    let store = Redis::start().await;
    let mut kills = 0;
    for (name, arguments) in [("eventilator", &ODOWN[..]), ("reconfigurator", &MOVED[..])] {
        let writes = {
            let collector = Collector::start().await;
            writes(&relay_with_store(&collector, &store), name, arguments)
        };
        assert!(
            writes.iter().any(|(call, _)| call == "fsync") && writes.len() > 20,
            "{writes:?}"
        );
        for (call, nth) in writes {
            let collector = Collector::start().await;
            let relay = relay_with_store(&collector, &store);
            store.command(&["FLUSHALL"]).await.unwrap();
            kills += usize::from(strace_kill(&relay, &call, nth, name, arguments));
            let again = relay.call(name, arguments);
            let what = format!("call killed at {call} {nth}");
            assert_eq!(code(&again), Some(0), "{name}, {what}: {again:?} {}", relay.log());
            let repeated = exactly_once(&collector, &relay, &store, name, &what).await;
            assert_eq!(repeated, 0, "{what}: {}", relay.log());
        }
    }
    assert!(kills > 40, "{kills}");
    soak::report(
        "relay: a call is killed at a write",
        kills,
        "counted once and sent once each time",
    );
}

/// The same with whoever delivers.
#[tokio::test(flavor = "multi_thread")]
async fn a_drainer_killed_at_any_write_leaves_what_the_next_delivers_once() {
    if !require(&[Need::Strace, Need::Redis]) {
        return;
    }
    let store = Redis::start().await;
    // Every write in a soak; in a run of the tests some of them.
    let stride = soak::rounds(7, 1);
    let (mut repeated, mut kills) = (0, 0);
    for (name, arguments) in [("eventilator", &ODOWN[..]), ("reconfigurator", &MOVED[..])] {
        let drain = ["drain", "--wait", "20s", "--mode", name];
        let mut at = 0;
        let mut all: Vec<(String, usize)> = Vec::new();
        loop {
            let collector = Collector::start().await;
            collector.set_away(true);
            let relay = relay_with_store(&collector, &store);
            store.command(&["FLUSHALL"]).await.unwrap();
            relay.call(name, arguments);
            // It may not have begun yet.
            eventually("the drainer to be killed", DEADLINE, async || {
                relay.kill_drainers() > 0
            })
            .await;
            over(&relay).await;
            collector.set_away(false);
            if all.is_empty() {
                all = writes(&relay, name, &drain);
                assert!(all.len() > 20, "{all:?}");
                continue;
            }
            let Some((call, nth)) = all.get(at) else { break };
            at += stride;
            kills += usize::from(strace_kill(&relay, call, *nth, name, &drain));
            relay.call(name, arguments);
            let what = format!("drainer killed at {call} {nth}");
            repeated += exactly_once(&collector, &relay, &store, name, &what).await;
        }
    }
    // Between the receiver's answer and our note of it nobody can know; the receiver can, by the key.
    let seen = format!("counted once each time; sent again with the same key {repeated} times");
    soak::report("relay: the drainer is killed at a write", kills, &seen);
}

/// System calls that write: to files, to directories and to sockets.
const WRITES: &str =
    "write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync,ftruncate,rename,unlink,mkdir,fallocate";

/// What it writes when nobody kills it: each system call, and the how-manieth of its kind it is.
fn writes(relay: &Relay, name: &str, arguments: &[&str]) -> Vec<(String, usize)> {
    let trace = relay.dir().join("trace");
    let file = trace.display().to_string();
    let filter = format!("trace={WRITES}");
    let under = ["strace", "-qq", "-o", &file, "-e", &filter];
    let ended = relay.command_under(&under, name, arguments).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let text = std::fs::read_to_string(trace).unwrap();
    let calls = text
        .lines()
        .filter_map(|line| line.split_once('('))
        .map(|(call, _)| call);
    calls
        .filter(|call| WRITES.split(',').any(|write| write == *call))
        .map(|call| {
            let nth = seen.entry(call.to_owned()).or_default();
            *nth += 1;
            (call.to_owned(), *nth)
        })
        .collect()
}

fn relay_with_store(collector: &Collector, store: &Redis) -> Relay {
    Relay::new()
        .env("EVENTILATOR_HTTP_URL", collector.url())
        .env("EVENTILATOR_REDIS_ENABLED", "true")
        .env("EVENTILATOR_REDIS_PORT", store.port().to_string())
}

/// Runs it under strace, which kills it as it begins that system call. Whether it came to that.
fn strace_kill(relay: &Relay, call: &str, nth: usize, name: &str, arguments: &[&str]) -> bool {
    let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
    let under = ["strace", "-qq", "-o", "/dev/null", "-e", &inject];
    let ended = relay.command_under(&under, name, arguments).output().unwrap();
    ended.status.signal() == Some(9) || ended.status.code() == Some(137)
}

/// Waits until it is delivered, and sees that it was counted once and sent under one key. How often it was sent again.
async fn exactly_once(collector: &Collector, relay: &Relay, store: &Redis, name: &str, what: &str) -> usize {
    let drained = relay.call(name, &["drain", "--mode", name]);
    assert_eq!(code(&drained), Some(0), "{what}: {drained:?} {}", relay.log());
    let keys = collector.keys();
    assert_eq!(keys.len(), 1, "{what}: {keys:?} {}", relay.log());
    let counter = match name {
        "eventilator" => "sentinel:warnings:+odown:m1:counters",
        _ => "failovers:success:m1:counters",
    };
    let counted = store.hash(counter).await;
    let once = counted.len() == 5 && counted.values().all(|n| n == "1");
    assert!(once, "{what}: {counted:?} {}", relay.log());
    keys.values().sum::<usize>() - 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_event_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (program, out) = (dir.path().join("page"), dir.path().join("out"));
    let script = format!(
        "#!/bin/sh\n{{ cat; env; }} > {0}.new && mv {0}.new {0}\n",
        out.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let relay = Relay::new()
        .env("EVENTILATOR_EXEC_COMMAND", program.display().to_string())
        .env("EVENTILATOR_SENTINEL_PASSWORD", "sesame")
        .env("RECONFIGURATOR_SLACK_TOKEN", "sesame");
    relay.call("eventilator", &ODOWN);
    let got = eventually("the program to run", DEADLINE, async || {
        std::fs::read_to_string(&out)
    })
    .await;
    assert!(
        got.starts_with("{\"podname\":\"m1\"") && got.contains("REDIS_EVENT=+odown"),
        "{got}"
    );
    assert!(!got.contains("sesame"), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_calls_are_told_and_not_repeated() {
    let relay = Relay::new();
    for (name, arguments, told) in [
        ("eventilator", &["+odown"][..], "gets two"),
        ("eventilator", &["+odown", "a", "b"][..], "gets two"),
        ("reconfigurator", &["m1", "leader"][..], "gets seven"),
        (
            "registrator",
            &["m1", "leader", "start", "10.0.0.1", "x", "10.0.0.2", "6379"][..],
            "10.0.0.1 x",
        ),
    ] {
        assert_eq!(
            code(&relay.call(name, arguments)),
            Some(2),
            "{name} {arguments:?}"
        );
        assert!(relay.log().contains(told), "{}", relay.log());
    }
    let wrong = relay.dir().join("eventilater");
    std::os::unix::fs::symlink(relay.script("eventilator"), &wrong).unwrap();
    let output = relay.call("eventilater", &ODOWN);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(code(&output), Some(2));
    assert!(
        said.contains("reconfigurator") && said.contains("sentinel-scriptify"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_spooled_is_called_again() {
    let relay = Relay::new().env("EVENTILATOR_SPOOL_DIRECTORY", "/proc/nowhere");
    assert_eq!(code(&relay.call("eventilator", &ODOWN)), Some(1));
    assert!(
        relay.log().contains("cannot be spooled") && relay.log().contains("/proc/nowhere"),
        "{}",
        relay.log()
    );
    let conf = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(conf.path(), "RedisPort = many\n[Slack\n").unwrap();
    let relay = Relay::new().env("EVENTILATOR_CONFIG", conf.path().display().to_string());
    let output = relay.call("eventilator", &ODOWN);
    assert_eq!(code(&output), Some(1));
    let checked = relay.call("eventilator", &["--check", "--mode", "eventilator"]);
    assert_eq!(code(&checked), Some(64), "{checked:?}");
}
