//! May something be installed? A person is asked; a script has said so by `--yes`, `--once` or `CI`, or it has not.

use std::io::{self, IsTerminal, Write};

use crate::install::{For, missing_packages};

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// Nothing has to be installed.
    NothingMissing,
    /// It may.
    Install,
    /// It may not; these are the packages.
    Refused(Vec<&'static str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Install,
    Ask,
    Refuse,
}

/// Who could be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Person,
    Script,
}

pub(super) fn ask(yes: bool, once: bool) -> Consent {
    let packages = missing_packages(For::Demo);
    if packages.is_empty() {
        return Consent::NothingMissing;
    }
    let audience = if io::stdin().is_terminal() && io::stdout().is_terminal() {
        Audience::Person
    } else {
        Audience::Script
    };
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    match rule(audience, yes, once || ci) {
        Rule::Install => Consent::Install,
        Rule::Ask if agreed(&packages) => Consent::Install,
        Rule::Refuse | Rule::Ask => Consent::Refused(packages),
    }
}

fn rule(audience: Audience, yes: bool, unattended: bool) -> Rule {
    match audience {
        _ if yes => Rule::Install,
        Audience::Person => Rule::Ask,
        Audience::Script if unattended => Rule::Install,
        Audience::Script => Rule::Refuse,
    }
}

fn agreed(packages: &[&str]) -> bool {
    print!(
        "The demo needs these Debian packages: {}. Install them? [Y/n] ",
        packages.join(" ")
    );
    let mut answer = String::new();
    // A question that cannot be asked or answered is a no.
    io::stdout().flush().is_ok()
        && io::stdin().read_line(&mut answer).is_ok_and(|length| length > 0)
        && means_yes(&answer)
}

fn means_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_and_a_script_must_have_said_so() {
        for (audience, yes, unattended, wanted) in [
            (Audience::Person, false, false, Rule::Ask),
            (Audience::Person, false, true, Rule::Ask),
            (Audience::Person, true, false, Rule::Install),
            (Audience::Script, false, false, Rule::Refuse),
            (Audience::Script, false, true, Rule::Install),
            (Audience::Script, true, false, Rule::Install),
        ] {
            assert_eq!(
                rule(audience, yes, unattended),
                wanted,
                "{audience:?} {yes} {unattended}"
            );
        }
    }

    #[test]
    fn enter_is_yes() {
        for (answer, yes) in [
            ("\n", true),
            ("Y\n", true),
            ("yes\n", true),
            ("n\n", false),
            ("what\n", false),
        ] {
            assert_eq!(means_yes(answer), yes, "{answer:?}");
        }
    }
}
