//! The verbs a developer types: `cargo xtask <verb>`. Each verb is a file.
//!
//! They are Rust and not scripts because they share code with the tests, and because a machine with a Rust toolchain then
//! needs nothing else to begin.
#![expect(clippy::print_stdout, reason = "a developer's command shows what it does")]

mod bench;
mod demo;
mod docs;
mod figures;
mod install;
mod newer;
mod root;
mod run_tests;
mod soak;
mod steps;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "What a developer of this project types",
    version
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows a group on this machine: its start, a failover, the old master's return.
    Demo(demo::Arguments),
    /// Lets something happen to a group on this machine, and shows what comes of it, moment by moment.
    Drill(demo::drill::Arguments),
    /// Installs what is missing, then checks, builds and tests everything.
    Test(test::Arguments),
    /// Runs the suite with its many rounds and writes down what it saw.
    Soak(soak::Arguments),
    /// Tests the failover against newer servers than the distribution's.
    Newer(newer::Arguments),
    /// Measures what a wrapper costs beside a bare redis-server.
    Bench(bench::Arguments),
    /// Writes the pages that are generated from the code.
    Docs(docs::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Demo(arguments) => return demo::run(&arguments),
        Verb::Drill(arguments) => demo::drill::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Soak(arguments) => soak::run(&arguments),
        Verb::Newer(arguments) => newer::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Docs(arguments) => docs::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn every_verb_can_be_asked_for() {
        Arguments::command().debug_assert();
        // Of a verb within a verb only this finds what is wrong.
        Arguments::command().build();
    }
}
