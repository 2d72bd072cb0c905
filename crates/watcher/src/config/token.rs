//! `HTTP_TOKEN`: what clients send in a header, so only what a header can carry.

use settings::{Outcome, Problem, Reader, Secret, vars};

/// Read as every secret, and refused where no client could ever show it.
pub(super) fn token(reader: &mut Reader<'_>) -> Outcome<Option<Secret>> {
    let token = reader.secret(&vars::HTTP_TOKEN)?;
    match &token {
        Some(token) if !can_be_shown(token.expose()) => Err(reader.problem(Problem::new(
            vars::HTTP_TOKEN.name,
            "is a text that no HTTP header can carry; use letters, digits and -._~",
        ))),
        Some(_) | None => Ok(token),
    }
}

/// Visible ASCII, and spaces between: those at the ends belong to the header, not to its value.
fn can_be_shown(token: &str) -> bool {
    let visible = token.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    visible && token.trim() == token
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::Config;

    #[test]
    fn what_no_header_carries_is_refused_and_not_shown() {
        let read = |token: &'static str| {
            let lookup = move |name: &str| (name == "HTTP_TOKEN").then(|| OsString::from(token));
            Config::read(["watcher".into()], lookup)
        };
        for wrong in [" s3cr3t", "s3cr3t ", "s3cr\u{e9}t", "s3cr\u{2019}t"] {
            let problems = read(wrong).unwrap_err().to_string();
            assert!(problems.contains("HTTP_TOKEN"), "{problems}");
            assert!(problems.contains("no HTTP header can carry"), "{problems}");
            assert!(!problems.contains("s3cr"), "{problems}");
        }
        for right in ["s3cr3t", "a-._~+/=!", "two words"] {
            assert!(read(right).is_ok(), "{right}");
        }
    }
}
