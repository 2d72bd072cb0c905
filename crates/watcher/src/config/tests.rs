//! Every variable reaches its field, and every problem its reader.

use std::collections::BTreeMap;

use super::*;

fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Parsed<Config>, Problems> {
    let map: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let args = std::iter::once("watcher")
        .chain(words.iter().copied())
        .map(OsString::from);
    Config::read(args, |name| map.get(name).map(OsString::from))
}

fn config(environment: &[(&str, &str)]) -> Config {
    match read(&[], environment).unwrap() {
        Parsed::Run(config, _) => config,
        Parsed::Show(text) => panic!("showed {text}"),
    }
}

#[test]
fn an_empty_environment_is_enough() {
    let usual = config(&[]);
    assert_eq!(usual.port, 8080);
    assert_eq!(
        (usual.zookeeper.hosts.as_str(), usual.group.name.as_str()),
        ("localhost:2181", "master1")
    );
    assert_eq!(config(&[("PORT0", "81")]).port, 81);
    let shared = [("BIND_IP", "192.0.2.1"), ("NET_IFACE", "nope0")];
    assert_eq!(config(&shared), usual, "the wrappers' business");
}

#[test]
fn every_problem_at_once() {
    let wrong = [
        ("PORT0", "0"),
        ("ZK_HOSTS", ","),
        ("STOP_GRACE", "x"),
        ("RUST_LOG", "a=b=c"),
    ];
    let problems = read(&["stray"], &wrong).unwrap_err();
    let text = problems.to_string();
    assert!(
        wrong
            .iter()
            .all(|(name, value)| text.contains(&format!("{name}: `{value}` "))),
        "{text}"
    );
    assert!(text.contains("stray: is an unexpected argument"), "{text}");
    assert_eq!(problems.iter().count(), wrong.len() + 1, "{text}");
}
