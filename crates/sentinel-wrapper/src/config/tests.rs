//! Every variable reaches its field, and every problem its reader.

use std::collections::BTreeMap;

use super::*;

fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Parsed<Config>, Problems> {
    let mut map: BTreeMap<&str, &str> = BTreeMap::from([
        ("BIND_IP", "127.0.0.1"),
        ("REDIS_SENTINEL", "/bin/true"),
        ("DATA_DIR", "/tmp"),
    ]);
    map.extend(environment.iter().copied());
    let args = std::iter::once("sentinel-wrapper")
        .chain(words.iter().copied())
        .map(OsString::from);
    Config::read(args, |name| map.get(name).map(OsString::from))
}

fn config(environment: &[(&str, &str)]) -> (Config, Vec<String>) {
    match read(&[], environment).unwrap() {
        Parsed::Run(config, notes) => (config, notes.warnings),
        Parsed::Show(text) => panic!("showed {text}"),
    }
}

#[test]
fn the_documented_defaults() {
    let (config, warnings) = config(&[]);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(
        (config.quorum.get(), config.parallel_syncs, config.network.port),
        (2, 1, 26379)
    );
    assert_eq!(config.master_wait, Some(Duration::from_secs(30)));
    assert_eq!(
        (config.down_after, config.failover_timeout),
        (Duration::from_secs(2), Duration::from_secs(5))
    );
}

#[test]
fn a_wait_of_zero_is_for_ever() {
    assert_eq!(config(&[("MASTER_WAIT", "0")]).0.master_wait, None);
}

#[test]
fn impatience_is_allowed_with_a_warning() {
    for (name, value, warned) in [
        ("DOWN_AFTER", "1499ms", 1),
        ("DOWN_AFTER", "1500ms", 0),
        ("FAILOVER_TIMEOUT", "1s", 1),
        ("FAILOVER_TIMEOUT", "3", 0),
    ] {
        let (_, warnings) = config(&[(name, value)]);
        assert_eq!(warnings.len(), warned, "{name}={value}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains(name)));
    }
}

#[test]
fn every_problem_at_once() {
    let wrong = [
        ("SENTINEL_QUORUM", "0"),
        ("MASTER_WAIT", "-1"),
        ("DOWN_AFTER", "0"),
        ("FAILOVER_TIMEOUT", "ever"),
        ("PARALLEL_SYNCS", "none"),
        ("SENTINEL_CONF", "/proc"),
    ];
    let problems = read(&[], &wrong).unwrap_err();
    let text = problems.to_string();
    assert!(
        wrong
            .iter()
            .all(|(name, value)| text.contains(&format!("{name}: `{value}` "))),
        "{text}"
    );
    assert_eq!(problems.iter().count(), wrong.len(), "{text}");
}
