//! `cargo xtask newer`: the tests of the failover against newer servers than the distribution's: Valkey 8 and Redis 8.
//!
//! They come from Debian's newer suites, are unpacked below `target/newer` and never installed. Redis 8 wants a newer C library, so it runs
//! under its own loader. Programs and tests find them because their directory comes first on `PATH`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::install;
use crate::root::workspace;
use crate::steps::{Steps, cargo, check};

/// What to run against them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Debian only. Example: cargo xtask newer\nExit codes: 0 all passed with each server, 1 otherwise"
)]
pub(crate) struct Arguments {
    /// Which tests, as nextest's filter.
    #[arg(
        long,
        default_value = "package(failover) | binary(suite_succession) | binary(suite_failover)"
    )]
    tests: String,
}

/// A server of another version.
struct Newer {
    name: &'static str,
    suite: &'static str,
    packages: &'static [&'static str],
    /// The program that is both server and Sentinel.
    program: &'static str,
    loader: Loader,
}

/// With whose C library it runs.
#[derive(PartialEq, Eq)]
enum Loader {
    System,
    Own,
}

const SERVERS: &[Newer] = &[
    Newer {
        name: "valkey-8",
        suite: "bookworm-backports",
        packages: &["valkey-server", "valkey-sentinel", "valkey-tools"],
        program: "usr/bin/valkey-check-rdb",
        loader: Loader::System,
    },
    Newer {
        name: "redis-8",
        suite: "trixie",
        packages: &[
            "redis-server",
            "redis-sentinel",
            "redis-tools",
            "libc6",
            "libssl3t64",
            "libsystemd0",
            "libjemalloc2",
            "liblzf1",
            "libatomic1",
            "libstdc++6",
            "libgcc-s1",
            "libcap2",
            "liblua5.1-0",
            "libhiredis1.1.0",
            "zlib1g",
            "libzstd1",
        ],
        program: "usr/bin/redis-check-rdb",
        loader: Loader::Own,
    },
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let steps = Steps::start();
    steps.step("servers and tools", install::ensure_servers)?;
    ensure!(
        install::find("cargo-nextest").is_some(),
        "newer needs cargo-nextest; run `cargo install cargo-nextest`"
    );
    let mut paths = Vec::new();
    for server in SERVERS {
        steps.step(server.name, || {
            paths.push((server.name, fetched(server)?));
            Ok(())
        })?;
    }
    steps.cargo("build", &["build", "--workspace", "--all-targets"], &[])?;
    for (name, dir) in paths {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([dir].into_iter().chain(std::env::split_paths(&path)))?;
        steps.step(&format!("tests with {name}"), || {
            let words = ["nextest", "run", "--workspace", "-E", arguments.tests.as_str()];
            check(cargo().args(words).env("PATH", path).env("CI", "1"))
        })?;
    }
    Ok(())
}

/// A directory with `redis-server` and `redis-sentinel` of that version.
fn fetched(server: &Newer) -> anyhow::Result<PathBuf> {
    let dir = workspace().join("target/newer").join(server.name);
    let (bin, root) = (dir.join("bin"), dir.join("root"));
    if !root.join(server.program).exists() {
        fs::create_dir_all(&root)?;
        download(server, &dir)?;
        for package in fs::read_dir(&dir)?.flatten().map(|entry| entry.path()) {
            if package.extension().is_some_and(|end| end == "deb") {
                check(Command::new("dpkg").arg("-x").arg(&package).arg(&root))?;
            }
        }
    }
    fs::create_dir_all(&bin)?;
    for name in ["redis-server", "redis-sentinel"] {
        let start = bin.join(name);
        let _ = fs::remove_file(&start);
        let program = root.join(server.program);
        if server.loader == Loader::System {
            symlink(&program, &start)?;
        } else {
            fs::write(&start, under_own_loader(&root, name, &program)?)?;
            fs::set_permissions(&start, Permissions::from_mode(0o755))?;
        }
    }
    check(Command::new(bin.join("redis-server")).arg("--version"))?;
    Ok(bin)
}

fn under_own_loader(root: &Path, name: &str, program: &Path) -> anyhow::Result<String> {
    let dirs = fs::read_dir(root.join("usr/lib"))?.flatten();
    let mut loaders = dirs.filter_map(|dir| {
        let files = fs::read_dir(dir.path()).ok()?.flatten();
        files.map(|file| file.path()).find(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ld-linux-")
        })
    });
    let loader = loaders.next().context("the package libc6 has no loader")?;
    let libraries = loader.parent().unwrap_or(root);
    Ok(format!(
        "#!/bin/sh\nexec {} --library-path {} --argv0 {name} {} \"$@\"\n",
        loader.display(),
        libraries.display(),
        program.display()
    ))
}

/// With lists, state and cache of its own, so that the machine's own packages stay as they are.
fn download(server: &Newer, dir: &Path) -> anyhow::Result<()> {
    let apt = dir.join("apt");
    for part in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part))?;
    }
    fs::write(apt.join("status"), "")?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let line = format!("deb [signed-by={keys}] {} {} main\n", mirror()?, server.suite);
    fs::write(apt.join("sources.list"), line)?;
    let options = [
        format!("Dir::State={}", apt.join("state").display()),
        format!("Dir::State::status={}", apt.join("status").display()),
        format!("Dir::Cache={}", apt.join("cache").display()),
        format!("Dir::Etc::sourcelist={}", apt.join("sources.list").display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.current_dir(dir).arg("-q");
        for option in &options {
            command.arg("-o").arg(option);
        }
        command
    };
    check(apt_get().arg("update"))?;
    check(apt_get().arg("download").args(server.packages))
}

/// Where this machine has its Debian packages from.
fn mirror() -> anyhow::Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(
        fs::read_dir("/etc/apt/sources.list.d")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path()),
    );
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let found = texts
        .flat_map(|text| text.lines().filter_map(archive).collect::<Vec<_>>())
        .next();
    found.context("no Debian archive in /etc/apt/sources.list or sources.list.d")
}

/// The address of the main archive in a line of either format (sources.list(5)).
fn archive(line: &str) -> Option<String> {
    let wanted = line.starts_with("deb ") || line.starts_with("URIs:");
    let mut words = line.split_whitespace().filter(|word| word.contains("://"));
    let uri = words.find(|word| word.trim_end_matches('/').ends_with("/debian"))?;
    wanted.then(|| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_both_formats() {
        for (line, wanted) in [
            (
                "URIs: http://mirror.example/debian",
                Some("http://mirror.example/debian"),
            ),
            (
                "deb [arch=amd64] http://mirror.example/debian/ bookworm main",
                Some("http://mirror.example/debian/"),
            ),
            ("URIs: http://mirror.example/debian-security", None),
            ("# deb http://mirror.example/debian bookworm main", None),
            ("Suites: bookworm", None),
        ] {
            assert_eq!(archive(line).as_deref(), wanted, "{line}");
        }
    }
}
