//! TLS with certificates made by the openssl command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use instance::{DialSettings, Dialer, InstanceError, Probe, TlsFiles};
use testkit::Need;
use topology::Addr;

use crate::common::{dialer, promptly, settings};

/// Two authorities, and a certificate for 127.0.0.1 of the first.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn make() -> Self {
        let made = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for ca in ["ca", "stranger"] {
            let subject = format!("/CN={ca}");
            let (key, cert) = (format!("{ca}.key"), format!("{ca}.crt"));
            made.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "1",
                "-subj",
                &subject,
                "-keyout",
                &key,
                "-out",
                &cert,
            ]);
        }
        let subject = ["-subj", "/CN=node", "-addext", "subjectAltName=IP:127.0.0.1"];
        let key = [
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "node.key",
            "-out",
            "node.csr",
        ];
        made.openssl(&[&key[..], &subject[..]].concat());
        made.openssl(&[
            "x509",
            "-req",
            "-in",
            "node.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "1",
            "-copy_extensions",
            "copy",
            "-out",
            "node.crt",
        ]);
        made
    }

    fn openssl(&self, words: &[&str]) {
        let run = Command::new("openssl")
            .args(words)
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "openssl {words:?}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn files(&self, ca: &str, pair: Option<(&str, &str)>) -> TlsFiles {
        TlsFiles {
            ca: self.path(ca),
            cert: pair.map(|(cert, _)| self.path(cert)),
            key: pair.map(|(_, key)| self.path(key)),
        }
    }
}

fn with(tls: TlsFiles) -> Result<Dialer, InstanceError> {
    Dialer::new(DialSettings {
        tls: Some(tls),
        ..settings()
    })
}

async fn redis(dir: &Path, tls_port: u16, auth_clients: &str) -> testkit::Redis {
    let dir = dir.display();
    testkit::Redis::builder()
        .line(&format!("tls-port {tls_port}"))
        .line(&format!("tls-cert-file {dir}/node.crt"))
        .line(&format!("tls-key-file {dir}/node.key"))
        .line(&format!("tls-ca-cert-file {dir}/ca.crt"))
        .line(&format!("tls-auth-clients {auth_clients}"))
        .start()
        .await
}

#[tokio::test]
async fn certificates_are_asked_for_given_and_verified() {
    if !testkit::require(&[Need::Openssl, Need::Redis]) {
        return;
    }
    let certificates = Certificates::make();
    let port = testkit::ports::free();
    let addr = Addr::new("127.0.0.1", port).unwrap();
    let _server = redis(certificates.dir.path(), port, "yes").await;

    let both = with(certificates.files("ca.crt", Some(("node.crt", "node.key")))).unwrap();
    let probe = both.probe(&addr).await;
    assert!(matches!(probe, Probe::Answered(_)), "{probe:?}");
    both.redis(&addr).await.unwrap().ping().await.unwrap();

    let nameless = with(certificates.files("ca.crt", None)).unwrap();
    let error = promptly(nameless.redis(&addr)).await.unwrap_err();
    assert!(
        matches!(&error, InstanceError::Protocol { problem, .. } if problem.contains("CertificateRequired")),
        "{error:?}"
    );

    let stranger = with(certificates.files("stranger.crt", Some(("node.crt", "node.key")))).unwrap();
    let error = promptly(stranger.redis(&addr)).await.unwrap_err();
    assert!(
        matches!(&error, InstanceError::Protocol { problem, .. } if problem.contains("UnknownIssuer")),
        "{error:?}"
    );
    assert!(matches!(stranger.probe(&addr).await, Probe::Denied(_)));

    // The certificate is for 127.0.0.1, not for whatever else leads there.
    let elsewhere = Addr::new("localhost", port).unwrap();
    let error = promptly(both.redis(&elsewhere)).await.unwrap_err();
    assert!(matches!(error, InstanceError::Protocol { .. }), "{error:?}");

    let plain = promptly(dialer().probe(&addr)).await;
    assert!(!matches!(plain, Probe::Answered(_) | Probe::Refused), "{plain:?}");
}

#[tokio::test]
async fn a_sentinel_speaks_tls_too_and_its_events() {
    if !testkit::require(&[Need::Openssl, Need::Sentinel]) {
        return;
    }
    let certificates = Certificates::make();
    let port = testkit::ports::free();
    let dir = certificates.dir.path().display();
    let _server = testkit::Sentinel::builder()
        .line(&format!("tls-port {port}"))
        .line(&format!("tls-cert-file {dir}/node.crt"))
        .line(&format!("tls-key-file {dir}/node.key"))
        .line(&format!("tls-ca-cert-file {dir}/ca.crt"))
        .line("tls-auth-clients no")
        .start()
        .await;
    let dialer = with(certificates.files("ca.crt", None)).unwrap();
    let sentinel = dialer
        .sentinel(&Addr::new("127.0.0.1", port).unwrap())
        .await
        .unwrap();
    sentinel.my_id().await.unwrap();
    sentinel.events().await.unwrap();
}

#[tokio::test]
async fn files_that_do_not_belong_together_are_named_at_the_start() {
    if !testkit::require(&[Need::Openssl]) {
        return;
    }
    let certificates = Certificates::make();
    let refusal = |files| with(files).unwrap_err().to_string();
    let text = refusal(certificates.files("ca.crt", Some(("node.crt", "stranger.key"))));
    assert!(text.contains("stranger.key"), "{text}");
    let text = refusal(certificates.files("ca.crt", Some(("node.crt", "node.csr"))));
    assert!(text.contains("node.csr"), "{text}");
    let text = refusal(TlsFiles {
        key: None,
        ..certificates.files("ca.crt", Some(("node.crt", "node.key")))
    });
    assert!(text.contains("node.crt") && text.contains("its key"), "{text}");
}
