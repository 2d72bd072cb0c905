//! The servers of the demo, from their start to their end in order.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use testkit::{Group, Net, Running, RunningGroup, ZooKeeper};

use super::facts::StartTimes;
use super::screen::{Screen, Waiting};
use super::stop::Stop;
use super::view::{self, View};

const SETTLE_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(15);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const LOG_LINES: usize = 4;

/// What runs so far. Dropping it kills it; the group goes before its ZooKeeper.
#[derive(Default)]
pub(super) struct Servers {
    group: Option<RunningGroup>,
    zookeeper: Option<ZooKeeper>,
}

/// Everything that was started, and how it looked when it worked.
pub(super) struct Started<'a> {
    pub(super) group: &'a RunningGroup,
    pub(super) zookeeper: &'a ZooKeeper,
    pub(super) hosts: String,
    pub(super) view: View,
    pub(super) times: StartTimes,
}

/// How many hosts a group on a network takes: one for each member, and one for ZooKeeper.
pub(super) const HOSTS: usize = MEMBERS + 1;
const MEMBERS: usize = 3;

impl Servers {
    /// On loopback, or on the hosts of a network.
    pub(super) async fn start(&mut self, screen: &Screen, net: Option<&Net>) -> anyhow::Result<Started<'_>> {
        let start = Instant::now();
        let waiting = Waiting::since(start, Duration::from_secs(2), "ZooKeeper starts");
        let zookeeper = async {
            match net {
                Some(net) => ZooKeeper::start_on(net.host(HOSTS)).await,
                None => ZooKeeper::start().await,
            }
        };
        let zookeeper = screen.during(&waiting, zookeeper).await;
        let zookeeper = &*self.zookeeper.insert(zookeeper);
        let hosts = zookeeper.hosts();
        let zookeeper_time = start.elapsed();
        screen.moment(zookeeper_time, &format!("ZooKeeper serves at {hosts}"));
        let launched = Instant::now();
        waiting.set("the group starts");
        let group = Group::new(&hosts)
            .redis(MEMBERS)
            .sentinels(MEMBERS)
            .watchers(2)
            .on(net.map_or(&[], |net| &net.others()[..MEMBERS]));
        let group = &*self.group.insert(group.launch());
        let view = settled(screen, group, waiting, SETTLE_DEADLINE).await?;
        let times = StartTimes {
            zookeeper: zookeeper_time,
            group: launched.elapsed(),
        };
        screen.moment(start.elapsed(), "3 Redis, 3 Sentinels and 2 watchers agree");
        Ok(Started {
            group,
            zookeeper,
            hosts,
            view,
            times,
        })
    }

    /// The last that each program said.
    pub(super) fn log_ends(&self) -> String {
        let Some(group) = &self.group else {
            return String::new();
        };
        let said = programs(group).into_iter().flatten().map(|program| {
            let log = program.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
            format!(
                "\n{} said last:\n  {}\n",
                program.launch().name,
                last.join("\n  ")
            )
        });
        said.collect()
    }

    /// Stops everything in order: those that act on others first, Redis after them, ZooKeeper last. Asked again, it kills.
    pub(super) async fn stop(mut self, screen: &Screen, stop: &mut Stop) {
        let Some(group) = self.group.take() else {
            return;
        };
        let start = Instant::now();
        let in_order = async {
            for programs in programs(&group) {
                for program in &programs {
                    program.terminate();
                }
                while programs.iter().any(|program| program.exited().is_none()) {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
            }
        };
        let waiting = Waiting::new("everything stops");
        let in_time = tokio::select! {
            biased;
            () = stop.asked() => false,
            ended = tokio::time::timeout(STOP_DEADLINE, screen.during(&waiting, in_order)) => ended.is_ok(),
        };
        let killed: Vec<String> = programs(&group)
            .into_iter()
            .flatten()
            .filter(|program| program.exited().is_none())
            .map(name)
            .collect();
        drop(group);
        drop(self.zookeeper.take());
        if in_time {
            screen.line(&format!(
                "everything has stopped in {:.1} s",
                start.elapsed().as_secs_f64()
            ));
        } else {
            screen.line(&format!(
                "killed, since it had not stopped: {}",
                killed.join(", ")
            ));
        }
    }
}

/// Watchers, Sentinels' wrappers, Redis' wrappers.
pub(super) fn programs(group: &RunningGroup) -> [Vec<&Running>; 3] {
    [
        group.all_watchers().iter().map(testkit::Node::program).collect(),
        group.all_sentinels().iter().map(testkit::Node::program).collect(),
        group.all_redis().iter().map(testkit::Node::program).collect(),
    ]
}

/// The program and its port, as there are more of its kind.
pub(super) fn name(program: &Running) -> String {
    let launch = program.launch();
    let port = launch.env.iter().find(|(name, _)| name == "PORT0");
    match port {
        Some((_, port)) => format!("{} 127.0.0.1:{port} (pid {})", launch.name, program.pid()),
        None => format!("{} (pid {})", launch.name, program.pid()),
    }
}

/// Waits until the whole group works, and returns how it looks then.
pub(super) async fn settled(
    screen: &Screen,
    group: &RunningGroup,
    waiting: Waiting,
    deadline: Duration,
) -> anyhow::Result<View> {
    let wait = screen.during(&waiting, until_settled(group, &waiting));
    tokio::time::timeout(deadline, wait).await.map_err(|_| {
        screen.clear();
        anyhow!("not settled within {deadline:?}: {}", waiting.text())
    })
}

/// Looks until the group works; says in `waiting` what is in the way.
pub(super) async fn until_settled(group: &RunningGroup, waiting: &Waiting) -> View {
    loop {
        let view = view::look(group).await;
        match view.unsettled() {
            None => return view,
            Some(reason) => waiting.set(reason),
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
