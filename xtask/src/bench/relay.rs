//! `cargo xtask bench relay`: what one call of the event relay costs beside a bare `true`, side by side in one run.
//!
//! A call asks its Sentinel for the epoch, commits the event to the spool, and ends. Each round times one process of each kind from its start to
//! its end, so what a busy machine adds is added to all.

use std::fmt::Write;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use testkit::{Collector, Redis, Relay, Sentinel, eventually};

use crate::figures;
use crate::install;
use crate::root::workspace;
use crate::steps::Steps;

/// A burst: so many events, by as many callers as Sentinel starts at once.
const BURST: usize = 1000;
const CALLERS: usize = 16;
const LONG: Duration = Duration::from_secs(60);

/// How often to measure.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: cargo xtask bench relay --rounds 100\nExit codes: 0 the table is written, 1 otherwise"
)]
pub(crate) struct Arguments {
    /// Calls of each kind.
    #[arg(long, default_value_t = 300)]
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
    let build = ["build", "--release", "-p", "eventilator"];
    steps.cargo("release build", &build, &[])?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut table = String::new();
    steps.step("measuring", || {
        table = runtime.block_on(measure(arguments.rounds))?;
        Ok(())
    })?;
    figures::write("relay", &table)
}

async fn measure(rounds: usize) -> anyhow::Result<String> {
    let program = workspace().join("target/release/eventilator");
    let collector = Collector::start().await;
    let master = Redis::start().await;
    let sentinel = Sentinel::builder().monitor("m1", master.addr(), 1).start().await;
    let asking = Relay::of(&program)
        .env("EVENTILATOR_HTTP_URL", collector.url())
        .env("EVENTILATOR_SENTINEL_PORT", sentinel.port().to_string());
    let alone = Relay::of(&program)
        .env("EVENTILATOR_HTTP_URL", collector.url())
        .env("EVENTILATOR_SENTINEL_PORT", "2");
    let mut services = Vec::new();
    for relay in [&asking, &alone] {
        let mut service = relay.command("eventilator", &["serve", "--mode", "eventilator"]);
        services.push(Killed(service.stderr(Stdio::null()).spawn()?));
        relay.call("eventilator", &["-odown", "master m1 127.0.0.1 1"]);
    }
    let text = format!("master m1 {}", master.addr().contract());
    let (mut bare, mut spooled, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        bare.push(timed(&mut Command::new("true"))?);
        let call = ["+odown", text.as_str()];
        spooled.push(timed(&mut alone.command("eventilator", &call))?);
        asked.push(timed(&mut asking.command("eventilator", &call))?);
    }
    let memory = memory(&asking, &text).await?;
    let (median, _, _) = figures::spread(&mut bare.clone())?;
    let mut table = String::from("| what | median | range | more than `true` |\n|---|---|---|---|\n");
    for (name, times) in [
        ("`true`", &mut bare),
        ("a call: spooled, its Sentinel cannot be asked", &mut spooled),
        ("a call: its Sentinel asked, spooled", &mut asked),
    ] {
        let (middle, low, high) = figures::spread(times)?;
        let more = middle - median;
        let _ = writeln!(
            table,
            "| {name} | {middle:.1} ms | {low:.1} to {high:.1} ms | {more:.1} ms |"
        );
    }
    let commit = commits()?;
    let (took, arrived) = burst(&asking, &collector).await?;
    let _ = writeln!(
        table,
        "\n{rounds} rounds; {}; a call's resident memory when it commits {memory:.1} MiB (VmHWM); binary {} KiB; a commit to this disk alone (write and fdatasync) \
         {commit:.1} ms median. A burst of {BURST} events by {CALLERS} callers at once: all spooled after {took:.1} s, all delivered, each once, after {arrived:.1} s.",
        figures::machine(),
        fs::metadata(&program)?.len() / 1024
    );
    drop(services);
    Ok(table)
}

/// Milliseconds from the start of a process to its end.
fn timed(command: &mut Command) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let status = command.status().context("it cannot be started")?;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    ensure!(status.success(), "it ended with {status}");
    Ok(took)
}

/// The most memory that a call has held when it commits, in MiB. strace holds it up there.
async fn memory(relay: &Relay, text: &str) -> anyhow::Result<f64> {
    let delay = "inject=fsync,fdatasync:delay_enter=300000";
    let under = ["strace", "-qq", "-o", "/dev/null", "-e", delay];
    let mut held = Killed(
        relay
            .command_under(&under, "eventilator", &["+odown", text])
            .spawn()?,
    );
    let strace = held.0.id();
    let call = eventually("the call to be started", LONG, async || {
        let children = fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).ok()?;
        children.split_whitespace().next()?.parse::<u32>().ok()
    })
    .await;
    let mut most = 0;
    while held.0.try_wait()?.is_none() {
        let status = fs::read_to_string(format!("/proc/{call}/status")).unwrap_or_default();
        // Before it has begun it is strace still.
        if status.starts_with("Name:\teventilator") {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            most = most.max(kib.unwrap_or(0_u32));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ensure!(most > 0, "the call ended before it was looked at");
    Ok(f64::from(most) / 1024.0)
}

/// What one fsync costs here, which every durable spool pays.
fn commits() -> anyhow::Result<f64> {
    use std::io::Write;
    let mut file = tempfile::tempfile()?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(figures::spread(&mut times)?.0)
}

/// How long it takes until all are spooled, and until all are delivered, in seconds.
async fn burst(relay: &Relay, collector: &Collector) -> anyhow::Result<(f64, f64)> {
    let known = collector.keys().len();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                for n in (caller..BURST).step_by(CALLERS) {
                    let text = format!("master burst{n} 127.0.0.1 6379");
                    relay.call("eventilator", &["+odown", &text]);
                }
            });
        }
    });
    let took = begun.elapsed().as_secs_f64();
    eventually("the burst to arrive", LONG, async || {
        (collector.keys().len() >= known + BURST).then_some(())
    })
    .await;
    let arrived = begun.elapsed().as_secs_f64();
    let keys = collector.keys();
    let twice = keys
        .iter()
        .filter(|(key, times)| key.contains("burst") && **times > 1)
        .count();
    ensure!(twice == 0, "{twice} arrived twice");
    Ok((took, arrived))
}
