//! The group is left to the one who looks: what to try, what then happens, and whatever is killed is started again, as
//! Marathon would.

use std::time::{Duration, Instant};

use testkit::{Running, RunningGroup};

use super::observers::Observation;
use super::screen::Screen;
use super::servers::{Started, name, programs};
use super::timeline::words;
use super::view::View;
use crate::install::find;

const ZK_CLI: &str = "/usr/share/zookeeper/bin/zkCli.sh";
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const START_AGAIN: Duration = Duration::from_secs(10);

/// Until it is dropped.
pub(super) async fn show(screen: &Screen, started: &Started<'_>, view: &View) {
    screen.heading("The group keeps running until Ctrl-C. To try in another terminal:");
    for (command, what) in commands(started, view) {
        screen.line(&format!("  {command}\n      {what}"));
    }
    screen.line(&format!(
        "\nWhat is killed is started again after {} s, as Marathon would. What happens:",
        START_AGAIN.as_secs()
    ));
    let mut observation = Observation::begin(started.group, &started.hosts, None).await;
    // Times count from the last death.
    let mut origin = Instant::now();
    let mut dead: Vec<(Instant, &Running)> = Vec::new();
    loop {
        let seen = tokio::time::timeout(BETWEEN_LOOKS, observation.next()).await;
        tend(screen, started.group, &mut dead, &mut origin);
        if let Ok(seen) = seen
            && let Some(words) = words(&seen.what)
        {
            screen.moment(seen.at.saturating_duration_since(origin), &words);
        }
    }
}

/// Notes who has died, and starts again who has been dead long enough.
fn tend<'a>(
    screen: &Screen,
    group: &'a RunningGroup,
    dead: &mut Vec<(Instant, &'a Running)>,
    origin: &mut Instant,
) {
    for program in programs(group).into_iter().flatten() {
        let known = dead.iter().any(|(_, known)| std::ptr::eq(*known, program));
        if let Some(exit) = program.exited().filter(|_| !known) {
            *origin = Instant::now();
            screen.moment(Duration::ZERO, &format!("{} has ended: {exit}", name(program)));
            dead.push((*origin, program));
        }
    }
    dead.retain(|(since, program)| {
        let wait = since.elapsed() < START_AGAIN;
        if !wait {
            program.restart();
            screen.moment(origin.elapsed(), &format!("{} starts again", name(program)));
        }
        wait
    });
}

fn commands(started: &Started<'_>, view: &View) -> Vec<(String, &'static str)> {
    let mut commands = Vec::new();
    let mut add = |command: String, what| commands.push((command, what));
    let group = started.group.name();
    let hosts = &started.hosts;
    if let Some(sentinel) = view.sentinels.first() {
        add(
            format!(
                "redis-cli -p {} sentinel get-master-addr-by-name {group}",
                sentinel.addr.port()
            ),
            "where a Sentinel says the master is",
        );
    }
    if let Some(master) = view.master() {
        add(
            format!("redis-cli -p {} info replication", master.addr.port()),
            "what the master says of itself",
        );
    }
    if let Some(watcher) = view.watchers.iter().find(|watcher| watcher.leads()) {
        add(
            format!("curl -s http://{}/v1/status", watcher.addr),
            "what the leading watcher knows; also /v1/master, /v1/replicas, /sentinels, /metrics",
        );
    }
    if find(ZK_CLI).is_some() {
        add(
            format!("{ZK_CLI} -server {hosts} get /redis/master"),
            "what ZooKeeper holds",
        );
    }
    add(
        format!("cargo run -q -p zkpaths --example lookup -- {hosts}"),
        "how a Rust client looks the master and the Sentinels up",
    );
    if let Some(pid) = view.master().and_then(|master| master.wrapper) {
        add(
            format!("kill -9 {pid}"),
            "the master's wrapper dies, and its Redis with it: another failover",
        );
    }
    if let Some(pid) = view
        .watchers
        .iter()
        .find(|watcher| watcher.leads())
        .and_then(|watcher| watcher.pid)
    {
        add(
            format!("kill -9 {pid}"),
            "the leading watcher dies, the other one leads",
        );
    }
    commands
}
