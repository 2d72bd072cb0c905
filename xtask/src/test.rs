//! `cargo xtask test`: everything, in the order in which it fails soonest. The same on a laptop and in CI, so that "works
//! here" means something.

use crate::install;
use crate::run_tests;
use crate::steps::Steps;

/// What to leave out.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Uses plain test binaries even where cargo-nextest is installed.
    #[arg(long)]
    without_nextest: bool,
}

/// A test that passes over a missing server proves nothing, and here all are there.
const NOTHING_IS_MISSING: &[(&str, &str)] = &[("CI", "1")];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let steps = Steps::start();
    steps.step("servers and tools", install::ensure_servers)?;
    steps.cargo("format", &["fmt", "--all", "--check"], &[])?;
    steps.cargo(
        "lints",
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &[],
    )?;
    steps.cargo(
        "documentation",
        &["doc", "--workspace", "--no-deps", "--document-private-items"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    // All targets in one go: programs alone would be built with fewer features, and then everything again for the tests.
    steps.cargo("build", &["build", "--workspace", "--all-targets"], &[])?;
    if !arguments.without_nextest && install::find("cargo-nextest").is_some() {
        steps.cargo("tests", &["nextest", "run", "--workspace"], NOTHING_IS_MISSING)?;
    } else {
        steps.step("tests", || run_tests::run(NOTHING_IS_MISSING))?;
    }
    steps.cargo(
        "examples in the documentation",
        &["test", "--workspace", "--doc"],
        NOTHING_IS_MISSING,
    )
}
