//! `cargo xtask soak`: the suite with its many rounds. What it saw goes into `docs/benchmarks.md`.

use std::fs;

use anyhow::ensure;

use crate::figures;
use crate::install;
use crate::root::workspace;
use crate::steps::Steps;

/// What to repeat.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: cargo xtask soak --only suite_moves\nExit codes: 0 all passed and the table is written, 1 otherwise"
)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this, or those of a suite (`suite_...`); their rows take the place of those in the table.
    #[arg(long)]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let steps = Steps::start();
    steps.step("servers and tools", install::ensure_servers)?;
    steps.cargo("build", &["build", "--workspace", "--all-targets"], &[])?;
    let report = workspace().join("target/soak.md");
    let _ = fs::remove_file(&report);
    let which = match &arguments.only {
        Some(name) if name.starts_with("suite_") => format!("binary(~{name})"),
        Some(name) => format!("binary(/^suite_/) & test({name})"),
        None => "binary(/^suite_/)".to_owned(),
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
    let ran = steps.cargo("soak", &command, &[("CI", "1"), ("SOAK_REPORT", file.as_str())]);
    let rows = fs::read_to_string(&report).unwrap_or_default();
    let (head, note) = ("| what | rounds | seen |\n|---|---|---|\n", figures::machine());
    if ran.is_err() {
        println!("{head}{rows}\n{note}\nnot written: something failed");
    } else if arguments.only.is_some() {
        figures::put("soak", &rows, &note)?;
    } else {
        figures::write("soak", &format!("{head}{rows}\n{note}\n"))?;
    }
    ran
}
