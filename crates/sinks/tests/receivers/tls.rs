//! A certificate authority of the test's own, and TLS in front of a plain server.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Authority {
    dir: TempDir,
    servers: tokio::sync::Mutex<tokio::task::JoinSet<()>>,
}

impl Authority {
    /// Signs one certificate, for 127.0.0.1. Before [`supervisor::Children`] is started: it would take openssl's status.
    pub(crate) fn make() -> Self {
        let made = Self {
            dir: tempfile::tempdir().unwrap(),
            servers: tokio::sync::Mutex::default(),
        };
        std::fs::write(made.dir.path().join("san"), "subjectAltName=IP:127.0.0.1").unwrap();
        for words in [
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca",
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout it.key -out it.csr -subj /CN=it",
            "x509 -req -in it.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san -out it.crt",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let run = Command::new("openssl")
                .args(&words)
                .current_dir(made.dir.path())
                .output()
                .unwrap();
            assert!(
                run.status.success(),
                "{words:?}: {}",
                String::from_utf8_lossy(&run.stderr)
            );
        }
        made
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// A port that speaks TLS, and hands on what is said to the plain one.
    pub(crate) async fn in_front_of(&self, plain: u16) -> u16 {
        let certificate = CertificateDer::from_pem_file(self.dir.path().join("it.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.dir.path().join("it.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        self.servers.lock().await.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // Who does not trust it ends the handshake.
                    let Ok(mut outer) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut inner = TcpStream::connect(("127.0.0.1", plain)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        port
    }
}
