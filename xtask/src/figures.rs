//! Tables in `docs/benchmarks.md`: each between its own markers, with the command that made it.

use std::fs;

use anyhow::{Context, ensure};

use crate::root::workspace;

const PAGE: &str = "docs/benchmarks.md";

/// Replaces the table between `<!-- name -->` and `<!-- /name -->`.
pub(crate) fn write(name: &str, table: &str) -> anyhow::Result<()> {
    let path = workspace().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (before, _, after) = around(&page, name)?;
    fs::write(&path, format!("{before}{table}{after}"))?;
    println!("{table}\nwritten to {PAGE}");
    Ok(())
}

/// Puts `rows` into the table of that name: each takes the place of the one that begins with the same cell, or comes last.
pub(crate) fn put(name: &str, rows: &str, note: &str) -> anyhow::Result<()> {
    let path = workspace().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (_, table, _) = around(&page, name)?;
    let cell = |row: &str| row.split('|').nth(1).unwrap_or_default().trim().to_owned();
    let mut kept: Vec<String> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect();
    for row in rows.lines() {
        match kept.iter_mut().find(|before| cell(before) == cell(row)) {
            Some(before) => row.clone_into(before),
            None => kept.push(row.to_owned()),
        }
    }
    write(name, &format!("{}\n\n{note}\n", kept.join("\n")))
}

/// What is before the table, the table, and what is after it; the markers stay outside.
fn around<'a>(page: &'a str, name: &str) -> anyhow::Result<(&'a str, &'a str, &'a str)> {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let begin = page.find(&open).map(|at| at + open.len());
    let begin = begin.with_context(|| format!("{PAGE} has no marker {open}"))?;
    let length = page[begin..].find(&close);
    let end = begin + length.with_context(|| format!("{PAGE} has no marker {close}"))?;
    Ok((&page[..begin], &page[begin..end], &page[end..]))
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
