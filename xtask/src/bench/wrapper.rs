//! `cargo xtask bench`: what a wrapper costs beside a bare redis-server, side by side in one run.
//!
//! Each round starts both with the same settings and an empty directory, and measures the time from exec to the
//! first PONG, and the wrapper's own resident memory once it has served for some seconds.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use testkit::{RedisClient, ZooKeeper, ports};

use crate::figures;
use crate::install;
use crate::root::workspace;
use crate::steps::Steps;

const PONG_DEADLINE: Duration = Duration::from_secs(20);
/// After this long a wrapper has registered, looked a few times and holds what it will hold.
const SETTLE: Duration = Duration::from_secs(3);

/// How often to measure.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: cargo xtask bench --rounds 5\nExit codes: 0 the table is written, 1 otherwise"
)]
pub(crate) struct Arguments {
    /// Rounds of each.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let steps = Steps::start();
    steps.step("servers and tools", install::ensure_servers)?;
    steps.cargo(
        "release build",
        &["build", "--release", "-p", "redis-wrapper"],
        &[],
    )?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut table = String::new();
    steps.step("measuring", || {
        table = runtime.block_on(measure(arguments.rounds))?;
        Ok(())
    })?;
    figures::write("wrapper-cost", &table)
}

async fn measure(rounds: usize) -> anyhow::Result<String> {
    let zookeeper = ZooKeeper::start().await;
    let (mut bare, mut wrapped) = (Vec::new(), Vec::new());
    let (mut memory, mut anonymous) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        bare.push(bare_redis().await?);
        let (time, resident, anon) = wrapper(&zookeeper.hosts(), round).await?;
        wrapped.push(time);
        memory.push(resident);
        anonymous.push(anon);
    }
    let row = |name: &str, values: &mut [f64], unit: &str| -> anyhow::Result<String> {
        let (median, low, high) = figures::spread(values)?;
        Ok(format!(
            "| {name} | {median:.1} {unit} | {low:.1} to {high:.1} {unit} |\n"
        ))
    };
    let mut difference: Vec<f64> = bare
        .iter()
        .zip(&wrapped)
        .map(|(bare, wrapped)| wrapped - bare)
        .collect();
    let mut table = String::from("| what | median | range |\n|---|---|---|\n");
    table += &row("bare redis-server: exec to PONG", &mut bare, "ms")?;
    table += &row("redis-wrapper: exec to PONG of its Redis", &mut wrapped, "ms")?;
    table += &row("difference", &mut difference, "ms")?;
    table += &row("redis-wrapper: resident memory (VmRSS)", &mut memory, "MiB")?;
    table += &row("of which anonymous (RssAnon)", &mut anonymous, "MiB")?;
    let size = fs::metadata(program())?.len();
    let _ = writeln!(
        table,
        "\n{rounds} rounds; {}; binary {} KiB",
        figures::machine(),
        size / 1024
    );
    Ok(table)
}

fn program() -> std::path::PathBuf {
    workspace().join("target/release/redis-wrapper")
}

async fn bare_redis() -> anyhow::Result<f64> {
    let dir = tempfile::tempdir()?;
    let port = ports::free();
    let conf = dir.path().join("redis.conf");
    let shipped = fs::read_to_string(workspace().join("conf/redis.conf"))?;
    fs::write(
        &conf,
        format!(
            "{shipped}\nport {port}\nbind 127.0.0.1\ndir {}\n",
            dir.path().display()
        ),
    )?;
    let mut command = Command::new("redis-server");
    command.arg(conf);
    let (time, _redis) = started(command, dir.path(), port).await?;
    Ok(time)
}

async fn wrapper(hosts: &str, round: usize) -> anyhow::Result<(f64, f64, f64)> {
    let dir = tempfile::tempdir()?;
    let port = ports::free();
    let mut command = Command::new(program());
    command
        .env("ZK_HOSTS", hosts)
        .env("ZK_ROOT", format!("/bench-{round}"))
        .env("BIND_IP", "127.0.0.1");
    command.env("PORT0", port.to_string()).env("DATA_DIR", dir.path());
    let (time, wrapper) = started(command, dir.path(), port).await?;
    tokio::time::sleep(SETTLE).await;
    let status = fs::read_to_string(format!("/proc/{}/status", wrapper.0.id()))?;
    Ok((time, field(&status, "VmRSS")?, field(&status, "RssAnon")?))
}

/// Milliseconds from exec to the first PONG.
async fn started(mut command: Command, dir: &Path, port: u16) -> anyhow::Result<(f64, Killed)> {
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let client = RedisClient::new(&format!("127.0.0.1:{port}").parse()?, None);
    let start = Instant::now();
    let child = Killed(command.spawn().context("cannot start what is measured")?);
    while client.command(&["PING"]).await.is_err() {
        if start.elapsed() > PONG_DEADLINE {
            bail!("no PONG from port {port} within {PONG_DEADLINE:?}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok((start.elapsed().as_secs_f64() * 1000.0, child))
}

fn field(status: &str, name: &str) -> anyhow::Result<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .context("no such line in /proc/…/status")?;
    Ok(kib.trim().parse::<f64>()? / 1024.0)
}
