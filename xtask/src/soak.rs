//! `cargo xtask soak`: the suite with its many rounds. What it saw goes into `docs/benchmarks.md`.

use std::fs;

use anyhow::ensure;

use crate::figures;
use crate::install;
use crate::root::workspace;
use crate::steps::Steps;

/// The tests that have many rounds: the suites, and some that need no group of servers.
const ROUNDS: &str = "binary(/^suite_/) | test(killed_at_any_write)";

/// What to repeat.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples: cargo xtask soak --only suite_moves\n          cargo xtask soak --release --only suite_haproxy\nExit codes: 0 all passed and the table is written, 1 otherwise"
)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this, or those of a suite (`suite_...`); their rows take the place of those in the table.
    #[arg(long)]
    only: Option<String>,
    /// With the programs as they are released; into a table of its own.
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let steps = Steps::start();
    steps.step("servers and tools", install::ensure_servers)?;
    steps.cargo("build", &["build", "--workspace", "--all-targets"], &[])?;
    if arguments.release {
        let build = ["build", "--release", "--workspace", "--bins"];
        steps.cargo("release build", &build, &[])?;
    }
    let report = workspace().join("target/soak.md");
    let _ = fs::remove_file(&report);
    let which = match &arguments.only {
        Some(name) if name.starts_with("suite_") => format!("binary(~{name})"),
        Some(name) => format!("({ROUNDS}) & test({name})"),
        None => ROUNDS.to_owned(),
    };
    ensure!(
        install::find("cargo-nextest").is_some(),
        "soak needs cargo-nextest; run `cargo install cargo-nextest`"
    );
    let command = [
        "nextest",
        "run",
        "--workspace",
        "--profile",
        "soak",
        "-E",
        which.as_str(),
    ];
    let file = report.to_string_lossy().into_owned();
    let programs = workspace().join("target/release").to_string_lossy().into_owned();
    let mut variables = vec![("CI", "1"), ("SOAK_REPORT", file.as_str())];
    if arguments.release {
        variables.push(("TESTKIT_PROGRAMS", programs.as_str()));
    }
    let ran = steps.cargo("soak", &command, &variables);
    let rows = fs::read_to_string(&report).unwrap_or_default();
    let (head, note) = ("| what | rounds | seen |\n|---|---|---|\n", figures::machine());
    let table = if arguments.release { "soak-release" } else { "soak" };
    if ran.is_err() {
        println!("{head}{rows}\n{note}\nnot written: something failed");
    } else if arguments.only.is_some() {
        figures::put(table, &rows, &note)?;
    } else {
        figures::write(table, &format!("{head}{rows}\n{note}\n"))?;
    }
    ran
}
