//! Where the workspace lies.

use std::path::Path;

/// The workspace's directory: the parent of this package's.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the workspace")
}
