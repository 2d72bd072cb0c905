//! `cargo xtask demo`: what the project does, on this machine and before your eyes, without reading anything first.
//!
//! It is made of the tests' own parts, so what it shows is what is tested. Those parts panic where a test should fail; here
//! that becomes an error with a sentence.

mod comeback;
mod consent;
pub(crate) mod drill;
mod events;
mod facts;
mod failover;
mod leave_running;
mod observers;
mod play;
mod screen;
mod servers;
mod stop;
mod table;
mod timeline;
mod view;

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use self::consent::Consent;
use self::facts::Facts;
use crate::install::{self, For};
use crate::steps::Steps;

/// How the demo goes.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Ends by itself after the failover, the handover and the old masters' returns.
    #[arg(long)]
    once: bool,
    /// Prints the facts as one JSON object at the end; everything else goes to standard error.
    #[arg(long, requires = "once")]
    json: bool,
    /// Installs what is missing without asking.
    #[arg(long, short)]
    yes: bool,
}

const AFTER_HELP: &str = "\
It installs what is missing (Debian packages; asks first), builds, starts ZooKeeper, 3 Redis, 3 Sentinels and 2 watchers on
loopback in temporary directories, kills the master, shows what happens, brings the old master back, stops the new one as an
upgrade would, and leaves the group running until Ctrl-C. Nothing is left behind.

Exit codes:
    0  everything happened in time, or it was stopped while it was left running
    1  something did not happen in time, or the build failed: the message says what
    2  usage
   69  something is missing and was not installed
  130  stopped by Ctrl-C or a signal before it had shown everything

Example, for a script:
  cargo xtask demo --once --json | jq .failover.writes.away_ms";

/// How it ended.
enum End {
    /// Nothing to print when it was left running.
    Shown(Option<Box<Facts>>),
    Interrupted,
    Missing(anyhow::Error),
    Failed(anyhow::Error),
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let answer = match answer_file(arguments) {
        Ok(file) => file,
        Err(error) => return ended(End::Failed(error), None),
    };
    ended(show(arguments), answer)
}

fn show(arguments: &Arguments) -> End {
    match consent::ask(arguments.yes, arguments.once) {
        Consent::NothingMissing => {}
        Consent::Install => {
            if let Err(error) = install::ensure(For::Demo) {
                return End::Missing(error);
            }
        }
        Consent::Refused(packages) => {
            return End::Missing(anyhow::anyhow!(
                "missing: {0}; run it again with --yes, or `apt-get install {0}`",
                packages.join(" ")
            ));
        }
    }
    if let Err(error) = build() {
        return End::Failed(error);
    }
    play::run(arguments.once)
}

/// In the profile of this very program, since programs are looked for beside it.
fn build() -> anyhow::Result<()> {
    let mut words = vec!["build", "--workspace"];
    if !cfg!(debug_assertions) {
        words.push("--release");
    }
    Steps::start().cargo("build", &words, &[])
}

/// With `--json` standard output becomes standard error, whoever writes to it, and the answer alone goes to the old one.
fn answer_file(arguments: &Arguments) -> anyhow::Result<Option<File>> {
    if !arguments.json {
        return Ok(None);
    }
    let answer = nix::unistd::dup(std::io::stdout()).context("cannot keep standard output")?;
    nix::unistd::dup2_stdout(std::io::stderr()).context("cannot send progress to standard error")?;
    Ok(Some(File::from(answer)))
}

fn ended(end: End, answer: Option<File>) -> ExitCode {
    let (error, code) = match end {
        End::Shown(facts) => match print(facts.as_deref(), answer) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, 1),
        },
        End::Interrupted => return ExitCode::from(130),
        End::Missing(error) => (error, 69),
        End::Failed(error) => (error, 1),
    };
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}

fn print(facts: Option<&Facts>, answer: Option<File>) -> anyhow::Result<()> {
    let (Some(facts), Some(mut answer)) = (facts, answer) else {
        return Ok(());
    };
    let json = serde_json::to_string(facts).context("cannot write the facts as JSON")?;
    writeln!(answer, "{json}").context("cannot print the facts")
}
