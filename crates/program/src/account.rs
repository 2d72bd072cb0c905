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
    let Ok(Some(run_as)) = run_as else { return Ok(()) };
    let Ok(user) = run_as.to_string().parse::<supervisor::RunAs>() else {
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
