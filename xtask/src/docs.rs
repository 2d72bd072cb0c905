//! `cargo xtask docs`: writes the pages that are generated from the code, so that they cannot be wrong.

use std::fs;

use anyhow::{Context, bail};

use crate::root::workspace;

/// What to do with the pages.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Writes nothing; fails when a page is not what the code says.
    #[arg(long)]
    check: bool,
}

/// One page and its text.
struct Page {
    path: &'static str,
    text: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    for page in pages() {
        let file = workspace().join(page.path);
        if fs::read_to_string(&file).is_ok_and(|present| present == page.text) {
            continue;
        }
        if arguments.check {
            bail!("{} is not what the code says; run `cargo xtask docs`", page.path);
        }
        fs::write(&file, page.text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("wrote {}", page.path);
    }
    Ok(())
}

fn pages() -> Vec<Page> {
    vec![Page {
        path: "docs/settings.md",
        text: format!(
            "# Settings\n\nGenerated from the code by `cargo xtask docs`. Every variable is also a flag of the same meaning; a flag \
             wins over the\nvariable, and the variable over the file that `X_FILE` names. A duration has a unit (`1500ms`, `2s`, `5m`); a bare\nnumber below 100 is \
             seconds, a larger one is refused, as it is more likely meant in milliseconds.\n\n{}\n",
            settings::docs_table().trim_end()
        ),
    }]
}
