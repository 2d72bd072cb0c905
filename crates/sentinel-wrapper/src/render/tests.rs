//! The private file says what the seed says, and the user's lines stand where they may.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use topology::conf_file::settings;
use topology::{Epoch, MasterRecord, RunId};

use super::lines::bind;
use super::*;
use crate::view::Living;

fn template(text: &str) -> Template {
    Template::parse("user.conf", Path::new("/"), text, &|_| {
        Err(std::io::ErrorKind::NotFound.into())
    })
    .unwrap()
}

fn fixed() -> Fixed {
    Fixed {
        name: "master1".parse().unwrap(),
        bind: Some("10.0.0.1".parse().unwrap()),
        port: 26379,
        announce: "10.0.0.1:31000".parse().unwrap(),
        dir: "/data/sentinel-26379".into(),
        quorum: "2".parse().unwrap(),
        down_after: Timing::Default(Duration::from_secs(2)),
        failover_timeout: Timing::Default(Duration::from_secs(5)),
        parallel_syncs: Timing::Default(1),
        scripts: Wanted::default(),
        lost: BTreeSet::new(),
        secrets: Secrets::default(),
        tls: None,
    }
}

fn living(n: u8) -> Living {
    Living {
        id: RunId::from_bytes([n; 20]),
        addr: Addr::new("10.0.0.1", 31_000 + u16::from(n)).unwrap(),
    }
}

fn seed() -> Seed {
    let addr: Addr = "10.0.0.9:6379".parse().unwrap();
    Seed {
        id: RunId::from_bytes([0xaa; 20]),
        master: MasterRecord {
            addr: addr.clone(),
            epoch: Epoch(4),
        },
        epoch: Epoch(7),
        peers: vec![living(1), living(2)],
        replicas: vec![addr, "10.0.0.8:6379".parse().unwrap()],
    }
}

fn lines(rendered: &Rendered) -> BTreeSet<&str> {
    rendered.text.lines().collect()
}

#[test]
fn a_new_sentinel_knows_everything_from_the_start() {
    let rendered = render(&template("# mine\nmaxclients 50"), &fixed(), &seed());
    let (me, one, two) = ("aa".repeat(20), "01".repeat(20), "02".repeat(20));
    let expected = format!(
        "# Made by sentinel-wrapper for one start of redis-sentinel. Changes here are lost.
# mine
maxclients 50
port 26379
bind 10.0.0.1 -127.0.0.1
protected-mode no
daemonize no
logfile \"\"
dir /data/sentinel-26379
sentinel myid {me}
sentinel announce-ip 10.0.0.1
sentinel announce-port 31000
sentinel monitor master1 10.0.0.9 6379 2
sentinel down-after-milliseconds master1 2000
sentinel failover-timeout master1 5000
sentinel parallel-syncs master1 1
sentinel config-epoch master1 4
sentinel leader-epoch master1 7
sentinel known-replica master1 10.0.0.8 6379
sentinel known-sentinel master1 10.0.0.1 31001 {one}
sentinel known-sentinel master1 10.0.0.1 31002 {two}
sentinel current-epoch 7
"
    );
    assert_eq!(rendered.text, expected);
    assert_eq!(rendered.dropped, []);
}

#[test]
fn what_would_break_supervision_is_left_out_and_named() {
    let text = "port 1\nBIND 1.2.3.4\ndaemonize yes\nlogfile /x\ndir /tmp\nsupervised auto\n\
        sentinel monitor master1 1.1.1.1 1 1\nsentinel myid x\nsentinel announce-ip 9.9.9.9\n\
        sentinel known-slave master1 1.1.1.1 1\nsentinel config-epoch master1 99\nsentinel current-epoch 99\n";
    let rendered = render(&template(text), &fixed(), &seed());
    let dropped: Vec<(usize, &str)> = rendered
        .dropped
        .iter()
        .map(|d| (d.line, d.setting.as_str()))
        .collect();
    assert_eq!(
        dropped,
        [
            (1, "port"),
            (2, "bind"),
            (3, "daemonize"),
            (4, "logfile"),
            (5, "dir"),
            (6, "supervised"),
            (7, "sentinel monitor"),
            (8, "sentinel myid"),
            (9, "sentinel announce-ip"),
            (10, "sentinel known-slave"),
            (11, "sentinel config-epoch"),
            (12, "sentinel current-epoch"),
        ]
    );
    assert_eq!(rendered.text, render(&template(""), &fixed(), &seed()).text);
    assert!(rendered.dropped.iter().all(|d| &*d.file == "user.conf"));
}

#[test]
fn other_groups_and_the_users_own_timings_stay() {
    let text = "sentinel monitor other 1.1.1.1 1 1\nsentinel config-epoch other 3\n\
        sentinel down-after-milliseconds master1 3000\nsentinel parallel-syncs other 9\n\
        sentinel notification-script master1 /bin/true";
    let rendered = render(&template(text), &fixed(), &seed());
    assert_eq!(rendered.dropped, []);
    let beside = Beside {
        file: "user.conf".into(),
        line: 1,
        name: "other".to_owned(),
        master: "1.1.1.1:1".parse().unwrap(),
    };
    assert_eq!(rendered.beside, [beside]);
    let lines = lines(&rendered);
    for kept in text.lines() {
        assert!(lines.contains(kept), "{kept}");
    }
    assert!(!lines.contains("sentinel down-after-milliseconds master1 2000"));
    assert!(lines.contains("sentinel parallel-syncs master1 1"));
}

#[test]
fn nobody_of_ours_is_watched_under_a_second_name() {
    for (master, ours) in [
        ("127.0.0.1 6379", true),
        ("127.0.5.5 1", true),
        ("::1 6379", true),
        ("::ffff:127.0.0.1 6379", true),
        ("0.0.0.0 6379", true),
        ("LocalHost 6379", true),
        // The announced host, the recorded master, a replica.
        ("10.0.0.1 9999", true),
        ("10.0.0.9 6379", true),
        ("10.0.0.8 6379", true),
        ("::ffff:10.0.0.8 6379", true),
        ("10.0.0.8 6380", false),
        ("10.0.0.7 6379", false),
        ("redis.example 6379", false),
    ] {
        let text = format!(
            "sentinel down-after-milliseconds mymaster 30000\nSentinel Monitor mymaster {master} 2\n\
             sentinel auth-pass mymaster hidden\nsentinel deny-scripts-reconfig yes\nloglevel debug\n"
        );
        let rendered = render(&template(&text), &fixed(), &seed());
        let dropped: Vec<_> = rendered.dropped.iter().map(|d| (d.line, d.why)).collect();
        let doubles = [(1, Why::Double), (2, Why::Double), (3, Why::Double)];
        assert_eq!(dropped, if ours { &doubles[..] } else { &[] }, "{master}");
        assert_eq!(rendered.beside.len(), usize::from(!ours), "{master}");
        assert_eq!(rendered.text.contains("mymaster"), !ours, "{master}");
        assert!(lines(&rendered).contains("sentinel deny-scripts-reconfig yes"));
        assert!(lines(&rendered).contains("loglevel debug"));
    }
}

#[test]
fn the_environment_wins_over_the_template() {
    let fixed = Fixed {
        down_after: Timing::Chosen(Duration::from_millis(1500)),
        ..fixed()
    };
    let rendered = render(
        &template("sentinel down-after-milliseconds master1 3000"),
        &fixed,
        &seed(),
    );
    assert_eq!(rendered.dropped[0].why, Why::Environment);
    assert!(lines(&rendered).contains("sentinel down-after-milliseconds master1 1500"));
}

#[test]
fn scripts_are_called_where_they_were_asked_for() {
    let of_user = "sentinel notification-script master1 /mine\nsentinel client-reconfig-script master1 /mine\n\
        sentinel notification-script other /theirs";
    let asked = Fixed {
        scripts: Wanted {
            notification: Some("/a \"b\"/c.sh".to_owned()),
            client_reconfig: None,
        },
        ..fixed()
    };
    let rendered = render(&template(of_user), &asked, &seed());
    let named: Vec<_> = rendered.dropped.iter().map(|d| (d.line, d.why)).collect();
    assert_eq!(named, [(1, Why::Environment)], "a setting wins");
    let scripts: Vec<&str> = rendered
        .text
        .lines()
        .filter(|line| line.contains("-script "))
        .collect();
    let expected = [
        "sentinel client-reconfig-script master1 /mine",
        "sentinel notification-script other /theirs",
        r#"sentinel notification-script master1 "/a \"b\"/c.sh""#,
    ];
    assert_eq!(scripts, expected);
    // One that is away for a moment is not called; the user's line does not take its place meanwhile.
    let away = Fixed {
        lost: asked.scripts.notification.clone().into_iter().collect(),
        ..asked
    };
    let without = render(&template(of_user), &away, &seed());
    assert_eq!(without.dropped, rendered.dropped);
    let calls = |script: &str| without.text.contains(&format!("-script {script}"));
    assert!(
        !calls("master1 \"") && calls("master1 /mine") && calls("other"),
        "{}",
        without.text
    );
    let text = render(&template(""), &fixed(), &seed()).text;
    assert!(!text.contains("-script"), "{text}");
}

#[test]
fn credentials_are_carried_and_never_shown() {
    let secret = |text: &str| Some(text.to_owned());
    let secrets = Secrets {
        redis_user: secret("app"),
        redis_password: secret("a b\"c"),
        sentinel_password: secret("s3"),
    };
    let fixed = Fixed { secrets, ..fixed() };
    let rendered = render(
        &template("requirepass hidden\nsentinel auth-pass master1 hidden"),
        &fixed,
        &seed(),
    );
    let lines = lines(&rendered);
    for expected in [
        "requirepass s3",
        "sentinel sentinel-pass s3",
        "sentinel auth-user master1 app",
        "sentinel auth-pass master1 \"a b\\\"c\"",
    ] {
        assert!(lines.contains(expected), "{expected}: {lines:?}");
    }
    assert_eq!(rendered.dropped.len(), 2);
    assert!(!format!("{:?}", rendered.dropped).contains("hidden"));
}

#[test]
fn tls_takes_the_port() {
    let tls = Tls {
        ca: "/ca.pem".into(),
        cert: Some("/c.pem".into()),
        key: Some("/k e y.pem".into()),
    };
    let rendered = render(
        &template("tls-port 5"),
        &Fixed {
            tls: Some(tls),
            ..fixed()
        },
        &seed(),
    );
    let lines = lines(&rendered);
    for expected in [
        "port 0",
        "tls-port 26379",
        "tls-replication yes",
        "tls-key-file \"/k e y.pem\"",
    ] {
        assert!(lines.contains(expected), "{expected}");
    }
}

#[test]
fn it_listens_where_it_is_announced_and_on_loopback() {
    let bound = |ip: Option<&str>| bind(ip.map(|ip| ip.parse().unwrap())).join(" ");
    assert_eq!(bound(None), "* -::*");
    assert_eq!(bound(Some("10.0.0.1")), "10.0.0.1 -127.0.0.1");
    assert_eq!(bound(Some("127.0.0.1")), "127.0.0.1");
    assert_eq!(bound(Some("fd00::1")), "fd00::1 -::1 -127.0.0.1");
    assert_eq!(bound(Some("::1")), "::1 -127.0.0.1");
}

#[test]
fn a_master_with_a_name_is_resolved() {
    let mut seed = seed();
    seed.master.addr = "redis-0.example:6379".parse().unwrap();
    assert!(lines(&render(&template(""), &fixed(), &seed)).contains("sentinel resolve-hostnames yes"));
    let users = render(&template("sentinel resolve-hostnames no"), &fixed(), &seed);
    assert!(!lines(&users).contains("sentinel resolve-hostnames yes"));
}

proptest! {
    /// Whatever the user writes, the settings that decide over supervision are ours alone.
    #[test]
    fn supervision_is_ours(text in "((port|bind|Dir|sentinel myid|sentinel monitor master1|x) [a-z0-9\"' ]{0,9}\n){0,8}") {
        let rendered = render(&template(&text), &fixed(), &seed());
        let read = settings(&rendered.text);
        for name in ["port", "bind", "dir", "daemonize", "logfile"] {
            prop_assert_eq!(read.iter().filter(|setting| setting.name == name).count(), 1, "{}", name);
        }
        let ours = |s: &&Setting| s.values.len() > 1 && s.values[0] == "monitor" && s.values[1] == "master1";
        prop_assert_eq!(read.iter().filter(ours).count(), 1);
    }
}
