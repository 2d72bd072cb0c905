//! TLS, with a certificate asked for on both sides.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{Party, connect, tree};
use registry::{RegistryError, TlsFiles};
use testkit::{Launch, Process, ports};

/// A ZooKeeper that speaks TLS only, and the directory of its files.
struct Secure {
    _process: Process,
    dir: tempfile::TempDir,
    port: u16,
}

impl Secure {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        certificates(dir.path());
        let port = ports::free();
        let config = format!(
            "tickTime=500\nminSessionTimeout=1000\nmaxSessionTimeout=60000\ndataDir={}\nadmin.enableServer=false\n\
             secureClientPort={port}\nsecureClientPortAddress=127.0.0.1\n\
             serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
             ssl.keyStore.location={}\nssl.trustStore.location={}\n",
            dir.path().display(),
            at("both.pem").display(),
            at("ca.pem").display(),
        );
        std::fs::write(at("zoo.cfg"), config).unwrap();
        // The manifest of Debian's jar misses some of Netty.
        let mut classpath = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar".to_owned();
        for entry in std::fs::read_dir("/usr/share/java").unwrap() {
            let jar = entry.unwrap().path();
            if jar.file_name().unwrap().to_string_lossy().starts_with("netty-") {
                classpath.push(':');
                classpath.push_str(&jar.to_string_lossy());
            }
        }
        let args = [
            "-Xmx64m".to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            "-Dzookeeper.jmx.log4j.disable=true".to_owned(),
            "-cp".to_owned(),
            classpath,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain".to_owned(),
            at("zoo.cfg").display().to_string(),
        ];
        let process = Process::spawn(Launch {
            name: "zookeeper with tls".to_owned(),
            program: PathBuf::from("/usr/bin/java"),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            dir: dir.path().to_owned(),
            log: at("log"),
        });
        Self {
            _process: process,
            dir,
            port,
        }
    }

    fn files(&self, ca: &str, own: bool) -> TlsFiles {
        let at = |name: &str| self.dir.path().join(name);
        TlsFiles {
            ca: at(ca),
            cert: own.then(|| at("node.pem")),
            key: own.then(|| at("node.key")),
        }
    }
}

/// An authority, a certificate of it for 127.0.0.1, and an authority that nobody trusts.
fn certificates(dir: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    std::fs::write(dir.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for ca in ["ca", "other"] {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={ca} -keyout {ca}.key -out {ca}.pem"
        ));
    }
    openssl("req -newkey rsa:2048 -nodes -subj /CN=node -keyout node.key -out node.csr");
    openssl(
        "x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile san -out node.pem",
    );
    let both = ["node.pem", "node.key"].map(|name| std::fs::read_to_string(dir.join(name)).unwrap());
    std::fs::write(dir.join("both.pem"), both.concat()).unwrap();
}

#[tokio::test]
async fn both_sides_are_checked() {
    let zk = Secure::start();
    for scheme in ["", "tcp+tls://"] {
        let mut connect = connect(&format!("{scheme}127.0.0.1:{}", zk.port));
        connect.tls = Some(zk.files("ca.pem", true));
        let party = Party::start(connect);
        party.registry.connected(Duration::from_secs(40)).await.unwrap();
        assert!(party.registry.read(&tree().master()).await.unwrap().is_some());
        party.registry.close().await;
        party.ended().await;
    }
    for files in [zk.files("other.pem", true), zk.files("ca.pem", false)] {
        let mut connect = connect(&format!("127.0.0.1:{}", zk.port));
        connect.tls = Some(files);
        let party = Party::start(connect);
        let error = party
            .registry
            .connected(Duration::from_secs(3))
            .await
            .unwrap_err();
        assert!(matches!(error, RegistryError::Unreachable { .. }), "{error:?}");
    }
    let mut plain = connect(&format!("tcp+tls://127.0.0.1:{}", zk.port));
    plain.tls = None;
    let tasks = tokio_util::task::TaskTracker::new();
    let error = registry::Registry::start(plain, tree(), &tasks)
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, RegistryError::Hosts { .. }), "{error:?}");
}
