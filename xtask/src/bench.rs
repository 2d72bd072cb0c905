//! `cargo xtask bench`: figures beside those of what we replace, side by side in one run.

mod failover;
mod groups;
mod relay;
mod wrapper;

/// What to measure.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples: cargo xtask bench --rounds 5\n          cargo xtask bench failover\nExit codes: 0 the table is written, 1 otherwise"
)]
#[group(skip)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    wrapper: wrapper::Arguments,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// What a wrapper costs beside a bare redis-server (also without a word).
    Wrapper(wrapper::Arguments),
    /// How long writes are away when the master dies or stops, beside stock Sentinel.
    Failover(failover::Arguments),
    /// What it costs a watcher to follow hundreds of groups.
    Groups(groups::Arguments),
    /// What a call of the event relay costs beside a bare `true`.
    Relay(relay::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.what {
        None => wrapper::run(&arguments.wrapper),
        Some(What::Wrapper(arguments)) => wrapper::run(arguments),
        Some(What::Failover(arguments)) => failover::run(arguments),
        Some(What::Groups(arguments)) => groups::run(arguments),
        Some(What::Relay(arguments)) => relay::run(arguments),
    }
}
