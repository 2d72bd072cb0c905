//! Each file says what it is for, and holds one concept.

use crate::{none, source};

const LONGEST_BODY: usize = 350;

#[test]
fn every_file_opens_with_what_it_is_for() {
    let silent: Vec<String> = source::rust()
        .iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{}: begin with `//!`: what it is for, and why so", file.path))
        .collect();
    none(&silent);
}

#[test]
fn no_placeholder_is_left() {
    let left: Vec<String> = source::rust()
        .iter()
        .filter(|file| file.text.lines().next() == Some("//! placeholder"))
        .map(|file| format!("{}: is a placeholder", file.path))
        .collect();
    none(&left);
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = source::rust()
        .iter()
        .filter(|file| !file.is_test_module())
        .map(|file| (file, file.body().count()))
        .filter(|(_, lines)| *lines > LONGEST_BODY)
        .map(|(file, lines)| {
            format!(
                "{}: {lines} lines before its tests; split it by concept ({LONGEST_BODY} at most)",
                file.path
            )
        })
        .collect();
    none(&long);
}

#[test]
fn nothing_names_a_place_on_one_machine() {
    // Put together here, so that this file does not contain them.
    let places = [concat!("/", "tmp/"), concat!("/", "work/"), concat!("/", "root/")];
    let mut named = Vec::new();
    for file in source::all() {
        for (index, line) in file.text.lines().enumerate() {
            for place in places {
                if line.contains(place) {
                    named.push(format!(
                        "{}:{}: names {place}, which other machines do not have",
                        file.path,
                        index + 1
                    ));
                }
            }
        }
    }
    none(&named);
}
