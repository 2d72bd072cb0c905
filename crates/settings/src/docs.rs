//! The table of variables as Markdown, so that the documentation cannot say something else than the code.

use std::fmt::Write;

use crate::vars::{Kind, TABLE, Variable};

/// A Markdown table of all variables. `cargo xtask docs` writes it to `docs/settings.md`.
pub fn docs_table() -> String {
    let mut text =
        String::from("| variable | flag | default | who | meaning | example |\n|---|---|---|---|---|---|\n");
    for variable in TABLE {
        let Variable { who, meaning, .. } = variable;
        let code = |words: &[String]| {
            words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut names = vec![variable.name.to_owned()];
        names.extend(variable.file_name());
        let default = variable.default_text(None);
        let example = match variable.kind {
            Kind::Secret => format!("`{}` (in the environment or the file)", variable.example),
            Kind::Plain | Kind::PlainOrFile | Kind::File => format!("`{}`", variable.example),
        };
        let cells = [
            code(&names),
            code(&variable.flags()),
            default,
            who.word().to_owned(),
            (*meaning).to_owned(),
            example,
        ];
        let row = cells.map(|cell| cell.replace('|', "\\|")).join(" | ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {row} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_for_each_variable_with_as_many_cells() {
        let text = docs_table();
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(rows.len(), TABLE.len());
        for (row, variable) in rows.iter().zip(TABLE) {
            assert!(row.starts_with(&format!("| `{}`", variable.name)), "{row}");
            assert_eq!(row.replace("\\|", "").matches('|').count(), 7, "{row}");
        }
    }
}
