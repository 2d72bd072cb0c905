//! Tables in `docs/benchmarks.md`: each between its own markers, with the command that made it.

use std::fs;

use anyhow::{Context, ensure};

use crate::root::workspace;

const PAGE: &str = "docs/benchmarks.md";

/// Replaces the table between `<!-- name -->` and `<!-- /name -->`.
pub(crate) fn write(name: &str, table: &str) -> anyhow::Result<()> {
    let path = workspace().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = page
        .split_once(&open)
        .with_context(|| format!("{PAGE} has no marker {open}"))?;
    let (_, after) = rest
        .split_once(&close)
        .with_context(|| format!("{PAGE} has no marker {close}"))?;
    fs::write(&path, format!("{before}{open}{table}{close}{after}"))?;
    println!("{table}\nwritten to {PAGE}");
    Ok(())
}

/// One line that says on what machine the figures were made.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    format!("{cores} cores, load at the end {load}")
}

/// The middle, the smallest and the largest of some numbers.
pub(crate) fn spread(values: &mut [f64]) -> anyhow::Result<(f64, f64, f64)> {
    ensure!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    Ok((values[values.len() / 2], values[0], values[values.len() - 1]))
}
