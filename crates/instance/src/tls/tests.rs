//! Files that cannot work are named before anything is dialled.

use std::fs;

use super::*;

fn refusal(files: &TlsFiles) -> String {
    match connector(files) {
        Ok(_) => panic!("unusable files were accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_unusable_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let ca_only = |ca: &str| TlsFiles {
        ca: path(ca),
        cert: None,
        key: None,
    };
    assert!(refusal(&ca_only("missing.crt")).contains("missing.crt"));

    fs::write(path("empty.crt"), "").unwrap();
    assert!(refusal(&ca_only("empty.crt")).contains("empty.crt is no usable certificate authority"));

    fs::write(
        path("broken.crt"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    assert!(refusal(&ca_only("broken.crt")).contains("broken.crt"));
}
