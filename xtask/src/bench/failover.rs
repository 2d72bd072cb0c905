//! How long writes are away when the master dies or stops: stock Sentinel and redis-zk side by side, same machine, same client.
//!
//! The client finds the master through the Sentinels and writes all the time. Release builds are measured, so this program runs
//! itself once more from the release directory, where it finds the others.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Group, Redis, Sentinel, Writer, ZooKeeper, eventually};
use topology::Addr;

use crate::figures;
use crate::install;
use crate::root::workspace;
use crate::steps::Steps;

const NAME: &str = "master1";
const LONG: Duration = Duration::from_secs(120);
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often to measure.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: cargo xtask bench failover --rounds 10\nExit codes: 0 the table is written, 1 otherwise"
)]
pub(crate) struct Arguments {
    /// Rounds of each of ours.
    #[arg(long, default_value_t = 50)]
    rounds: usize,
    /// Rounds of each of stock Sentinel's, which take up to half a minute each.
    #[arg(long, default_value_t = 5)]
    stock: usize,
    /// Measure with the programs beside this one.
    #[arg(long, hide = true)]
    here: bool,
}

/// What is done to the master.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillRedis,
    KillBoth,
    Stop,
}

/// What one kind of round has shown.
#[derive(Default)]
struct Seen {
    away: Vec<f64>,
    acknowledged: usize,
    lost: usize,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.here {
        let table = tokio::runtime::Runtime::new()?.block_on(measure(arguments))?;
        return figures::write("failover", &table);
    }
    let steps = Steps::start();
    steps.step("servers and tools", install::ensure_servers)?;
    let build = ["build", "--release", "--workspace", "--bins"];
    steps.cargo("release build", &build, &[])?;
    let status = Command::new(workspace().join("target/release/xtask"))
        .args([
            "bench",
            "failover",
            "--here",
            "--rounds",
            &arguments.rounds.to_string(),
        ])
        .args(["--stock", &arguments.stock.to_string()])
        .status()
        .context("cannot run the release build")?;
    ensure!(status.success(), "the measurement ended with {status}");
    Ok(())
}

async fn measure(arguments: &Arguments) -> anyhow::Result<String> {
    let mut table = String::from(
        "| what happens to the master | who moves the role | without writes, median | range | acknowledged writes lost |\n|---|---|---|---|---|\n",
    );
    let mut ours = Vec::new();
    for (what, fault) in [
        ("redis-server killed", Fault::KillRedis),
        ("redis-server and its wrapper killed", Fault::KillBoth),
        ("told to stop (SIGTERM)", Fault::Stop),
    ] {
        let mut seen = redis_zk(fault, arguments.rounds).await?;
        ours.push(row(&mut table, what, "redis-zk", &mut seen)?);
    }
    let mut stock = Vec::new();
    for (what, fault) in [
        ("redis-server killed", Fault::KillRedis),
        ("told to stop (SIGTERM)", Fault::Stop),
    ] {
        for down_after in [2_000, 5_000, 30_000] {
            let mut seen = Seen::default();
            for round in 0..arguments.stock {
                eprintln!("stock, down-after {down_after}, {what}: round {}", round + 1);
                stock_round(fault, Duration::from_millis(down_after), &mut seen).await?;
            }
            let who = format!("stock Sentinel, down-after {down_after}");
            stock.push(row(&mut table, what, &who, &mut seen)?);
        }
    }
    let ratios: Vec<String> = stock[..3]
        .iter()
        .map(|stock| format!("{:.0}", stock / ours[0]))
        .collect();
    let _ = writeln!(
        table,
        "\nStock Sentinel takes {} times as long (down-after 2000, 5000, 30000). {} rounds of ours, {} of each of stock's; release build; {}",
        ratios.join(", "),
        arguments.rounds,
        arguments.stock,
        figures::machine()
    );
    Ok(table)
}

fn row(table: &mut String, what: &str, who: &str, seen: &mut Seen) -> anyhow::Result<f64> {
    let (median, low, high) = figures::spread(&mut seen.away)?;
    let _ = writeln!(
        table,
        "| {what} | {who} | {median:.0} ms | {low:.0} to {high:.0} ms | {} of {} |",
        seen.lost, seen.acknowledged
    );
    Ok(median)
}

async fn redis_zk(fault: Fault, rounds: usize) -> anyhow::Result<Seen> {
    let zookeeper = ZooKeeper::start().await;
    let group = Group::new(&zookeeper.hosts())
        .redis(3)
        .sentinels(3)
        .watchers(1)
        .start()
        .await;
    group.wait_settled(LONG).await;
    let mut seen = Seen::default();
    for round in 0..rounds {
        eprintln!("redis-zk, {fault:?}: round {}", round + 1);
        let old = group.master().await;
        let writer = group.writer().start();
        writer.wait_write(LONG).await;
        let moment = Instant::now();
        let program = group.redis(old).program();
        match fault {
            Fault::KillRedis => kill(
                Pid::from_raw(program.child_pid().context("no redis-server")?.try_into()?),
                Signal::SIGKILL,
            )?,
            Fault::KillBoth => program.kill_tree(),
            Fault::Stop => program.terminate(),
        }
        let written = until_moved(writer, group.redis(old).addr()).await;
        let new = group.master().await;
        seen.note(&written, moment, written.lost(group.redis(new)).await.len())?;
        program.wait_exit(LONG).await;
        program.restart();
        group.wait_settled(LONG).await;
    }
    Ok(seen)
}

async fn stock_round(fault: Fault, down_after: Duration, seen: &mut Seen) -> anyhow::Result<()> {
    let master = Redis::start().await;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        replicas.push(Redis::builder().replica_of(master.addr()).start().await);
    }
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        let sentinel = Sentinel::builder()
            .monitor(NAME, master.addr(), 2)
            .down_after(down_after)
            .failover_timeout(FAILOVER_TIMEOUT);
        sentinels.push(sentinel.start().await);
    }
    for sentinel in &sentinels {
        sentinel.wait_knows(NAME, 2, 2, LONG).await;
    }
    let clients = sentinels
        .iter()
        .map(|sentinel| testkit::SentinelClient::new(sentinel.addr(), None));
    let writer = Writer::through(clients, NAME).start();
    writer.wait_write(LONG).await;
    let moment = Instant::now();
    match fault {
        Fault::KillRedis => master.kill(),
        Fault::Stop => master.process().signal(Signal::SIGTERM),
        Fault::KillBoth => bail!("a stock group has no wrappers"),
    }
    let written = until_moved(writer, master.addr()).await;
    let last = written.writes().last().context("no write")?.master.clone();
    let mut nodes = replicas.iter();
    let new = nodes
        .find(|replica| *replica.addr() == last)
        .context("an unknown master")?;
    let lost = written.lost(new).await.len();
    seen.note(&written, moment, lost)
}

/// Lets the writer write until another master has taken a write.
async fn until_moved(writer: Writer, old: &Addr) -> testkit::Written {
    eventually("a write on another master", LONG, async || {
        writer.master().filter(|master| master != old)
    })
    .await;
    writer.wait_write(LONG).await;
    writer.stop()
}

impl Seen {
    fn note(&mut self, written: &testkit::Written, moment: Instant, lost: usize) -> anyhow::Result<()> {
        let away = written.away_after(moment).context("no write on another master")?;
        let gap = written.longest_gap().map_or(away, |gap| gap.length());
        self.away.push(gap.as_secs_f64() * 1_000.0);
        self.acknowledged += written.writes().len();
        self.lost += lost;
        Ok(())
    }
}
