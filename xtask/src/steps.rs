//! Steps that follow each other, with lines that tell where they are and how long they took.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::root::workspace;

/// The clock of one run.
pub(crate) struct Steps(Instant);

impl Steps {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Announces a step, does it, and says how long it took.
    pub(crate) fn step(&self, name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        println!("[{:>5}] {name}", seconds(self.0.elapsed()));
        let start = Instant::now();
        work().with_context(|| format!("{name} failed"))?;
        println!(
            "[{:>5}] {name}: done in {}",
            seconds(self.0.elapsed()),
            seconds(start.elapsed())
        );
        Ok(())
    }

    /// A step that is one cargo command.
    pub(crate) fn cargo(&self, name: &str, arguments: &[&str], env: &[(&str, &str)]) -> anyhow::Result<()> {
        self.step(name, || {
            let mut command = cargo();
            command.args(arguments).envs(env.iter().copied());
            check(&mut command)
        })
    }
}

/// Cargo, in the workspace's directory.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace());
    command
}

/// Runs a command and wants success.
pub(crate) fn check(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.0}s", time.as_secs_f32())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
