//! What the user in `RUN_AS` must own.
//!
//! `DATA_DIR` is the working directory unless somebody says otherwise, and may hold what is nobody's business here. So the directory
//! itself is handed over, for Redis makes files in it, and of what is in it the names that the wrapper and Redis give: an old data set
//! of another owner is read and replaced, everything else stays its owner's.

use std::path::{Path, PathBuf};

use supervisor::{Below, Name, OwnPath};

use crate::config::Config;
use crate::disk::Layout;
use crate::launch::Basis;
use crate::salvage;
use crate::template::Template;
use crate::workdir;

/// The names of all files that the wrapper itself keeps beside the data set begin so.
const OURS: &str = ".redis-wrapper";

/// By the settings; nothing where nobody else is to be become. A template that cannot be read is reported by whoever reads it next.
pub fn own_paths(config: &Config) -> Vec<OwnPath> {
    if config.run_as.is_none() {
        return Vec::new();
    }
    let template = Basis::look(config)
        .map(|basis| basis.template)
        .unwrap_or_default();
    let mut paths = vec![config.data_dir.clone()];
    paths.extend(inner(&template, &config.data_dir));
    let names = names(&template, config.network.port);
    paths
        .into_iter()
        .map(|path| OwnPath {
            path,
            below: Below::Only(names.clone()),
        })
        .collect()
}

/// A `dir` of the template inside DATA_DIR. One elsewhere is not ours to give away.
fn inner(template: &Template, data_dir: &Path) -> Option<PathBuf> {
    let root = data_dir.canonicalize().ok()?;
    let named = &template.directory()?.path;
    (named.starts_with(&root) && *named != root).then(|| named.clone())
}

fn names(template: &Template, port: u16) -> Vec<Name> {
    let layout = Layout::of(template, Path::new(""));
    vec![
        Name::Exactly(workdir::own_name(port)),
        Name::Beginning(OURS.to_owned()),
        Name::Exactly(salvage::DIRECTORY.to_owned()),
        Name::Exactly(layout.rdb),
        Name::Exactly(layout.append_dir),
        // Redis before 7.0 has one file of this name; later ones move it into the directory.
        Name::Exactly(layout.append_file),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_the_template_gives() {
        let template = Template::parse("dbfilename mine.rdb\nappenddirname \"aof\"\n");
        let named = |text: &str| Name::Exactly(text.to_owned());
        assert_eq!(
            names(&template, 6379),
            [
                named("redis-6379"),
                Name::Beginning(".redis-wrapper".to_owned()),
                named("salvage"),
                named("mine.rdb"),
                named("aof"),
                named("appendonly.aof"),
            ]
        );
        for file in [crate::boot::FILE, crate::node_id::FILE, workdir::DATA_LOCK] {
            assert!(file.starts_with(OURS), "{file}");
        }
    }

    #[test]
    fn a_directory_elsewhere_is_not_handed_over() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let named = |path: PathBuf| {
            let mut template = Template::default();
            let from = String::new();
            template.enter(crate::template::Directory { path, from });
            inner(&template, dir.path())
        };
        assert_eq!(named(root.join("sub")), Some(root.join("sub")));
        assert_eq!(named(root), None);
        assert_eq!(named(PathBuf::from("/var/lib/redis")), None);
    }
}
