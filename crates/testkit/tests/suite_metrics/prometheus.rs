//! A real Prometheus reads the pages of a real group by the sample configuration, and answers every query of the dashboard. Only this finds
//! labels that do not fit each other, and a page that it cannot read.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Launch, Need, Process, RunningGroup, ZooKeeper, eventually, http, ports, require};
use topology::Addr;

use crate::dashboard::{self, without_variables};
use crate::queries::named;
use crate::{COMING, DEADLINE, after_a_failover, text};

struct Prometheus {
    process: Process,
    addr: Addr,
    _dir: TempDir,
}

impl Prometheus {
    /// With the sample configuration, pointed at this group.
    fn start(group: &RunningGroup) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
        write("prometheus.yml", &configuration(group));
        write("redis-zk.rules.yml", &text("conf/prometheus/redis-zk.rules.yml"));
        let addr = Addr::new("127.0.0.1", ports::free()).expect("an address");
        let places = ["/usr/bin/prometheus", "/usr/local/bin/prometheus"].map(PathBuf::from);
        let process = Process::spawn(Launch {
            name: "prometheus".to_owned(),
            program: places.into_iter().find(|path| path.exists()).expect("prometheus"),
            args: vec![
                "--config.file=prometheus.yml".into(),
                "--storage.tsdb.path=data".into(),
                format!("--web.listen-address={addr}").into(),
            ],
            env: Vec::new(),
            log: dir.path().join("log"),
            dir: dir.path().to_owned(),
        });
        Self {
            process,
            addr,
            _dir: dir,
        }
    }

    async fn ask(&self, path: &str) -> Result<Value, String> {
        let ended = self.process.exited();
        assert!(ended.is_none(), "prometheus ended:\n{}", self.process.log_tail());
        let answer = http::get(&self.addr, path)
            .await
            .map_err(|error| error.to_string())?;
        let json: Value = serde_json::from_str(&answer.body).map_err(|_| answer.body.clone())?;
        if json["status"] == "success" {
            Ok(json["data"].clone())
        } else {
            Err(answer.body)
        }
    }

    async fn result(&self, expression: &str) -> Result<Value, String> {
        let mut encoded = String::new();
        for byte in expression.bytes() {
            write!(encoded, "%{byte:02X}").expect("a string");
        }
        let data = self.ask(&format!("/api/v1/query?query={encoded}")).await?;
        Ok(data["result"].clone())
    }
}

/// The sample with this group's pages in the place of its addresses.
fn configuration(group: &RunningGroup) -> String {
    let alive = group.all_redis().iter().filter(|node| node.is_alive());
    let sentinels = group.all_sentinels().iter();
    let watchers = group.all_watchers().iter();
    let lists = [
        alive.map(|node| node.http().to_string()).collect::<Vec<_>>(),
        sentinels.map(|node| node.http().to_string()).collect(),
        watchers.map(|node| node.http().to_string()).collect(),
    ];
    let mut lists = lists.iter().map(|pages| pages.join(", "));
    let sample = text("conf/prometheus/prometheus.yml");
    let line = |line: &str| match line.split_once("targets: [") {
        Some((before, _)) => format!(
            "{before}targets: [{}]",
            lists.next().expect("three kinds of programs")
        ),
        None => line
            .replace("group: sessions", &format!("group: {}", group.name()))
            .replace("interval: 5s", "interval: 500ms"),
    };
    sample.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The targets that cannot be read, and those that have not been.
fn unread(targets: &Value) -> Vec<String> {
    let targets = targets["activeTargets"].as_array().into_iter().flatten();
    targets
        .filter(|target| target["health"] != "up")
        .map(|target| format!("{}: {}", target["scrapeUrl"], target["lastError"]))
        .collect()
}

/// The rules that cannot be evaluated, or have not been.
fn unevaluated(rules: &Value) -> Vec<String> {
    let groups = rules["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    rules
        .filter(|rule| rule["health"] != "ok")
        .map(|rule| format!("{}: {} {}", rule["name"], rule["health"], rule["lastError"]))
        .collect()
}

/// The critical alerts that a sound group would raise.
fn alarms(alerts: &Value) -> Vec<String> {
    let alerts = alerts["alerts"].as_array().into_iter().flatten();
    let critical = alerts.filter(|alert| alert["labels"]["severity"] == "critical");
    critical.map(|alert| alert["labels"].to_string()).collect()
}

fn none(wrong: &[String]) -> Result<(), String> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_a_group_and_answers_every_query_of_the_dashboard() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel, Need::Prometheus]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = after_a_failover(&zk).await;
    let prometheus = Prometheus::start(&group);
    eventually("every page to be read", DEADLINE, async || {
        let targets = prometheus.ask("/api/v1/targets").await?;
        match targets["activeTargets"].as_array().map(Vec::len) {
            // Two wrappers of Redis are left, three of Sentinels, and a watcher.
            Some(6) => none(&unread(&targets)),
            count => Err(format!("{count:?} targets")),
        }
    })
    .await;
    eventually("every query to have an answer", DEADLINE, async || {
        let mut without = Vec::new();
        for query in dashboard::queries() {
            let place = &query.place;
            let result = prometheus.result(&without_variables(&query.expression)).await;
            let result = result.map_err(|wrong| format!("{place}: {wrong}"))?;
            let coming = named(&query.expression)
                .iter()
                .any(|name| COMING.contains(&name.as_str()));
            let event = place.contains("New master");
            if result.as_array().is_none_or(Vec::is_empty) && !coming && !event {
                without.push(format!("{place}: {}", query.expression));
            }
        }
        none(&without)
    })
    .await;
    eventually(
        "every rule to be evaluated, and nobody to be alarmed",
        DEADLINE,
        async || {
            none(&unevaluated(&prometheus.ask("/api/v1/rules").await?))?;
            none(&alarms(&prometheus.ask("/api/v1/alerts").await?))
        },
    )
    .await;
}
