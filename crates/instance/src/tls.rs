//! TLS for every connection, from files that are read and checked once.
//!
//! The server's certificate is always verified against the given authority, and its name or address against the one
//! dialled: a connection that carries a password must know whom it gives it to.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::InstanceError;

/// Where the certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority that signed the servers' certificates, PEM.
    pub ca: PathBuf,
    /// Our own certificate, PEM, where the servers ask for one.
    pub cert: Option<PathBuf>,
    /// The key of our certificate, PEM.
    pub key: Option<PathBuf>,
}

/// Reads the files into something that can shake hands.
pub(crate) fn connector(files: &TlsFiles) -> Result<TlsConnector, InstanceError> {
    if CryptoProvider::get_default().is_none() {
        // Fails only when somebody else installed one in between, which is as good.
        let _ = aws_lc_rs::default_provider().install_default();
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca, "certificate authority")? {
        roots
            .add(certificate)
            .map_err(|e| unusable(&files.ca, "certificate authority", e))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match (&files.cert, &files.key) {
        (None, None) => config.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert, "client certificate")?;
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| unusable(key, "private key", e))?;
            config
                .with_client_auth_cert(chain, key_der)
                .map_err(|e| unusable(key, "private key for the client certificate", e))?
        }
        (Some(cert), None) => return Err(unusable(cert, "client certificate", "its key file is not given")),
        (None, Some(key)) => return Err(unusable(key, "private key", "its certificate file is not given")),
    };
    draw_first_random(config.crypto_provider());
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The first random number of a process is slow: AWS-LC gathers entropy for 70 to 440 ms, measured on two loaded cores,
/// and later ones take microseconds. Drawn here, it does not eat the first connection's deadline.
fn draw_first_random(provider: &CryptoProvider) {
    // What fails now fails in the handshake as well, where an address can be named.
    let _ = provider.secure_random.fill(&mut [0; 32]);
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, InstanceError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|e| unusable(path, what, e))?
        .collect();
    let found = read.map_err(|e| unusable(path, what, e))?;
    if found.is_empty() {
        return Err(unusable(path, what, "it holds no certificate in PEM form"));
    }
    Ok(found)
}

fn unusable(path: &Path, what: &'static str, problem: impl Display) -> InstanceError {
    InstanceError::TlsFile {
        path: path.to_owned(),
        what,
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests;
