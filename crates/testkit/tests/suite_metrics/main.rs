//! What the documentation, the dashboard and the alert rules say of the metrics is true: every name is one that a real program shows, with
//! those labels, after a failover and with a sink.

mod dashboard;
mod prometheus;
mod queries;
mod rules;
mod samples;

use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::{Group, Kind, Need, Relay, RunningGroup, ZooKeeper, eventually, require};

use crate::queries::named;
use crate::samples::Samples;

const DEADLINE: Duration = Duration::from_secs(60);

/// What the dashboard and the rules may name although no program shows it yet. What does is taken off this list.
const COMING: &[&str] = &[];
/// Labels that metrics do not have yet, in the same way.
const COMING_LABELS: &[(&str, &str)] = &[];

/// One expression, where it is, and the labels that it is shown with.
struct Query {
    place: String,
    expression: String,
    shown: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every text that names metrics for people, by its path.
fn documents() -> Vec<(String, String)> {
    let docs = std::fs::read_dir(root().join("docs")).expect("a directory");
    let pages = docs.map(|entry| entry.expect("an entry"));
    let pages = pages.filter(|entry| entry.path().is_file());
    let pages = pages.map(|entry| format!("docs/{}", entry.file_name().display()));
    let ours = [
        "README.md",
        "conf/prometheus/redis-zk.rules.yml",
        "conf/grafana/redis-zk.json",
    ];
    let paths = ours.into_iter().map(str::to_owned).chain(pages);
    paths.map(|path| (path.clone(), text(&path))).collect()
}

/// What is named somewhere and is not so.
fn wrong(known: &Samples) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        let missing = named(&text)
            .into_iter()
            .filter(|name| !known.has_any(name) && !COMING.contains(&name.as_str()));
        wrong.extend(missing.map(|name| format!("{path}: nobody shows {name}")));
    }
    for query in dashboard::queries().iter().chain(&rules::queries()) {
        let complaints = known.complaints(query);
        wrong.extend(
            complaints
                .into_iter()
                .map(|complaint| format!("{}: {complaint}", query.place)),
        );
    }
    wrong
}

/// A group that has a sink, and has had a failover: some metrics are there only then.
async fn after_a_failover(zk: &ZooKeeper) -> RunningGroup {
    let group = Group::new(&zk.hosts()).redis(3).sentinels(3).watchers(1);
    // The simplest sink there is.
    let group = group.env(Kind::Watcher, "ON_MASTER", "true").start().await;
    group.redis(group.master().await).program().kill();
    group.wait_settled(DEADLINE).await;
    group
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_named_anywhere_exists() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = after_a_failover(&zk).await;
    let replica = group.replicas().await[0];
    let pages = [
        group.redis(replica).http(),
        group.sentinel(0).http(),
        group.watcher(0).http(),
    ];
    let relay = Relay::new().env("EVENTILATOR_EXEC_COMMAND", "/bin/true");
    let printed = relay.call("eventilator", &["metrics"]);
    let printed = String::from_utf8(printed.stdout).expect("a text");
    let known = eventually("everything that is named to be shown", DEADLINE, async || {
        let known = Samples::of(&pages, &printed)
            .await
            .map_err(|error| error.to_string())?;
        let wrong = wrong(&known);
        if wrong.is_empty() {
            Ok(known)
        } else {
            Err(wrong.join("\n"))
        }
    })
    .await;

    for name in known.names() {
        // The prefix names the program; what follows must not name it again.
        let rest = name.splitn(4, '_').nth(3).unwrap_or_default();
        let program = name.split('_').nth(2).unwrap_or_default();
        assert!(!rest.starts_with(&format!("{program}_")), "{name} stutters");
    }
    let come: Vec<&&str> = COMING.iter().filter(|name| known.has(name)).collect();
    assert!(come.is_empty(), "take off COMING what is shown now: {come:?}");
    let come: Vec<_> = COMING_LABELS
        .iter()
        .filter(|(name, label)| known.has_label(name, label))
        .collect();
    assert!(
        come.is_empty(),
        "take off COMING_LABELS what is shown now: {come:?}"
    );
}

#[test]
fn every_metric_worth_an_alert_has_one() {
    let readme = text("README.md");
    let table = readme
        .split("Worth an alert:")
        .nth(1)
        .expect("the table of the README");
    let table: Vec<&str> = table
        .trim_start()
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    let worth = named(&table.join("\n"));
    assert!(!worth.is_empty(), "the table is not found");
    let alerts: Vec<String> = rules::queries()
        .into_iter()
        .map(|query| query.expression)
        .collect();
    let alerts = named(&alerts.join("\n"));
    let without: Vec<&String> = worth.difference(&alerts).collect();
    assert!(
        without.is_empty(),
        "conf/prometheus/redis-zk.rules.yml has no alert for {without:?}"
    );
}
