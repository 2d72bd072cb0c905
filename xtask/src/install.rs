//! The servers and tools that tests and the demo need, installed where they are missing.
//!
//! From Debian's packages, as root or through sudo. A package that brings a service must not start it: a Redis on 6379
//! would be there that nobody asked for. Where systemd runs no setting of ours prevents that, so it is stopped afterwards;
//! elsewhere `RUNLEVEL=1`, in which no service runs, does.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Something needed, and the package that has it.
struct Need {
    what: What,
    package: &'static str,
    /// The service that the package starts.
    service: Option<&'static str>,
}

enum What {
    Program(&'static str),
    File(&'static str),
}

const fn program(name: &'static str, package: &'static str, service: Option<&'static str>) -> Need {
    Need {
        what: What::Program(name),
        package,
        service,
    }
}

const fn file(path: &'static str, package: &'static str) -> Need {
    Need {
        what: What::File(path),
        package,
        service: None,
    }
}

/// Who needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum For {
    /// The servers alone.
    Demo,
    /// The servers, and the tools of some tests.
    Tests,
}

const SERVERS: &[Need] = &[
    program("redis-server", "redis-server", Some("redis-server")),
    program("redis-sentinel", "redis-sentinel", Some("redis-sentinel")),
    program("java", "default-jre-headless", None),
    file("/usr/share/java/zookeeper.jar", "libzookeeper-java"),
    file("/usr/share/java/slf4j-simple.jar", "libslf4j-java"),
];

const TOOLS: &[Need] = &[
    program("haproxy", "haproxy", Some("haproxy")),
    program("ip", "iproute2", None),
    program("cc", "gcc", None),
    program("openssl", "openssl", None),
    // It comes with the server, which listens on 9090 where nobody stops it.
    program("promtool", "prometheus", Some("prometheus")),
    program("chromium", "chromium", None),
    program("strace", "strace", None),
    // The client examples.
    file(
        "/usr/lib/python3/dist-packages/kazoo/__init__.py",
        "python3-kazoo",
    ),
    file(
        "/usr/lib/python3/dist-packages/redis/__init__.py",
        "python3-redis",
    ),
    program("javac", "default-jdk-headless", None),
    program("go", "golang-go", None),
    file(
        "/usr/share/gocode/src/github.com/samuel/go-zookeeper/zk/conn.go",
        "golang-github-samuel-go-zookeeper-dev",
    ),
];

/// Everything that tests need: see [`ensure()`].
pub(crate) fn ensure_servers() -> anyhow::Result<()> {
    ensure(For::Tests)
}

/// The packages that would be installed.
pub(crate) fn missing_packages(purpose: For) -> Vec<&'static str> {
    missing(purpose).iter().map(|need| need.package).collect()
}

/// Installs what is missing, or says what to install.
pub(crate) fn ensure(purpose: For) -> anyhow::Result<()> {
    let missing = missing(purpose);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let advice = format!("install what is missing: apt-get install {}", packages.join(" "));
    ensure!(
        find("apt-get").is_some(),
        "this is no Debian; {advice}, or the like of it"
    );
    println!("installing {}", packages.join(" "));
    // The lists may be old, and a machine that has just been made has none.
    as_root(&["apt-get", "update", "-q"]).with_context(|| advice.clone())?;
    let mut install = vec!["apt-get", "install", "-q", "-y", "--no-install-recommends"];
    install.extend(&packages);
    as_root(&install).with_context(|| advice.clone())?;
    let services: Vec<&str> = missing.iter().filter_map(|need| need.service).collect();
    if Path::new("/run/systemd/system").exists() && !services.is_empty() {
        let mut stop = vec!["systemctl", "disable", "--now"];
        stop.extend(&services);
        as_root(&stop)?;
    }
    let left = self::missing(purpose);
    if let Some(need) = left.first() {
        bail!(
            "{} was installed and yet something of it is missing",
            need.package
        );
    }
    Ok(())
}

fn missing(purpose: For) -> Vec<&'static Need> {
    let tools = match purpose {
        For::Demo => &[],
        For::Tests => TOOLS,
    };
    SERVERS
        .iter()
        .chain(tools)
        .filter(|need| match need.what {
            What::Program(name) => find(name).is_none(),
            What::File(path) => !Path::new(path).exists(),
        })
        .collect()
}

/// The file that PATH finds under this name. Debian keeps haproxy and ip where only root looks.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

fn as_root(words: &[&str]) -> anyhow::Result<()> {
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new("env")
    } else {
        ensure!(find("sudo").is_some(), "neither root nor sudo");
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    let status = command
        .args(["RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive"])
        .args(words)
        .status()
        .with_context(|| format!("cannot run {}", words.join(" ")))?;
    ensure!(status.success(), "`{}` failed ({status})", words.join(" "));
    Ok(())
}
