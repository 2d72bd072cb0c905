//! The log: the file that Sentinel's own log is by convention, and where that cannot be written, standard error (Sentinel's own, which scripts
//! inherit).

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging to `path`.
pub fn begin(path: &Path) {
    match open(path) {
        Ok(file) => drop(lines().with_writer(Mutex::new(file)).finish().try_init()),
        Err(_) => begin_here(),
    }
}

/// Starts logging to standard error.
pub fn begin_here() {
    drop(lines().with_writer(std::io::stderr).finish().try_init());
}

fn lines() -> tracing_subscriber::fmt::SubscriberBuilder<
    tracing_subscriber::fmt::format::DefaultFields,
    tracing_subscriber::fmt::format::Format,
    LevelFilter,
> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(LevelFilter::INFO)
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}
