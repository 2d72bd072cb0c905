//! Which processes have a file open, for a message: those that /proc shows to us. Never by name.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// `redis-server (process 12), …`; empty where they are in another container or another user's.
pub(crate) fn holders(file: &File) -> String {
    let Ok(wanted) = file.metadata() else {
        return String::new();
    };
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid.filter(|pid| *pid != own)
            && has_open(&entry.path(), &wanted)
        {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(format!("{} (process {pid})", name.trim_end()));
        }
    }
    found.join(", ")
}

fn has_open(process: &Path, wanted: &Metadata) -> bool {
    let files = std::fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten();
    // Following the link asks the open file itself, whatever has become of its name.
    let mut open = files.filter_map(|file| std::fs::metadata(file.path()).ok());
    open.any(|open| (open.dev(), open.ino()) == (wanted.dev(), wanted.ino()))
}
