//! What the documentation says of the metrics is true.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use testkit::{Group, Need, ZooKeeper, eventually, http, require};
use topology::Addr;

const DEADLINE: Duration = Duration::from_secs(60);

/// Every metric's name in a text.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !word(c));
    let metric = |word: &&str| word.starts_with("redis_zk_") && !word.ends_with('_');
    words.filter(metric).map(str::to_owned).collect()
}

/// The samples of a page, as Prometheus stores them: a counter's with `_total`.
async fn registered(page: &Addr) -> BTreeSet<String> {
    let page = eventually("the metrics", DEADLINE, async || {
        http::get(page, "/metrics").await
    })
    .await;
    let types = page.body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split_once(' '));
    let sample = |(name, kind): (&str, &str)| match kind {
        "counter" => format!("{name}_total"),
        _ => name.to_owned(),
    };
    names.map(sample).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_the_documentation_names_exists() {
    if !require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel]) {
        return;
    }
    let zk = ZooKeeper::start().await;
    let group = Group::new(&zk.hosts())
        .redis(1)
        .sentinels(1)
        .watchers(1)
        .start()
        .await;
    let pages = [
        group.redis(0).http(),
        group.sentinel(0).http(),
        group.watcher(0).http(),
    ];
    let mut there = BTreeSet::new();
    for page in pages {
        let found = registered(page).await;
        for name in &found {
            // The prefix names the program; what follows must not name it again.
            let rest = name.splitn(4, '_').nth(3).unwrap_or_default();
            let program = name.split('_').nth(2).unwrap_or_default();
            assert!(!rest.starts_with(&format!("{program}_")), "{name} stutters");
        }
        there.extend(found);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = vec![root.join("README.md")];
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    documents.extend(
        docs.map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file()),
    );
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        let missing: Vec<String> = named(&text).difference(&there).cloned().collect();
        assert!(missing.is_empty(), "{}: {missing:?}", document.display());
    }
}
