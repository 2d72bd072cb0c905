//! Whose the spool is: root becomes that user before it makes a file there.
//!
//! What root made in the spool's directory (the database's own side files, the lock) Sentinel's user could not write, and from then on its calls would
//! fail: one `sudo eventilator status` would stop all alerts.

use std::path::Path;

use supervisor::RunAsError;

/// As root, becomes whoever the directory of `spool` belongs to, or will. Whether that is somebody else now: then the configuration should be read
/// again, as that user finds it. Before any file is made, and before there are threads.
pub fn become_owner(spool: &Path) -> Result<bool, RunAsError> {
    supervisor::become_owner_of(spool.parent().unwrap_or(spool))
}
