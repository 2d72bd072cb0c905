//! Files the user hands over: templates and TLS material. They are opened once here, so that a wrong path is a
//! problem of the settings and not a surprise in the middle of a start.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::vars::{self, Variable};

/// Paths of TLS material, in PEM; each was readable when the program started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate authority to trust.
    pub ca: PathBuf,
    /// Our own certificate.
    pub cert: Option<PathBuf>,
    /// Its key; present exactly when the certificate is.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// Reads `TLS_CA`, `TLS_CERT` and `TLS_KEY`, for Redis and Sentinels.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Option<Self>> {
        Self::from(reader, [&vars::TLS_CA, &vars::TLS_CERT, &vars::TLS_KEY])
    }

    /// Reads `ZK_TLS_CA`, `ZK_TLS_CERT` and `ZK_TLS_KEY`.
    pub(crate) fn read_zookeeper(reader: &mut Reader<'_>) -> Outcome<Option<Self>> {
        Self::from(reader, [&vars::ZK_TLS_CA, &vars::ZK_TLS_CERT, &vars::ZK_TLS_KEY])
    }

    fn from(reader: &mut Reader<'_>, variables: [&Variable; 3]) -> Outcome<Option<Self>> {
        let [ca, cert, key] = variables.map(|variable| readable(reader, variable));
        let (ca, cert, key) = (ca?, cert?, key?);
        let [ca_name, cert_name, key_name] = variables.map(|variable| variable.name);
        let missing = match (&ca, &cert, &key) {
            (Some(_), Some(_), Some(_)) | (Some(_) | None, None, None) => None,
            (None, _, _) => Some((ca_name, "TLS needs the certificate authority to trust")),
            (Some(_), None, Some(_)) => Some((cert_name, "the key needs its certificate")),
            (Some(_), Some(_), None) => Some((key_name, "the certificate needs its key")),
        };
        if let Some((name, why)) = missing {
            let among = format!("is not set, but others of {ca_name}, {cert_name}, {key_name} are; {why}");
            return Err(reader.problem(Problem::new(name, among)));
        }
        Ok(ca.map(|ca| Self { ca, cert, key }))
    }
}

/// The user's template of a server's configuration: `REDIS_CONF` or `SENTINEL_CONF`.
pub fn template(reader: &mut Reader<'_>, variable: &Variable) -> Outcome<Option<PathBuf>> {
    readable(reader, variable)
}

fn readable(reader: &mut Reader<'_>, variable: &Variable) -> Outcome<Option<PathBuf>> {
    let Some((name, path)) = reader.path(variable)? else {
        return Ok(None);
    };
    match why_unreadable(&path) {
        None => Ok(Some(path)),
        Some(why) => {
            let wrong = format!("{why}; name a readable file, for example {}", variable.example);
            Err(reader.problem(Problem::with_value(name, &path.to_string_lossy(), wrong)))
        }
    }
}

fn why_unreadable(path: &Path) -> Option<String> {
    // Asked before opening: opening a FIFO would wait for its writer.
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => File::open(path)
            .err()
            .map(|error| format!("cannot be read ({error})")),
        Ok(_) => Some("is not a file".to_owned()),
        Err(error) => Some(format!("cannot be read ({error})")),
    }
}
