//! Every variable reaches its field, and every problem its reader.

use std::collections::BTreeMap;

use settings::Bind;

use super::*;

const SECRET: &str = "hunter2-never-seen";

fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Parsed<Config>, Problems> {
    let map: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let args = std::iter::once("redis-wrapper")
        .chain(words.iter().copied())
        .map(OsString::from);
    Config::read(args, |name| map.get(name).map(OsString::from))
}

#[test]
fn a_small_environment_is_enough() {
    let environment = [
        ("BIND_IP", "127.0.0.1"),
        ("REDIS_SERVER", "/bin/true"),
        ("DATA_DIR", "/tmp"),
    ];
    let Parsed::Run(config, notes) =
        read(&["--port0", "7000", "--", "--maxmemory", "1gb"], &environment).unwrap()
    else {
        panic!("shown");
    };
    assert_eq!(notes.warnings, Vec::<String>::new());
    assert_eq!(
        (config.network.port, config.network.bind),
        (7000, Bind::Address([127, 0, 0, 1].into()))
    );
    assert_eq!(config.network.announce.to_string(), "127.0.0.1:7000");
    assert_eq!(
        (config.network.admin_port, config.template, config.run_as),
        (None, None, None)
    );
    assert_eq!(config.stop_grace, Duration::from_secs(10));
    assert_eq!(config.lease.length, Some(Duration::from_millis(1500)));
    assert_eq!(config.durability, settings::Durability::Async);
    assert_eq!(config.child_args, ["--maxmemory", "1gb"]);
}

#[test]
fn a_hostile_environment_is_one_list_of_every_problem() {
    let hostile = [
        ("ZK_HOSTS", "zk1:99999"),
        ("ZK_ROOT", "redis"),
        ("ZK_SESSION_TIMEOUT", "61s"),
        ("ZK_AUTH", SECRET),
        ("ZK_TLS_CA", "/nowhere/zk-ca"),
        ("MASTER_NAME", "a b"),
        ("BIND_IP", "10.0.0"),
        ("ANNOUNCE_IP", "a:b"),
        ("PORT0", "70000"),
        ("ANNOUNCE_PORT", "x"),
        ("ADMIN_PORT", "0"),
        ("REDIS_CONF", "/nowhere/redis.conf"),
        ("DATA_DIR", "/proc/nowhere"),
        ("REDIS_SERVER", "/etc/passwd"),
        ("REDIS_PASSWORD_FILE", "/nowhere/password"),
        ("SENTINEL_PASSWORD", "hunter2-never-seen\nmore"),
        ("TLS_KEY", "/nowhere/key"),
        ("RUN_AS", "redis:"),
        ("STOP_GRACE", "soon"),
        ("LEASE", "2m"),
        ("DURABILITY", "always"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "registry=loud"),
        // Another program's: not this one's business.
        ("FAILOVER_TIMEOUT", "never"),
    ];
    let problems = read(&["--bogus", "--redis-password", SECRET], &hostile).unwrap_err();
    let text = problems.to_string();
    for (name, _) in &hostile[..hostile.len() - 1] {
        assert!(text.contains(&format!("\n  {name}: ")), "{name} is not in {text}");
    }
    assert!(
        text.contains("--bogus: is no flag") && text.contains("--redis-password: is no flag"),
        "{text}"
    );
    assert_eq!(problems.iter().count(), hostile.len() - 1 + 2, "{text}");
    assert!(
        !text.contains(SECRET) && !format!("{problems:?}").contains(SECRET),
        "{text}"
    );
}

#[test]
fn no_secret_is_in_the_debug_form_or_in_help() {
    let environment = [
        ("BIND_IP", "127.0.0.1"),
        ("REDIS_SERVER", "/bin/true"),
        ("DATA_DIR", "/tmp"),
        ("ZK_AUTH", "user:hunter2-never-seen"),
        ("REDIS_PASSWORD", SECRET),
        ("SENTINEL_PASSWORD", SECRET),
    ];
    let Parsed::Run(config, _) = read(&[], &environment).unwrap() else {
        panic!("shown");
    };
    assert_eq!(
        config
            .credentials
            .redis_password
            .as_ref()
            .map(settings::Secret::expose),
        Some(SECRET)
    );
    assert!(!format!("{config:?}").contains(SECRET));
    let Parsed::Show(help) = read(&["--help"], &environment).unwrap() else {
        panic!("ran");
    };
    assert!(help.contains("ZK_HOSTS") && !help.contains(SECRET));
}
