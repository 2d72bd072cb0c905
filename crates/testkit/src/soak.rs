//! Few rounds in a test run, many in a soak; and what was measured goes into a table.
//!
//! `cargo xtask soak` sets `SOAK_REPORT` to a file: then a test runs its many rounds and what it reports is one row there.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

fn report_file() -> Option<std::ffi::OsString> {
    std::env::var_os("SOAK_REPORT")
}

/// How many rounds to run: `few` in a test run, `many` in a soak.
pub fn rounds(few: usize, many: usize) -> usize {
    if report_file().is_some() { many } else { few }
}

/// One row of the soak's table: what was repeated, how often, and what was seen. Always shown on standard error.
pub fn report(what: &str, rounds: usize, seen: &str) {
    eprintln!("{what}: {rounds} rounds, {seen}");
    if let Some(path) = report_file() {
        let row = format!("| {what} | {rounds} | {seen} |\n");
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .open(path)
            .expect("the soak's report");
        file.write_all(row.as_bytes()).expect("the soak's report");
    }
}

/// Times as text: median, smallest, largest, in milliseconds.
pub fn spread(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let mut text = String::new();
    let ms = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0);
    let median = ms(sorted.get(sorted.len() / 2));
    let _ = write!(
        text,
        "median {median:.1} ms, {:.1} to {:.1} ms",
        ms(sorted.first()),
        ms(sorted.last())
    );
    text
}

/// The middle of several times.
pub fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
