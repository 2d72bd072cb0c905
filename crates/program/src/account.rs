//! What must be known of the user in `RUN_AS` while the settings are still read, so that all problems come at once.

use std::path::Path;

use settings::{Outcome, Problem, Reader, RunAs, TlsFiles};

use crate::chain;

/// Whether this process can become that user; the error says why not.
pub fn can_become(run_as: &RunAs) -> Result<(), String> {
    let known: Result<supervisor::RunAs, _> = run_as.to_string().parse();
    known
        .and_then(|known| known.check())
        .map_err(|problem| chain(&problem))
}

/// Whether that user can read the template and the TLS files: root, who reads the settings, can read anything.
pub fn can_read(
    reader: &mut Reader<'_>,
    run_as: &Outcome<Option<RunAs>>,
    template: (&str, &Outcome<Option<std::path::PathBuf>>),
    tls: &Outcome<Option<TlsFiles>>,
) -> Outcome<()> {
    let Some((run_as, user)) = other(run_as) else {
        return Ok(());
    };
    let mut files: Vec<(&str, &Path)> = Vec::new();
    if let (name, Ok(Some(path))) = template {
        files.push((name, path));
    }
    if let Ok(Some(tls)) = tls {
        files.push(("TLS_CA", &tls.ca));
        files.extend(tls.cert.as_deref().map(|cert| ("TLS_CERT", cert)));
        files.extend(tls.key.as_deref().map(|key| ("TLS_KEY", key)));
    }
    let mut outcome = Ok(());
    for (name, file) in files {
        if let Err(error) = user.reads(file) {
            let wrong = format!(
                "cannot be read by `{run_as}`, whom RUN_AS names ({error}); give it to that user, with the directories above it"
            );
            outcome = Err(reader.problem(Problem::with_value(name, &file.to_string_lossy(), wrong)));
        }
    }
    outcome
}

/// Whether the server may run this script, as the user that it will be; the error says why not, and what to do.
pub fn can_run(run_as: &Outcome<Option<RunAs>>, script: &Path) -> Result<(), String> {
    let (user, may) = match other(run_as) {
        None => (String::new(), supervisor::may_run(script)),
        Some((run_as, user)) => (format!(" by `{run_as}`, whom RUN_AS names"), user.runs(script)),
    };
    may.map_err(|error| {
        format!(
            "cannot be run{user} ({error}); make it executable, and the directories above it reachable, or name another file"
        )
    })
}

/// Whether what the server starts can read this file.
pub fn child_reads(run_as: &Outcome<Option<RunAs>>, file: &Path) -> bool {
    other(run_as).is_none_or(|(_, user)| user.reads(file).is_ok())
}

/// The user in `RUN_AS`, as written and as this host knows it.
fn other(run_as: &Outcome<Option<RunAs>>) -> Option<(&RunAs, supervisor::RunAs)> {
    let written = run_as.as_ref().ok()?.as_ref()?;
    Some((written, written.to_string().parse().ok()?))
}
