//! Scripts that a server calls. Redis looks at them only when it reads its configuration, and does not start where one is not
//! there or may not be run; here that is a problem of the settings, before anything is waited for.

use std::path::Path;

use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::vars::Variable;

/// The absolute path of an executable file, as text. `runs` knows whom the server will be; its error says why that user may not
/// run the file, and what to do.
pub fn script(
    reader: &mut Reader<'_>,
    variable: &Variable,
    runs: impl FnOnce(&Path) -> Result<(), String>,
) -> Outcome<Option<String>> {
    let Some((name, path)) = reader.path(variable)? else {
        return Ok(None);
    };
    match usable(&path, runs) {
        Ok(text) => Ok(Some(text)),
        Err(wrong) => {
            let wrong = format!("{wrong}, for example {}", variable.example);
            Err(reader.problem(Problem::with_value(name, &path.to_string_lossy(), wrong)))
        }
    }
}

fn usable(path: &Path, runs: impl FnOnce(&Path) -> Result<(), String>) -> Result<String, String> {
    let unusable = |why: String| format!("{why}; name an executable file");
    // Sentinel writes the path as it is into the lines of its file.
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    let text = text.ok_or_else(|| unusable("is not plain text in UTF-8".to_owned()))?;
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => runs(path).map(|()| text.to_owned()),
        Ok(_) => Err(unusable("is not a file".to_owned())),
        Err(error) => Err(unusable(format!("cannot be found ({error})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_a_file_that_somebody_can_run() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("a \"script\".sh");
        std::fs::write(&file, "").unwrap();
        let may = |_: &Path| Ok(());
        assert_eq!(usable(&file, may).as_deref(), Ok(file.to_str().unwrap()));
        let refused = usable(&file, |_| Err("cannot be run".to_owned()));
        assert_eq!(refused.unwrap_err(), "cannot be run");
        for (path, why) in [
            (dir.path().to_owned(), "is not a file"),
            (dir.path().join("gone"), "cannot be found"),
            (dir.path().join("two\nlines"), "is not plain text"),
        ] {
            let refused = usable(&path, may).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
