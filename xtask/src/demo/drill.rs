//! `cargo xtask drill`: one fault of the nemesis strikes a group on a network of namespaces, and what comes of it is shown.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use testkit::Net;
use testkit::nemesis::{Arena, Fault, Round, Victim};

use super::failover::{PACE, observe};
use super::observers::Observation;
use super::screen::{Screen, Waiting};
use super::servers::{HOSTS, Servers, Started, settled};
use super::timeline::words;
use super::{play, table};
use crate::install::{self, For};

const SETTLE_DEADLINE: Duration = Duration::from_secs(90);

/// What happens.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// What happens; `cargo xtask drill --list` shows all.
    #[arg(required_unless_present_any = ["list", "seed"])]
    fault: Option<String>,
    /// It strikes a replica instead of the master.
    #[arg(long)]
    replica: bool,
    /// How long it lasts, in seconds.
    #[arg(long, default_value_t = 4.0)]
    lasts: f64,
    /// Plays this round of the nemesis again.
    #[arg(long, conflicts_with = "fault")]
    seed: Option<u64>,
    /// Shows the names of all faults.
    #[arg(long)]
    list: bool,
}

const AFTER_HELP: &str = "\
Needs root: each member runs on a host of its own, a network namespace that is gone when this ends.

Exit codes: 0 the group works again and writes went on, 1 it does not or something is missing, 2 usage

Example: cargo xtask drill cut --lasts 6";

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        let names = Fault::all(Victim::Master).map(|(name, _)| name);
        println!("{}", names.join("\n"));
        return Ok(());
    }
    let round = round(arguments)?;
    ensure!(
        nix::unistd::geteuid().is_root(),
        "a drill makes network namespaces, which needs root"
    );
    install::ensure(For::Demo)?;
    super::build()?;
    let (tell, told) = channel();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let drill = AssertUnwindSafe(move || {
        Net::run(HOSTS, async move |net| {
            // The receiver waits below.
            let _ = tell.send(show(&net, &round).await);
        });
    });
    let ran = panic::catch_unwind(drill);
    panic::set_hook(hook);
    match ran {
        Ok(()) => told.recv().context("the drill ended without a word")?,
        Err(panic) => Err(play::told(panic.as_ref())),
    }
}

fn round(arguments: &Arguments) -> anyhow::Result<Round> {
    if let Some(seed) = arguments.seed {
        return Ok(Round::of(seed));
    }
    let victim = if arguments.replica {
        Victim::Replica
    } else {
        Victim::Master
    };
    let all = Fault::all(victim);
    let wanted = arguments.fault.as_deref().unwrap_or_default();
    let found = all.iter().find(|(name, _)| *name == wanted);
    let (_, fault) = found.ok_or_else(|| {
        let names = all.map(|(name, _)| name);
        anyhow!("there is no fault {wanted:?}; there are {}", names.join(", "))
    })?;
    ensure!(
        arguments.lasts.is_finite() && (0.0..=600.0).contains(&arguments.lasts),
        "--lasts {} is not a number of seconds from 0 to 600",
        arguments.lasts
    );
    Ok(Round {
        seed: 0,
        fault: *fault,
        lasts: Duration::from_secs_f64(arguments.lasts),
    })
}

async fn show(net: &Net, round: &Round) -> anyhow::Result<()> {
    let screen = Screen::new();
    let mut servers = Servers::default();
    screen.heading("ZooKeeper, 3 Redis, 3 Sentinels and 2 watchers start, each host a network namespace");
    let started = servers.start(&screen, Some(net)).await?;
    screen.line(&format!("\n{}", table::render(&started.view)));
    let arena = Arena {
        net,
        group: started.group,
        zookeeper: started.zookeeper,
        hosts: HOSTS,
    };
    screen.heading(&format!(
        "A client writes every 5 ms. Now: {:?}, for {} s",
        round.fault,
        round.lasts.as_secs_f64()
    ));
    let writer = started.group.writer().pace(PACE).start();
    let mut observation = observe(&screen, &started, &writer).await?;
    let struck = Instant::now();
    arena.strike(round).await;
    tell(&screen, &mut observation, struck, round.lasts).await;
    screen.moment(
        struck.elapsed(),
        "healed: all is as before, and what had ended is started",
    );
    arena.heal();
    let after = async {
        tokio::select! {
            view = settled(&screen, started.group, Waiting::since(struck, Duration::from_secs(1), "the group settles"), SETTLE_DEADLINE) => view,
            () = tell(&screen, &mut observation, struck, SETTLE_DEADLINE) => Err(anyhow!("not settled")),
        }
    };
    let view = after.await?;
    drop(observation);
    screen.moment(struck.elapsed(), "everything agrees again");
    writer.wait_write(SETTLE_DEADLINE).await;
    summary(&screen, &started, writer, &view).await
}

/// Says what is seen until the time is over.
async fn tell(screen: &Screen, observation: &mut Observation<'_>, since: Instant, lasts: Duration) {
    let all = async {
        loop {
            let seen = observation.next().await;
            if let Some(words) = words(&seen.what) {
                screen.moment(seen.at.saturating_duration_since(since), &words);
            }
        }
    };
    // It has no other end.
    let _ = tokio::time::timeout(lasts, all).await;
}

async fn summary(
    screen: &Screen,
    started: &Started<'_>,
    writer: testkit::Writer,
    view: &super::view::View,
) -> anyhow::Result<()> {
    let written = writer.stop();
    let master = view.master().context("there is no master")?;
    let nodes = started.group.all_redis();
    let master = nodes.iter().find(|node| *node.addr() == master.addr);
    let lost = written.lost(master.context("a stranger is master")?).await.len();
    let gap = written.longest_gap().map_or(0, |gap| gap.length().as_millis());
    screen.line(&format!("\n{}", table::render(view)));
    screen.line(&format!(
        "\n  The longest time without a write was {gap} ms. Of {} acknowledged writes {lost} are lost.",
        written.writes().len()
    ));
    Ok(())
}
