//! Which real servers a test needs, and what happens where they are missing.
//!
//! On a laptop without ZooKeeper a test may be passed over, loudly; where `CI` is set a missing server is an error, since
//! a test that never runs proves nothing.

use std::env;
use std::path::{Path, PathBuf};

use crate::zookeeper::{JAR, LOGGING_JAR};

/// A server or tool that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `java` and the ZooKeeper jar.
    ZooKeeper,
    /// `redis-server`.
    Redis,
    /// `redis-sentinel`, which is the same program under another name.
    Sentinel,
    /// `haproxy`.
    Haproxy,
    /// `ip` and the right to make network namespaces.
    Network,
    /// `cc`, which makes the library that gives a program a clock of its own.
    Compiler,
    /// `openssl`, which makes certificates.
    Openssl,
    /// `prometheus`, and `promtool`, which reads what it reads.
    Prometheus,
    /// `strace`, which kills a program at a system call.
    Strace,
    /// `chromium`, without a window.
    Chromium,
}

impl Need {
    fn missing(self) -> Option<String> {
        let tool = |name: &str, package: &str| {
            find(name)
                .is_none()
                .then(|| format!("{name} is not on PATH (Debian package {package})"))
        };
        match self {
            Need::ZooKeeper => tool("java", "default-jre-headless").or_else(|| {
                let jars = [(JAR, "libzookeeper-java"), (LOGGING_JAR, "libslf4j-java")];
                jars.into_iter()
                    .find(|(jar, _)| !Path::new(jar).exists())
                    .map(|(jar, package)| format!("{jar} does not exist (Debian package {package})"))
            }),
            Need::Redis | Need::Sentinel => tool("redis-server", "redis-server"),
            Need::Haproxy => tool("haproxy", "haproxy"),
            Need::Network => tool("ip", "iproute2")
                .or_else(|| (!nix::unistd::geteuid().is_root()).then(|| "not root".to_owned())),
            Need::Compiler => tool("cc", "gcc"),
            Need::Openssl => tool("openssl", "openssl"),
            Need::Prometheus => tool("promtool", "prometheus").or_else(|| tool("prometheus", "prometheus")),
            Need::Strace => tool("strace", "strace"),
            Need::Chromium => tool("chromium", "chromium"),
        }
    }
}

/// Whether everything is there. Where `CI` is set the answer is yes or a failure; elsewhere a `false` has been announced
/// on standard error and the test should return.
#[must_use = "a test must return when a server is missing"]
pub fn require(needs: &[Need]) -> bool {
    let missing: Vec<String> = needs.iter().filter_map(|need| need.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join("; ");
    assert!(
        !set("CI"),
        "{missing}; `cargo xtask test` installs what tests need"
    );
    eprintln!("SKIPPED, not tested: {missing}; `cargo xtask test` installs what tests need");
    false
}

/// Fails the test when something is missing.
pub(crate) fn demand(need: Need) {
    if let Some(missing) = need.missing() {
        panic!("{missing}; `cargo xtask test` installs what tests need");
    }
}

/// The file that PATH finds under this name. Debian keeps haproxy and ip where only root looks.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = path_variable();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// PATH as this test has it, which is the one variable that every program it starts gets.
pub(crate) fn path_variable() -> std::ffi::OsString {
    env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

fn set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_on_the_path() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }
}
