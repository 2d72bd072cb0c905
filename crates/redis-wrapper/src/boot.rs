//! Whether the host has been up since Redis last wrote here.
//!
//! Redis writes to its append-only file before it answers (server.c, `beforeSleep`), and what was written outlives any process;
//! only the host's own end loses what was not synced yet. The kernel has a new id at each boot (random(4), `boot_id`).

use std::fs;
use std::path::Path;

/// Its name in the data directory.
pub(crate) const FILE: &str = ".redis-wrapper.boot";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Whether a wrapper noted the present boot here before; notes it.
pub(crate) fn same_boot(dir: &Path) -> bool {
    let Ok(now) = fs::read_to_string(BOOT_ID) else {
        return false;
    };
    same(&dir.join(FILE), now.trim())
}

fn same(path: &Path, now: &str) -> bool {
    let before = fs::read_to_string(path).unwrap_or_default();
    if before.trim() == now && !now.is_empty() {
        return true;
    }
    // Without the note the next start only knows less.
    let _ = fs::write(path, format!("{now}\n"));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_known_from_its_second_start_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for (boot, known) in [("a", false), ("a", true), ("b", false), ("b", true), ("", false)] {
            assert_eq!(same(&path, boot), known, "{boot}");
        }
        assert!(!same_boot(dir.path()));
        assert!(same_boot(dir.path()));
    }
}
