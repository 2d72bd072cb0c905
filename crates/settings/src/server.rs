//! Finds the server program to start: a path as given, or a name on `PATH`, under Redis' name and then Valkey's.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::problem::Problem;
use crate::reader::{Outcome, Reader, Said};
use crate::vars::{self, Variable};

/// Where a shell looks when there is no `PATH`.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `REDIS_SERVER` or `REDIS_SENTINEL`: the absolute path of an executable file.
pub fn server(reader: &mut Reader<'_>, variable: &Variable) -> Outcome<PathBuf> {
    let path = reader.environment("PATH").unwrap_or_else(|| USUAL_PATH.into());
    let found = match reader.said(variable)? {
        Some(said) => named(&said, &path, variable),
        None => usual(&path, variable),
    };
    let found = found.map_err(|problem| reader.problem(problem))?;
    reader.holds(variable, Some(found.display()));
    Ok(found)
}

fn named(said: &Said, path: &OsStr, variable: &Variable) -> Result<PathBuf, Problem> {
    let text = said.text.as_str();
    let (found, why) = if text.contains('/') {
        let absolute = std::path::absolute(text).ok().filter(|file| is_executable(file));
        (absolute, "is not an executable file".to_owned())
    } else {
        (
            on_path(path, text),
            format!("is not on PATH ({})", path.to_string_lossy()),
        )
    };
    found.ok_or_else(|| {
        let example = variable.example;
        let wrong = format!("{why}; install the server, or write its path, for example {example}");
        Problem::with_value(&said.name, text, wrong)
    })
}

fn usual(path: &OsStr, variable: &Variable) -> Result<PathBuf, Problem> {
    let [redis, valkey] = if *variable == vars::REDIS_SENTINEL {
        ["redis-sentinel", "valkey-sentinel"]
    } else {
        ["redis-server", "valkey-server"]
    };
    on_path(path, redis).or_else(|| on_path(path, valkey)).ok_or_else(|| {
        let (shown, example) = (path.to_string_lossy(), variable.example);
        let wrong = format!(
            "neither {redis} nor {valkey} is on PATH ({shown}); install one, or write its path, for example {example}"
        );
        Problem::new(variable.name, wrong)
    })
}

fn on_path(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|dir| !dir.as_os_str().is_empty())
        .filter_map(|dir| std::path::absolute(dir.join(name)).ok())
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
