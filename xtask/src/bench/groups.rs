//! What it costs a watcher to follow hundreds of groups, and how soon it tells of many failovers at once.
//!
//! Three of the groups are real; the Sentinels of the others are played by this process, since no machine has room for six hundred.
//! Time is counted from the moment a group's Sentinels announce another master until the watcher's event stream says so; by
//! then the watcher has asked the Sentinels and the new master itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use testkit::{Program, Redis, Running, Sentinel, SimulatedGroups, ports};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;
use topology::Addr;

use crate::figures;
use crate::install;
use crate::root::workspace;
use crate::steps::Steps;

const LONG: Duration = Duration::from_secs(60);

/// How much to measure.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: cargo xtask bench groups --rounds 10\nExit codes: 0 the table is written, 1 otherwise"
)]
pub(crate) struct Arguments {
    /// Groups in all, three of them real.
    #[arg(long, default_value_t = 200)]
    groups: usize,
    /// Failovers at the same time.
    #[arg(long, default_value_t = 20)]
    at_once: usize,
    /// How often that happens.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Measure with the programs beside this one.
    #[arg(long, hide = true)]
    here: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(
        arguments.groups > 3 && arguments.at_once <= arguments.groups - 3,
        "more groups than failovers, please"
    );
    if arguments.here {
        let table = tokio::runtime::Runtime::new()?.block_on(measure(arguments))?;
        return figures::write("groups", &table);
    }
    let steps = Steps::start();
    steps.step("servers and tools", install::ensure_servers)?;
    let build = ["build", "--release", "--workspace", "--bins"];
    steps.cargo("release build", &build, &[])?;
    let counts = [
        ("--groups", arguments.groups),
        ("--at-once", arguments.at_once),
        ("--rounds", arguments.rounds),
    ];
    let status = Command::new(workspace().join("target/release/xtask"))
        .args(["bench", "groups", "--here"])
        .args(
            counts
                .iter()
                .flat_map(|(name, count)| [(*name).to_owned(), count.to_string()]),
        )
        .status()
        .context("cannot run the release build")?;
    ensure!(status.success(), "the measurement ended with {status}");
    Ok(())
}

/// A group of real servers.
struct Real {
    _nodes: [Redis; 2],
    sentinels: Vec<Sentinel>,
}

async fn real(name: &str) -> Real {
    let master = Redis::start().await;
    let replica = Redis::builder().replica_of(master.addr()).start().await;
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        sentinels.push(Sentinel::start(name, master.addr(), 2).await);
    }
    for sentinel in &sentinels {
        sentinel.wait_knows(name, 1, 2, LONG).await;
    }
    Real {
        _nodes: [master, replica],
        sentinels,
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<String> {
    let simulated = SimulatedGroups::start("simulated", arguments.groups - 3).await;
    let (mut names, mut sentinels) = (simulated.names(), simulated.sentinels());
    let mut kept = Vec::new();
    for n in 0..3 {
        let name = format!("real-{n}");
        let real = real(&name).await;
        sentinels.extend(real.sentinels.iter().map(|sentinel| sentinel.addr().clone()));
        names.push(name);
        kept.push(real);
    }
    let port = ports::free();
    let list: Vec<String> = sentinels.iter().map(ToString::to_string).collect();
    let watcher = Program::new("watcher")
        .env("SENTINELS", list.join(","))
        .env("GROUPS", names.join(","))
        .env("PORT0", port.to_string())
        .start();
    let page = Addr::new("127.0.0.1", port)?;
    let mut stream = Stream::open(&page).await?;
    let began = Instant::now();
    let mut known = BTreeMap::new();
    stream
        .until(&mut known, |known| known.len() == names.len())
        .await
        .context("all groups to be known")?;
    let start = began.elapsed();
    // Three looks at everything, so that what is measured is the steady state.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (steady, busy) = (
        memory(&watcher)?,
        processor(&watcher, Duration::from_secs(10)).await?,
    );
    let (mut each, mut last) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        eprintln!("round {}", round + 1);
        let moved: Vec<usize> = (0..arguments.at_once)
            .map(|n| (n + round * 7) % (arguments.groups - 3))
            .collect();
        let at = simulated.fail_over(moved.iter().copied());
        let wanted: BTreeMap<String, u64> = moved
            .iter()
            .map(|index| (format!("simulated-{index}"), simulated.master(*index).1.0))
            .collect();
        let mut told = BTreeMap::new();
        let all = |told: &Told| {
            wanted
                .iter()
                .all(|(name, epoch)| told.get(name).is_some_and(|(seen, _)| seen == epoch))
        };
        stream
            .until(&mut told, all)
            .await
            .context("all failovers to be told")?;
        let times: Vec<f64> = wanted.keys().map(|name| ms(told[name].1 - at)).collect();
        last.push(times.iter().copied().fold(0.0, f64::max));
        each.extend(times);
    }
    table(
        arguments,
        start,
        (steady, memory(&watcher)?),
        busy,
        &mut each,
        &mut last,
    )
}

fn table(
    arguments: &Arguments,
    start: Duration,
    (steady, end): (f64, f64),
    busy: f64,
    each: &mut [f64],
    last: &mut [f64],
) -> anyhow::Result<String> {
    let mut table = String::from("| a watcher that follows | figure |\n|---|---|\n");
    let (groups, at_once, rounds) = (arguments.groups, arguments.at_once, arguments.rounds);
    let _ = writeln!(
        table,
        "| {groups} groups, each with three Sentinels: memory (resident) | {steady:.1} MiB, {end:.1} MiB at the end |"
    );
    let _ = writeln!(
        table,
        "| processor while nothing happens | {busy:.1} % of one core |"
    );
    let _ = writeln!(
        table,
        "| from its start until it knows all of them | {:.1} s |",
        start.as_secs_f64()
    );
    let (median, low, high) = figures::spread(each)?;
    let _ = writeln!(
        table,
        "| {at_once} failovers at once: from the announcement to telling, each | {median:.1} ms ({low:.1} to {high:.1}) |"
    );
    let (median, low, high) = figures::spread(last)?;
    let _ = writeln!(
        table,
        "| the same, the last of the {at_once} | {median:.1} ms ({low:.1} to {high:.1}) |"
    );
    let _ = writeln!(
        table,
        "\n{rounds} rounds; 3 groups are real, the Sentinels and nodes of the others are played by the measuring process on the same machine; release build; {}",
        figures::machine()
    );
    Ok(table)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Resident memory in MiB.
fn memory(program: &Running) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?
        .parse()?;
    Ok(kib / 1024.0)
}

/// Percent of one core.
async fn processor(program: &Running, period: Duration) -> anyhow::Result<f64> {
    let ticks = || -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.pid()))?;
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        Ok(fields[11].parse::<f64>()? + fields[12].parse::<f64>()?)
    };
    let before = ticks()?;
    tokio::time::sleep(period).await;
    // A tick is a hundredth of a second on every Linux there is.
    Ok((ticks()? - before) / period.as_secs_f64())
}

/// The watcher's event stream. When it ends it is begun anew, as a browser would.
struct Stream {
    page: Addr,
    lines: Lines<BufReader<TcpStream>>,
}

/// The epoch of each group's master, and when it was told.
type Told = BTreeMap<String, (u64, Instant)>;

impl Stream {
    async fn open(page: &Addr) -> anyhow::Result<Self> {
        Ok(Self {
            page: page.clone(),
            lines: Self::lines(page).await?,
        })
    }

    async fn lines(page: &Addr) -> anyhow::Result<Lines<BufReader<TcpStream>>> {
        let began = Instant::now();
        let mut stream = loop {
            match TcpStream::connect((page.host(), page.port())).await {
                Ok(stream) => break stream,
                Err(error) if began.elapsed() > LONG => return Err(error).context("the watcher's page"),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let request = format!("GET /v1/events HTTP/1.1\r\nHost: {page}\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        Ok(BufReader::new(stream).lines())
    }

    /// Reads masters into `told` until `enough`.
    async fn until(&mut self, told: &mut Told, enough: impl Fn(&Told) -> bool) -> anyhow::Result<()> {
        let reading = async {
            let mut event = String::new();
            while !enough(told) {
                let Some(line) = self.lines.next_line().await? else {
                    eprintln!("the stream ended; beginning anew");
                    self.lines = Self::lines(&self.page).await?;
                    continue;
                };
                if let Some(name) = line.strip_prefix("event:") {
                    name.trim().clone_into(&mut event);
                } else if let Some(data) = line.strip_prefix("data:") {
                    note(&event, data, told)?;
                }
            }
            Ok(())
        };
        timeout(LONG, reading).await?
    }
}

/// The masters of an event.
fn note(event: &str, data: &str, told: &mut Told) -> anyhow::Result<()> {
    let now = Instant::now();
    let data: serde_json::Value = match event {
        "snapshot" | "master" => serde_json::from_str(data)?,
        _ => return Ok(()),
    };
    let one = std::slice::from_ref(&data);
    for facts in data["groups"].as_array().map_or(one, Vec::as_slice) {
        if let (Some(group), Some(epoch)) = (facts["group"].as_str(), facts["master"]["epoch"].as_u64()) {
            told.insert(group.to_owned(), (epoch, now));
        }
    }
    Ok(())
}
