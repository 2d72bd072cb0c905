//! Precedence, files, and all problems at once; no secret in any text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;
use crate::{
    CredentialSettings, GroupSettings, LogSettings, NetworkSettings, RunAs, TlsFiles, ZooKeeperSettings,
};

const PASSWORD: &str = "hunter2-never-seen";

fn run<T>(
    words: &[&str],
    environment: &[(&str, &str)],
    build: impl FnOnce(&mut Reader<'_>) -> Outcome<T>,
) -> Result<Parsed<T>, Problems> {
    let map: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let args = std::iter::once("program")
        .chain(words.iter().copied())
        .map(OsString::from);
    read(
        Program::SentinelWrapper,
        args,
        |name| map.get(name).map(OsString::from),
        build,
    )
}

fn value<T>(parsed: Result<Parsed<T>, Problems>) -> T {
    match parsed.unwrap() {
        Parsed::Run(value, _) => value,
        Parsed::Show(text) => panic!("showed {text}"),
    }
}

fn refused<T>(parsed: Result<Parsed<T>, Problems>) -> String {
    match parsed {
        Err(problems) => problems.to_string(),
        Ok(_) => panic!("accepted"),
    }
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_default() {
    let name = |words: &[&str], environment: &[(&str, &str)]| {
        value(run(words, environment, GroupSettings::read))
            .name
            .to_string()
    };
    assert_eq!(name(&["--master-name", "a"], &[("MASTER_NAME", "b")]), "a");
    assert_eq!(name(&[], &[("MASTER_NAME", "b")]), "b");
    assert_eq!(name(&[], &[]), "master1");
    assert_eq!(
        name(&["--master-name", ""], &[("MASTER_NAME", "b")]),
        "b",
        "an empty flag is unset"
    );
    assert_eq!(
        name(&[], &[("MASTER_NAME", "")]),
        "master1",
        "an empty variable is unset"
    );
}

#[test]
fn a_secret_comes_from_the_environment_or_a_file_less_one_newline() {
    let files = Files::new();
    let password = |words: &[&str], environment: &[(&str, &str)]| {
        let read = value(run(words, environment, CredentialSettings::read)).redis_password;
        read.map(|secret| secret.expose().to_owned())
    };
    for (content, expected) in [("p w", "p w"), ("p\n", "p"), ("p\r\n", "p"), (" p \n", " p ")] {
        let file = files.put("secret", content.as_bytes());
        assert_eq!(
            password(&[], &[("REDIS_PASSWORD_FILE", &file)]).as_deref(),
            Some(expected)
        );
        let flag = ["--redis-password-file", file.as_str()];
        assert_eq!(
            password(&flag, &[("REDIS_PASSWORD", "other")]).as_deref(),
            Some(expected)
        );
    }
    assert_eq!(
        password(&[], &[("REDIS_PASSWORD", "p"), ("REDIS_PASSWORD_FILE", "")]).as_deref(),
        Some("p")
    );
    assert_eq!(password(&[], &[("REDIS_PASSWORD", "")]), None);
}

#[test]
fn a_value_and_its_file_contradict_each_other() {
    for name in ["REDIS_PASSWORD", "SENTINEL_PASSWORD", "REDIS_USER"] {
        let file = format!("{name}_FILE");
        let text = refused(run(
            &[],
            &[(name, PASSWORD), (&file, "/x")],
            CredentialSettings::read,
        ));
        assert!(
            text.contains(&format!("{name}: is set, and so is {file}")),
            "{text}"
        );
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let text = refused(run(
        &["--redis-user=a", "--redis-user-file=b"],
        &[],
        CredentialSettings::read,
    ));
    assert!(
        text.contains("--redis-user: is set, and so is --redis-user-file"),
        "{text}"
    );
    let text = refused(run(
        &[],
        &[("TLS_CA", "/a"), ("TLS_CA_FILE", "/b")],
        TlsFiles::read,
    ));
    assert!(text.contains("TLS_CA_FILE"), "{text}");
}

#[test]
fn an_unusable_secret_file_is_named_and_its_content_is_not() {
    let files = Files::new();
    let two_lines = files.put("two", format!("{PASSWORD}\nmore\n").as_bytes());
    let large = files.put("large", &vec![b'x'; 70_000]);
    for (path, why) in [
        ("/nowhere/secret".to_owned(), "cannot be read"),
        ("/dev".to_owned(), "cannot be read"),
        (files.put("empty", b"\n"), "is empty"),
        (files.put("binary", &[0xff, 0xfe]), "UTF-8"),
        (large, "larger than"),
        (two_lines, "more than one line"),
    ] {
        let text = refused(run(
            &[],
            &[("REDIS_PASSWORD_FILE", &path)],
            CredentialSettings::read,
        ));
        assert!(
            text.contains("REDIS_PASSWORD_FILE: ") && text.contains(why),
            "{path}: {text}"
        );
        assert!(
            text.contains(&path) || why == "more than one line",
            "{path}: {text}"
        );
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn zookeeper_in_every_part() {
    let environment = [
        ("ZK_HOSTS", "zk://zk1,[::1]:2182/prod"),
        ("ZK_ROOT", "/cache"),
        ("ZK_SESSION_TIMEOUT", "10"),
        ("ZK_AUTH", "me:pass:word"),
    ];
    let zookeeper = value(run(&[], &environment, ZooKeeperSettings::read));
    assert_eq!(
        (zookeeper.hosts.as_str(), zookeeper.chroot.as_deref()),
        ("zk1:2181,[::1]:2182", Some("/prod"))
    );
    assert_eq!(
        (zookeeper.root.as_str(), zookeeper.session_timeout),
        ("/cache", Duration::from_secs(10))
    );
    assert_eq!(zookeeper.auth.as_ref().map(Secret::expose), Some("me:pass:word"));
    assert!(!format!("{zookeeper:?}").contains("pass:word"));

    let usual = value(run(&[], &[], ZooKeeperSettings::read));
    assert_eq!(
        (usual.hosts.as_str(), usual.root.as_str()),
        ("localhost:2181", "/redis")
    );
    assert_eq!(
        (usual.chroot, usual.session_timeout),
        (None, Duration::from_secs(4))
    );
}

#[test]
fn a_password_inside_the_hosts_is_not_shown() {
    for hosts in [format!("zk://u:{PASSWORD}@zk1:2181"), format!("u:{PASSWORD}@")] {
        let text = refused(run(&[], &[("ZK_HOSTS", &hosts)], ZooKeeperSettings::read));
        assert!(text.contains("ZK_AUTH") && !text.contains(PASSWORD), "{text}");
    }
    for auth in [PASSWORD.to_owned(), format!(":{PASSWORD}")] {
        let text = refused(run(&[], &[("ZK_AUTH", &auth)], ZooKeeperSettings::read));
        assert!(
            text.contains("ZK_AUTH: is not user:password") && !text.contains(PASSWORD),
            "{text}"
        );
    }
}

#[test]
fn tls_needs_its_parts_and_each_must_be_readable() {
    let files = Files::new();
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| files.put(name, b"pem"));
    let all = [
        ("TLS_CA_FILE", ca.as_str()),
        ("TLS_CERT", &cert),
        ("TLS_KEY", &key),
    ];
    let tls = value(run(&[], &all, TlsFiles::read)).unwrap();
    assert_eq!(
        (tls.ca, tls.cert, tls.key),
        (
            ca.clone().into(),
            Some(cert.clone().into()),
            Some(key.clone().into())
        )
    );
    assert!(value(run(&[], &[], TlsFiles::read)).is_none());
    assert!(value(run(&["--tls-ca", &ca], &[], TlsFiles::read)).is_some());
    for (missing, name) in [(0, "TLS_CA: "), (1, "TLS_CERT: "), (2, "TLS_KEY: ")] {
        let some: Vec<_> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != missing)
            .map(|(_, one)| *one)
            .collect();
        let text = refused(run(&[], &some, TlsFiles::read));
        assert!(text.contains(&format!("{name}is not set")), "{text}");
    }
    let bad = [
        ("ZK_TLS_CA", "/nowhere"),
        ("ZK_TLS_CERT", "/dev"),
        ("ZK_TLS_KEY", "/gone"),
    ];
    let text = refused(run(&[], &bad, ZooKeeperSettings::read));
    assert!(
        bad.iter()
            .all(|(name, path)| text.contains(&format!("{name}: `{path}`"))),
        "{text}"
    );
}

#[test]
fn logs_are_checked() {
    let log = value(run(
        &[],
        &[("LOG_FORMAT", "JSON"), ("RUST_LOG", "info,registry=debug")],
        LogSettings::read,
    ));
    assert_eq!(
        (log.format, log.filter.as_str()),
        (crate::LogFormat::Json, "info,registry=debug")
    );
    let text = refused(run(
        &[],
        &[("LOG_FORMAT", "xml"), ("RUST_LOG", "registry=loud")],
        LogSettings::read,
    ));
    assert!(
        text.contains("LOG_FORMAT: `xml`") && text.contains("RUST_LOG: `registry=loud`"),
        "{text}"
    );
}

#[test]
fn the_data_dir_is_made_and_proven() {
    let files = Files::new();
    let deep = files.0.path().join("a/b");
    let made = value(run(&[], &[("DATA_DIR", deep.to_str().unwrap())], crate::data_dir));
    assert_eq!(made, deep);
    assert_eq!(
        std::fs::read_dir(&deep).unwrap().count(),
        0,
        "the proof is left behind"
    );
    let file = files.put("file", b"");
    for path in [file.as_str(), &format!("{file}/below"), "/proc/nowhere"] {
        let text = refused(run(&[], &[("DATA_DIR", path)], crate::data_dir));
        assert!(
            text.contains(&format!("DATA_DIR: `{path}`")) && text.contains("make it writable"),
            "{text}"
        );
    }
}

#[test]
fn the_server_is_found_under_both_names() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new();
    let dir = files.0.path().to_str().unwrap().to_owned();
    let executable = |name: &str, mode| {
        let path = files.put(name, b"#!/bin/sh\n");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        PathBuf::from(path)
    };
    let find = |environment: &[(&str, &str)]| {
        run(&[], environment, |reader| {
            crate::server(reader, &vars::REDIS_SENTINEL)
        })
    };
    let path = format!("/nowhere::{dir}");
    let text = refused(find(&[("PATH", &path)]));
    assert!(
        text.contains("neither redis-sentinel nor valkey-sentinel") && text.contains("install"),
        "{text}"
    );
    let valkey = executable("valkey-sentinel", 0o755);
    executable("redis-sentinel", 0o644);
    assert_eq!(
        value(find(&[("PATH", &path)])),
        valkey,
        "what is not executable is passed over"
    );
    let redis = executable("redis-sentinel", 0o755);
    assert_eq!(value(find(&[("PATH", &path)])), redis);
    let mine = executable("mine", 0o755);
    assert_eq!(value(find(&[("PATH", &path), ("REDIS_SENTINEL", "mine")])), mine);
    assert_eq!(
        value(find(&[("PATH", ""), ("REDIS_SENTINEL", mine.to_str().unwrap())])),
        mine
    );
    let text = refused(find(&[("PATH", &path), ("REDIS_SENTINEL", "absent")]));
    assert!(text.contains("REDIS_SENTINEL: `absent` is not on PATH"), "{text}");
    let text = refused(find(&[("REDIS_SENTINEL", &dir)]));
    assert!(text.contains("is not an executable file"), "{text}");
}

#[test]
fn ports_and_announcements() {
    let said = [
        ("BIND_IP", "127.0.0.1"),
        ("PORT0", "7001"),
        ("ANNOUNCE_PORT", "7002"),
        ("PORT1", "7003"),
    ];
    let network = value(run(&[], &said, NetworkSettings::read));
    assert_eq!(
        (network.port, network.announce.to_string()),
        (7001, "127.0.0.1:7002".to_owned())
    );
    assert_eq!(network.admin_port, Some(7003));
    let usual = value(run(
        &["--admin-port=9"],
        &[("BIND_IP", "127.0.0.1"), ("PORT1", "x")],
        NetworkSettings::read,
    ));
    assert_eq!(
        (usual.port, usual.announce.port(), usual.admin_port),
        (26379, 26379, Some(9))
    );
    let same = [("BIND_IP", "127.0.0.1"), ("PORT0", "7001"), ("PORT1", "7001")];
    assert!(refused(run(&[], &same, NetworkSettings::read)).contains("is PORT0's too"));
    let bad = [
        ("BIND_IP", "192.0.2.1"),
        ("PORT0", "0"),
        ("ANNOUNCE_PORT", "65536"),
        ("PORT1", "-1"),
    ];
    let text = refused(run(&[], &bad, NetworkSettings::read));
    assert!(
        bad.iter()
            .all(|(name, value)| text.contains(&format!("{name}: `{value}`"))),
        "{text}"
    );
    assert!(
        text.contains("BIND_IP: `192.0.2.1` is not an address of this host; found lo 127.0.0.1"),
        "{text}"
    );
}

#[test]
fn the_hosts_own_resolver_is_asked_with_a_deadline() {
    let environment = [("ANNOUNCE_IP", "localhost")];
    let network = value(run(&[], &environment, NetworkSettings::read));
    assert!(
        network.announce.ip().is_some_and(|ip| ip.is_loopback()),
        "{network:?}"
    );
    let text = refused(run(
        &[],
        &[("ANNOUNCE_IP", "no-such-host.invalid")],
        NetworkSettings::read,
    ));
    assert!(
        text.contains("ANNOUNCE_IP: `no-such-host.invalid` does not resolve"),
        "{text}"
    );
}

#[test]
fn a_user_needs_a_password() {
    let text = refused(run(&[], &[("REDIS_USER", "me")], CredentialSettings::read));
    assert!(text.contains("REDIS_USER: `me` has no password"), "{text}");
    let both = [("REDIS_USER", "me"), ("REDIS_PASSWORD", PASSWORD)];
    let credentials = value(run(&[], &both, CredentialSettings::read));
    assert!(!format!("{credentials:?}").contains(PASSWORD));
}

#[test]
fn a_value_cannot_forge_lines_and_is_shortened() {
    let long = format!("x\nERROR forged \u{1b}[31m{}", "y".repeat(500));
    let text = refused(run(&[], &[("MASTER_NAME", &long)], GroupSettings::read));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains('\u{1b}') && text.len() < 400, "{text}");
}

#[test]
fn a_problem_is_said_once_with_its_example() {
    let text = refused(run(&["--master-name=a b"], &[], GroupSettings::read));
    assert!(text.starts_with("one problem"), "{text}");
    assert!(
        text.contains("--master-name: `a b` is not a master name"),
        "{text}"
    );
    assert_eq!(text.matches("for example").count(), 1, "{text}");
    assert_eq!(text.matches("a b").count(), 1, "{text}");
}

fn name_of_a_variable() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = vars::TABLE
        .iter()
        .map(|variable| variable.name.to_owned())
        .collect();
    names.extend(vars::TABLE.iter().filter_map(Variable::file_name));
    proptest::sample::select(names)
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,20}",
        "[a-z0-9.:,/\\[\\]-]{0,20}",
        "[0-9]{1,25}(s|ms|h|y)?",
        Just("/dev/null".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just("zk1:1,[::1]/x".to_owned()),
    ]
}

fn everything(reader: &mut Reader<'_>) -> Outcome<u16> {
    let _ = ZooKeeperSettings::read(reader);
    let _ = GroupSettings::read(reader);
    let _ = CredentialSettings::read(reader);
    let _ = TlsFiles::read(reader);
    let port = crate::own_port(reader);
    let _ = RunAs::read(reader, |_| Ok(()));
    let _ = LogSettings::read(reader);
    let _ = crate::template(reader, &vars::SENTINEL_CONF);
    let _ = crate::server(reader, &vars::REDIS_SENTINEL);
    let _ = crate::stop_grace(reader);
    let _ = reader.word::<topology::Quorum>(&vars::SENTINEL_QUORUM);
    port
}

proptest! {
    #[test]
    fn no_environment_and_no_command_line_panics(
        environment in proptest::collection::btree_map(name_of_a_variable(), anything(), 0..12),
        words in proptest::collection::vec(
            prop_oneof![anything(), name_of_a_variable().prop_map(|name| vars::flag(&name)), Just("--".to_owned())],
            0..6,
        ),
    ) {
        let args = std::iter::once("program".to_owned()).chain(words).map(OsString::from);
        let lookup = |name: &str| environment.get(name).map(OsString::from);
        let _ = read(Program::SentinelWrapper, args, lookup, everything);
    }
}
