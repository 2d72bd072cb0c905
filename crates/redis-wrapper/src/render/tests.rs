//! The file says what the settings say, and the wrapper's lines come last.

use super::*;

fn text<'a>(template: &str, change: impl FnOnce(&mut Rendering<'a>)) -> String {
    // Leaked, so that a test can lend what lives as long.
    let template: &'static Template = Box::leak(Box::new(Template::parse(template)));
    let announce: &'static Addr = Box::leak(Box::new("10.0.0.7:31000".parse().unwrap()));
    let mut rendering = Rendering {
        base: Base::Include(Path::new("/etc/redis/my redis.conf")),
        arguments: "",
        template,
        bind: vec!["10.0.0.7".to_owned(), "127.0.0.1".to_owned()],
        port: 6379,
        announce,
        data_dir: Path::new("/data"),
        replica_of: None,
        access: Access::default(),
        tls: None,
    };
    change(&mut rendering);
    render(&rendering)
}

#[test]
fn the_template_is_included_first_and_ours_wins() {
    let file = text("port 1\n", |_| {});
    let include = file.find("include \"/etc/redis/my redis.conf\"").unwrap();
    assert!(include < file.find("\nport 6379").unwrap());
    for line in [
        "bind 10.0.0.7 127.0.0.1",
        "replica-announce-port 31000",
        "dir /data",
        "daemonize no",
        "logfile \"\"",
    ] {
        assert!(file.lines().any(|l| l == line), "{line} in {file}");
    }
    assert!(!file.contains("replicaof") && !file.contains("masterauth"));
}

#[test]
fn arguments_win_over_the_template_and_ours_over_both() {
    let file = text("", |r| r.arguments = "port 1\ndir sub\ninclude more.conf\n");
    let at = |line: &str| file.find(line).unwrap_or_else(|| panic!("{line} in {file}"));
    assert!(at("include \"/etc") < at("port 1\n") && at("include more.conf\n") < at("port 6379\n"));
    assert!(at("\ndir sub\n") < at("\ndir /data\n"));
}

#[test]
fn a_replica_is_one_from_its_first_line_on() {
    let master = "10.0.0.8:6379".parse().unwrap();
    assert!(text("", |r| r.replica_of = Some(&master)).contains("replicaof 10.0.0.8 6379\n"));
}

#[test]
fn the_template_keeps_its_passwords_and_opens_no_port_of_its_own() {
    let file = text("tls-port 1\nrequirepass s\nprotected-mode yes\n", |_| {});
    assert!(file.contains("\nport 6379\ntls-port 0\n"), "{file}");
    assert!(
        file.contains("masterauth s\n"),
        "a demoted master must reach its successor: {file}"
    );
    assert!(!text("requirepass s\nmasterauth t\n", |_| {}).contains("masterauth s"));
}

#[test]
fn what_would_break_supervision_is_taken_back() {
    let file = text(
        "protected-mode yes\nslave-read-only no\nreplica-announced no\n",
        |_| {},
    );
    for line in [
        "protected-mode no",
        "replica-read-only yes",
        "replica-announced yes",
    ] {
        assert!(file.lines().any(|l| l == line), "{line} in {file}");
    }
    let silent = text("", |_| {});
    assert!(silent.contains("protected-mode no\n"), "{silent}");
    assert!(!silent.contains("replica-announced yes"), "{silent}");
}

#[test]
fn secrets_and_users() {
    let file = text("", |r| {
        r.access = Access {
            user: Some("app"),
            password: Some("a b\"c"),
        }
    });
    assert!(file.contains(r#"user app on ">a b\"c" ~* &* +@all"#), "{file}");
    assert!(file.contains(r#"requirepass "a b\"c""#) && file.contains("masteruser app\n"));
    let own = text("user app on nopass ~* +@all\n", |r| {
        r.access = Access {
            user: Some("app"),
            password: Some("x"),
        }
    });
    assert!(!own.contains("user app on"), "{own}");
}

#[test]
fn tls_closes_the_plain_port() {
    let ca = PathBuf::from("/tls/ca.pem");
    let file = text("", |r| {
        r.tls = Some(Tls {
            ca: &ca,
            cert: None,
            key: None,
        });
    });
    assert!(file.contains("port 0\ntls-port 6379\ntls-replication yes\ntls-ca-cert-file /tls/ca.pem\n"));
}

#[test]
fn a_line_that_names_a_master_never_reaches_redis() {
    let template = "maxmemory 64mb\nReplicaOf old.example 31500\nslaveof 10.0.0.9 1\nsave 900 1\n";
    let file = text(template, |_| {});
    assert!(
        file.contains("maxmemory 64mb\n") && file.contains("save 900 1\n"),
        "{file}"
    );
    assert!(
        !file.to_lowercase().contains("replicaof") && !file.contains("slaveof"),
        "{file}"
    );
    assert!(!file.lines().any(|line| line.starts_with("include")), "{file}");
}
