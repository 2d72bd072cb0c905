//! The master dies as if its host did, while a client writes.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{RedisNode, RunningGroup, Writer};

use super::facts::{FailoverFacts, WriteFacts};
use super::observers::Observation;
use super::screen::{Screen, Waiting};
use super::servers::Started;
use super::timeline::{Others, Progress, words};

const DEADLINE: Duration = Duration::from_secs(30);
const ENOUGH_WRITES: usize = 100;
const FIRST_WRITES: Duration = Duration::from_secs(10);
/// Between two writes.
pub(super) const PACE: Duration = Duration::from_millis(5);

pub(super) async fn show(
    screen: &Screen,
    started: &Started<'_>,
) -> anyhow::Result<(FailoverFacts, WriteFacts)> {
    let group = started.group;
    let old = master(group, started)?;
    screen.heading(&format!(
        "A client writes every 5 ms. The master {} is killed with its wrapper.",
        old.addr()
    ));
    let writer = group.writer().pace(PACE).start();
    let mut observation = observe(screen, started, &writer).await?;

    let (killed, pids) = kill_host(old);
    screen.moment(
        Duration::ZERO,
        &format!(
            "killed: redis-wrapper and redis-server, pids {}",
            pids.join(" and ")
        ),
    );
    let mut progress = Progress::new(killed, old.addr().clone(), others(started, old));
    follow(screen, &mut observation, &mut progress, killed).await?;
    let all_over = killed.elapsed();
    drop(observation);

    let written = writer.stop();
    let new_master = progress.new.clone().context("nobody accepted a write")?;
    let away = written.away_after(killed).context("writes never came back")?;
    let new = group.all_redis().iter().find(|node| *node.addr() == new_master);
    let lost = written
        .lost(new.context("a stranger accepted writes")?)
        .await
        .len();
    let acknowledged = written.writes().len();
    screen.line(&format!(
        "\n  Writes were away for {:.2} s. Of {acknowledged} acknowledged writes {lost} are lost.",
        away.as_secs_f64()
    ));
    let facts = FailoverFacts {
        old_master: old.addr().clone(),
        new_master,
        first_sdown: progress.first_sdown,
        first_odown: progress.first_odown,
        first_switch: progress.first_switch,
        published: progress.published,
        first_write: progress.first_write,
        all_over,
    };
    let about_writes = WriteFacts {
        away,
        acknowledged,
        lost,
    };
    Ok((facts, about_writes))
}

fn master<'a>(group: &'a RunningGroup, started: &Started<'_>) -> anyhow::Result<&'a RedisNode> {
    let master = started.view.master().context("there is no master to kill")?;
    let node = group.all_redis().iter().find(|node| *node.addr() == master.addr);
    node.context("the master is not one of ours")
}

fn others(started: &Started<'_>, old: &RedisNode) -> Others {
    let view = &started.view;
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
fn kill_host(node: &RedisNode) -> (Instant, Vec<String>) {
    let pids = node.program().tree();
    let killed = Instant::now();
    for pid in &pids {
        // It cannot be another's: its parent, or testkit for the wrapper, has not waited for it.
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
    (killed, pids.iter().map(ToString::to_string).collect())
}

async fn follow(
    screen: &Screen,
    observation: &mut Observation<'_>,
    progress: &mut Progress,
    killed: Instant,
) -> anyhow::Result<()> {
    let missing = progress.missing().unwrap_or_default();
    let waiting = Waiting::since(killed, Duration::from_secs(1), &missing);
    let events = async {
        while let Some(missing) = progress.missing() {
            waiting.set(missing);
            let seen = observation.next().await;
            progress.take(&seen);
            if let Some(words) = words(&seen.what) {
                screen.moment(seen.at.saturating_duration_since(killed), &words);
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
