//! Runs the test binaries where there is no cargo-nextest, as `.config/nextest.toml` would: a few tests at a time, whole-suite
//! tests alone, every binary to its end even after a failure, and none for ever.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::steps::{cargo, seconds};

const THREADS: &str = "4";
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// A line of `cargo test --no-run --message-format json`, as far as it is about a binary.
#[derive(Debug, Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Profile {
    test: bool,
}

struct Binary {
    name: String,
    file: PathBuf,
    package: PathBuf,
}

pub(crate) fn run(env: &[(&str, &str)]) -> anyhow::Result<()> {
    let binaries = built()?;
    let mut failed = Vec::new();
    for (index, binary) in binaries.iter().enumerate() {
        print!("        {:>2}/{} {} ", index + 1, binaries.len(), binary.name);
        io::stdout().flush()?;
        let start = Instant::now();
        let outcome = run_one(binary, env);
        let elapsed = seconds(start.elapsed());
        match outcome {
            Ok(()) => println!("ok in {elapsed}"),
            Err(error) => {
                println!("FAILED in {elapsed}: {error:#}");
                failed.push(binary.name.as_str());
            }
        }
    }
    ensure!(failed.is_empty(), "tests failed in {}", failed.join(", "));
    Ok(())
}

fn built() -> anyhow::Result<Vec<Binary>> {
    let output = cargo()
        .args(["test", "--workspace", "--no-run", "--lib", "--bins", "--tests"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo test --no-run")?;
    ensure!(output.status.success(), "the tests cannot be built");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("cargo said {line}")))
        .filter_map(|message| message.map(Message::binary).transpose())
        .collect()
}

impl Message {
    fn binary(self) -> Option<Binary> {
        if !self.profile?.test {
            return None;
        }
        let package = self.manifest_path?.parent()?.to_owned();
        let name = format!(
            "{}::{}",
            package.file_name()?.to_string_lossy(),
            self.target?.name
        );
        Some(Binary {
            name,
            file: self.executable?,
            package,
        })
    }
}

/// What the tests print is shown only when one fails.
fn run_one(binary: &Binary, env: &[(&str, &str)]) -> anyhow::Result<()> {
    let threads = if binary.name.contains("::suite") {
        "1"
    } else {
        THREADS
    };
    let log = binary.file.with_extension("log");
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let child = Command::new(&binary.file)
        .args(["--test-threads", threads])
        .envs(env.iter().copied())
        .current_dir(&binary.package)
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {}", binary.file.display()))?;
    let outcome = wait(child);
    if outcome.is_err() {
        println!("\n{}", fs::read_to_string(&log).unwrap_or_default());
    }
    outcome
}

fn wait(mut child: Child) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{status}");
            return Ok(());
        }
        if start.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            bail!("killed after {}", seconds(LONGEST));
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the standard library cannot wait for a child with a deadline"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
