//! The master goes while a client writes: dies as if its host did, or is asked to stop.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Exit, RedisNode, RunningGroup, Writer};

use super::facts::{ChangeFacts, WriteFacts};
use super::observers::Observation;
use super::screen::{Screen, Waiting};
use super::servers::Started;
use super::timeline::{Others, Progress, words};
use super::view::View;

const DEADLINE: Duration = Duration::from_secs(30);
const ENOUGH_WRITES: usize = 100;
const FIRST_WRITES: Duration = Duration::from_secs(10);
/// Between two writes.
pub(super) const PACE: Duration = Duration::from_millis(5);

/// How the master goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Its wrapper and Redis are killed at one instant, as if the host died.
    Killed,
    /// Its wrapper gets SIGTERM, as from a platform that upgrades it.
    Stopped,
}

pub(super) async fn show(
    screen: &Screen,
    started: &Started<'_>,
    before: &View,
    way: Way,
) -> anyhow::Result<ChangeFacts> {
    let group = started.group;
    let old = master(group, before)?;
    screen.heading(&match way {
        Way::Killed => format!(
            "A client writes every 5 ms. The master {} is killed with its wrapper.",
            old.addr()
        ),
        Way::Stopped => format!(
            "A client writes every 5 ms. The wrapper of the master {} is asked to stop.",
            old.addr()
        ),
    });
    let writer = group.writer().pace(PACE).start();
    let mut observation = observe(screen, started, &writer).await?;

    let (gone, did) = match way {
        Way::Killed => kill_host(old),
        Way::Stopped => ask_to_stop(old),
    };
    screen.moment(Duration::ZERO, &did);
    let mut progress = Progress::new(gone, old.addr().clone(), others(before, old));
    follow(screen, &mut observation, &mut progress).await?;
    let all_over = gone.elapsed();
    drop(observation);
    if way == Way::Stopped {
        ended_well(screen, old, gone).await?;
    }

    let written = writer.stop();
    let new_master = progress.new.clone().context("nobody accepted a write")?;
    let away = match way {
        Way::Killed => written.away_after(gone).context("writes never came back")?,
        // They go on until the role is handed over, which is not at once.
        Way::Stopped => written.longest_gap().context("nothing was written")?.length(),
    };
    let new = group.all_redis().iter().find(|node| *node.addr() == new_master);
    let lost = written
        .lost(new.context("a stranger accepted writes")?)
        .await
        .len();
    let acknowledged = written.writes().len();
    screen.line(&format!(
        "\n  Writes were away for {} ms. Of {acknowledged} acknowledged writes {lost} are lost.",
        away.as_millis()
    ));
    Ok(ChangeFacts {
        old_master: old.addr().clone(),
        new_master,
        first_switch: progress.first_switch,
        published: progress.published,
        first_write: progress.first_write,
        all_over,
        writes: WriteFacts {
            away,
            acknowledged,
            lost,
        },
    })
}

fn master<'a>(group: &'a RunningGroup, view: &View) -> anyhow::Result<&'a RedisNode> {
    let master = view.master().context("there is no master that could go")?;
    let node = group.all_redis().iter().find(|node| *node.addr() == master.addr);
    node.context("the master is not one of ours")
}

fn others(view: &View, old: &RedisNode) -> Others {
    let redis = view.redis.iter().map(|node| node.addr.clone());
    Others {
        sentinels: view.sentinels.iter().map(|node| node.addr.clone()).collect(),
        replicas: redis.filter(|addr| addr != old.addr()).collect(),
        watchers: view.watchers.iter().map(|node| node.addr.clone()).collect(),
    }
}

/// Returns when the writer has written for a while and every change will be seen.
pub(super) async fn observe<'a>(
    screen: &Screen,
    started: &Started<'a>,
    writer: &'a Writer,
) -> anyhow::Result<Observation<'a>> {
    let waiting = Waiting::new("the first writes");
    let begin = async {
        let observation = Observation::begin(started.group, &started.hosts, Some(writer)).await;
        while writer.acknowledged() < ENOUGH_WRITES {
            tokio::time::sleep(PACE).await;
        }
        observation
    };
    let observation = tokio::time::timeout(FIRST_WRITES, screen.during(&waiting, begin)).await;
    screen.clear();
    let count = writer.acknowledged();
    observation.with_context(|| format!("only {count} writes were accepted within {FIRST_WRITES:?}"))
}

/// Kills the wrapper and everything it started at one instant.
fn kill_host(node: &RedisNode) -> (Instant, String) {
    let pids = node.program().tree();
    let killed = Instant::now();
    for pid in &pids {
        // It cannot be another's: its parent, or testkit for the wrapper, has not waited for it.
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let did = format!(
        "killed: redis-wrapper and redis-server, pids {}",
        pids.join(" and ")
    );
    (killed, did)
}

fn ask_to_stop(node: &RedisNode) -> (Instant, String) {
    let asked = Instant::now();
    node.program().terminate();
    (
        asked,
        format!("SIGTERM to redis-wrapper, pid {}", node.program().pid()),
    )
}

async fn ended_well(screen: &Screen, node: &RedisNode, asked: Instant) -> anyhow::Result<()> {
    let ended = async {
        loop {
            if let Some(exit) = node.program().exited() {
                return exit;
            }
            tokio::time::sleep(PACE).await;
        }
    };
    let waiting = Waiting::new("the old master stops");
    let exit = tokio::time::timeout(DEADLINE, screen.during(&waiting, ended)).await;
    let exit = exit.with_context(|| format!("it had not stopped after {DEADLINE:?}"))?;
    ensure!(exit == Exit::Code(0), "it ended with {exit:?}");
    screen.moment(asked.elapsed(), "redis-wrapper has ended with exit code 0");
    Ok(())
}

async fn follow(
    screen: &Screen,
    observation: &mut Observation<'_>,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let gone = progress.gone();
    let missing = progress.missing().unwrap_or_default();
    let waiting = Waiting::since(gone, Duration::from_secs(1), &missing);
    let events = async {
        while let Some(missing) = progress.missing() {
            waiting.set(missing);
            let seen = observation.next().await;
            progress.take(&seen);
            if let Some(words) = words(&seen.what) {
                screen.moment(seen.at.saturating_duration_since(gone), &words);
            }
        }
    };
    let ended = tokio::time::timeout(DEADLINE, screen.during(&waiting, events)).await;
    screen.clear();
    if ended.is_err() {
        bail!("after {DEADLINE:?}: {}", waiting.text());
    }
    ensure!(progress.missing().is_none(), "{}", waiting.text());
    Ok(())
}
