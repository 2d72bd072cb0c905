//! Every word of redishappy's is understood, and every mistake in it is told with the others.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use ::settings::{CredentialSettings, LogSettings, Parsed, Problems, Program, vars};
use proptest::prelude::*;
use topology::Addr;

use super::*;

const HAPROXY: &str = include_str!("../../../../conf/redishappy/haproxy.json");
const CONSUL: &str = include_str!("../../../../conf/redishappy/consul.json");
const TEMPLATE: &str = "/etc/redishappy-haproxy/haproxy_template.cfg";

fn args(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn files<'a>(there: &'a [(&'a str, &'a str)]) -> impl Fn(&Path) -> io::Result<Vec<u8>> {
    move |path| {
        let found = there.iter().find(|(name, _)| Path::new(name) == path);
        let (_, text) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(text.as_bytes().to_vec())
    }
}

fn read(words: &[&str], environment: &[(&str, &str)], there: &[(&str, &str)]) -> Result<Settings, Problems> {
    let map: BTreeMap<&str, &str> = environment.iter().copied().collect();
    Settings::read(
        &args(words),
        |name| map.get(name).map(OsString::from),
        files(there),
    )
}

fn names(clusters: &[Cluster]) -> Vec<(&str, u16)> {
    clusters
        .iter()
        .map(|cluster| (cluster.name.as_str(), cluster.external_port))
        .collect()
}

fn addresses(sentinels: &[Addr]) -> Vec<String> {
    sentinels.iter().map(ToString::to_string).collect()
}

#[test]
fn the_name_the_flag_or_the_variables_ask_for_it() {
    let nothing = |_: &str| None;
    for (words, expected) in [
        (&["/usr/bin/redis-haproxy"][..], true),
        (&["redis-consul"], true),
        (&["./noop"], true),
        (&["watcher", "-config", "x"], true),
        (&["watcher", "--port0", "1", "--config=x"], true),
        (&["watcher", "-config=x"], true),
        (&["watcher"], false),
        (&["watcher", "--configuration=x"], false),
        (&["watcher", "--", "-config"], false),
        (&["redis-haproxy.old"], false),
        (&[], false),
    ] {
        assert_eq!(asked(&args(words), nothing), expected, "{words:?}");
    }
    let set = |name: &str, value: &str| {
        asked(&args(&["watcher"]), |asked| {
            (asked == name).then(|| OsString::from(value))
        })
    };
    assert!(set("REDISHAPPY_SENTINELS", "a:1") && set("REDISHAPPY_CLUSTERS", "a:1"));
    assert!(!set("REDISHAPPY_SENTINELS", "") && !set("ZK_HOSTS", "a:1"));
}

#[test]
fn the_sample_configurations_work_in_either_spelling() {
    for spell in [str::to_owned, lower_keys as fn(&str) -> String] {
        let (haproxy, consul) = (spell(HAPROXY), spell(CONSUL));
        let there = [("h.json", haproxy.as_str()), ("c.json", &consul), (TEMPLATE, "x")];
        let told = read(&["redis-haproxy", "-config", "h.json"], &[], &there).unwrap();
        assert_eq!(names(&told.clusters), [("testing", 6379)]);
        assert_eq!(
            addresses(&told.sentinels),
            ["10.0.0.7:26379", "10.0.0.8:26379", "10.0.0.9:26379"]
        );
        let written = told.haproxy.unwrap();
        assert_eq!(written.template, Path::new(TEMPLATE));
        assert_eq!(written.output, Path::new("/etc/haproxy/haproxy.cfg"));
        assert!(written.reload.ends_with("-sf $(cat /run/haproxy.pid)"));
        assert_eq!((told.consul, told.keep_alive), (None, None));
        assert_eq!(told.listen, Listen::Everywhere { port: 8000 });
        assert_eq!(told.warnings, [""; 0]);

        let told = read(&["redis-consul", "--config=c.json"], &[], &there).unwrap();
        let registered = told.consul.unwrap();
        assert_eq!(registered.address.as_deref(), Some("127.0.0.1:8500"));
        assert_eq!(
            registered.services,
            [Service {
                cluster: "testing".parse().unwrap(),
                node: "redis-1".to_owned(),
                datacenter: Some("dc1".to_owned()),
                tags: vec!["redis".to_owned(), "master".to_owned()],
            }]
        );
        assert_eq!((told.haproxy, told.warnings), (None, Vec::new()));
    }
}

/// Only keys stand before a colon and a space in the samples.
fn lower_keys(text: &str) -> String {
    let mut parts: Vec<String> = text.split("\": ").map(str::to_owned).collect();
    let last = parts.len() - 1;
    for part in &mut parts[..last] {
        let at = part.rfind('"').unwrap();
        let key = part[at..].to_lowercase();
        part.replace_range(at.., &key);
    }
    let lowered = parts.join("\": ");
    assert_ne!(lowered, text);
    lowered
}

#[test]
fn a_program_keeps_its_own_front_in_step_and_no_other() {
    let both = HAPROXY.trim_end().trim_end_matches('}').to_owned()
        + &CONSUL[CONSUL.find("  \"Consul\"").unwrap()..].replacen("  \"Consul\"", ", \"Consul\"", 1);
    let there = [("config.json", both.as_str()), (TEMPLATE, "x")];
    for (name, haproxy, consul) in [
        ("redis-haproxy", true, false),
        ("redis-consul", false, true),
        ("noop", false, false),
        ("watcher", true, true),
    ] {
        let told = read(&[name], &[], &there).unwrap();
        assert_eq!(
            (told.haproxy.is_some(), told.consul.is_some()),
            (haproxy, consul),
            "{name}"
        );
    }
}

#[test]
fn the_environment_wins_and_is_enough_without_a_file() {
    let environment = [
        ("REDISHAPPY_CLUSTERS", "sessions:7000; cache:7001;"),
        (
            "REDISHAPPY_SENTINELS",
            "[::1]:26379;10.0.0.8:26380;sentinel.example:1;[::1]:26379",
        ),
        ("REDISHAPPY_HAPROXY_TEMPLATE_PATH", TEMPLATE),
        ("REDISHAPPY_HAPROXY_OUTPUT_PATH", "/out"),
        ("REDISHAPPY_HAPROXY_RELOAD_CMD", "true"),
    ];
    for there in [
        &[(TEMPLATE, "x")][..],
        &[("config.json", HAPROXY), (TEMPLATE, "x")],
        &[("config.json", "null"), (TEMPLATE, "x")],
    ] {
        let told = read(&["redis-haproxy"], &environment, there).unwrap();
        assert_eq!(names(&told.clusters), [("sessions", 7000), ("cache", 7001)]);
        assert_eq!(
            addresses(&told.sentinels),
            ["[::1]:26379", "10.0.0.8:26380", "sentinel.example:1"]
        );
        let haproxy = told.haproxy.unwrap();
        assert_eq!(
            (haproxy.output.as_path(), haproxy.reload.as_str()),
            (Path::new("/out"), "true")
        );
    }
    // Who names a file means it.
    let problems = read(
        &["redis-haproxy", "-config", "nope.json"],
        &environment,
        &[(TEMPLATE, "x")],
    );
    let text = problems.unwrap_err().to_string();
    assert!(text.contains("-config: `nope.json` cannot be read"), "{text}");
    // Half of it is not everything.
    let text = read(&["noop"], &environment[..1], &[]).unwrap_err().to_string();
    assert!(text.contains("-config: `config.json` cannot be read"), "{text}");
}

#[test]
fn the_pages_are_where_bind_or_port_say() {
    let there = [("config.json", HAPROXY)];
    let listens = |flag: Option<&str>, environment: &[(&str, &str)]| {
        let flag = flag.map(|bind| format!("-bind={bind}"));
        let words: Vec<&str> = std::iter::once("noop").chain(flag.as_deref()).collect();
        read(&words, environment, &there).map(|told| told.listen.to_string())
    };
    for (flag, environment, expected) in [
        (None, &[][..], ":8000"),
        (None, &[("PORT", "81")], ":81"),
        (None, &[("PORT", "81"), ("BIND", "127.0.0.1:82")], "127.0.0.1:82"),
        (Some(":83"), &[("BIND", ":82")], ":83"),
        (Some("[::1]:84"), &[], "[::1]:84"),
        (Some("localhost:85"), &[], "127.0.0.1:85"),
        (Some("0.0.0.0:86"), &[], ":86"),
        (Some(""), &[("PORT", "87")], ":87"),
    ] {
        assert_eq!(listens(flag, environment).unwrap(), expected);
    }
    for (bind, expected) in [
        ("fd@3", "inherited socket"),
        ("einhorn@0", "inherited socket"),
        ("/run/happy.sock", "Unix socket"),
        ("unix@/run/happy.sock", "Unix socket"),
        ("8000", "has no port"),
        (":0", "no port between 1 and 65535"),
        ("nope.example:80", "no IP address"),
        ("::1:80", "without brackets"),
    ] {
        let text = listens(Some(bind), &[]).map_or_else(|wrong| wrong.to_string(), |_| String::new());
        assert!(
            text.contains(expected) && text.contains("for example :8000"),
            "{bind}: {text}"
        );
    }
    let text = listens(None, &[("PORT", "http")]).unwrap_err().to_string();
    assert!(
        text.contains("PORT: `http` has no port between 1 and 65535"),
        "{text}"
    );
}

#[test]
fn every_problem_of_a_file_at_once() {
    let file = r#"{
        "SentinelTCPKeepAlive": -1,
        "Clusters": [{"Name": "a b", "ExternalPort": 0}, {"Name": "x", "ExternalPort": 70000},
            {"Name": "y", "ExternalPort": "6379"}, {"Name": "x", "ExternalPort": 1}, 7],
        "Sentinels": [{"Host": "", "Port": 26379}, {"Host": "a", "Port": 0}],
        "sentinels": null,
        "HAProxy": {"TemplatePath": "/nope", "OutputPath": "", "ReloadCommand": []}
    }"#;
    let text = read(
        &["redis-haproxy", "-bind", "x", "-log"],
        &[],
        &[("config.json", file)],
    )
    .unwrap_err()
    .to_string();
    for expected in [
        "-log: needs a value after it",
        "-bind: `x` has no port",
        "config.json: Clusters[2].ExternalPort: `\"6379\"` is no whole number",
        "config.json: Clusters[4]: `7` is no object",
        "config.json: HAProxy.ReloadCommand: `[]` is no text",
        "config.json: Sentinels: ",
        "config.json: Clusters[0].Name: `a b` is not a master name",
        "config.json: Clusters[0].ExternalPort: `0` is not a port",
        "config.json: Clusters[1].ExternalPort: `70000` is not a port",
        "config.json: Clusters[3].Name: `x` is there twice",
        "SentinelTCPKeepAlive: `-1` is no time for a keep-alive",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn what_cannot_work_is_refused_and_what_is_odd_is_told() {
    let clusters = r#""Clusters": [{"Name": "a", "ExternalPort": 1}, {"Name": "b", "ExternalPort": 1}]"#;
    let sentinels = r#""Sentinels": [{"Host": "s", "Port": 1}]"#;
    let whole = |rest: &str| format!("{{{clusters}, {sentinels}, {rest}}}");
    let wrong = |name: &str, text: &str| {
        let problems = read(&[name], &[], &[("config.json", text)]).unwrap_err();
        problems.to_string()
    };
    for (name, text, expected) in [
        ("noop", "{}".to_owned(), "Clusters: has none"),
        ("noop", format!("{{{clusters}}}"), "Sentinels: has none"),
        (
            "noop",
            whole("\"SentinelTCPKeepAlive\": 32768"),
            "write 0 to 32767 seconds",
        ),
        ("noop", "// no\n{}".to_owned(), "config.json: is no JSON"),
        ("noop", "[]".to_owned(), "config.json: `[]` is no object"),
        ("noop", "[".repeat(100_000), "config.json: is no JSON"),
        (
            "redis-haproxy",
            whole("\"x\": 1"),
            "HAProxy.TemplatePath: is empty",
        ),
        (
            "watcher",
            whole(r#""HAProxy": {"TemplatePath": "/t", "OutputPath": "/o", "ReloadCommand": "r"}"#),
            "HAProxy.TemplatePath: `/t` cannot be read",
        ),
        ("redis-consul", whole("\"x\": 1"), "Consul.Services: has no entry"),
        (
            "redis-consul",
            whole(r#""Consul": {"Services": [{"Cluster": "a"}]}"#),
            "Consul.Services[0].Node: is empty",
        ),
    ] {
        let text = wrong(name, &text);
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let problems = read(&["noop", "-bind", "x"], &[], &[("config.json", "{}")]).unwrap_err();
    assert_eq!(problems.iter().count(), 3, "{problems}");
    let odd = whole(
        r#""Sentinals": 1, "SentinelTCPKeepAlive": 30, "consul": {"services": [
            {"cluster": "a", "node": "n"}, {"cluster": "a", "node": "m"}, {"cluster": "c"}]}"#,
    );
    let told = read(
        &["redis-consul", "-log", "/var/log/x"],
        &[],
        &[("config.json", &odd)],
    )
    .unwrap();
    let warned = told.warnings.join("\n");
    for expected in [
        "-log /var/log/x: nothing is written there",
        "config.json: `Sentinals` has no effect; the keys are",
        "config.json: Clusters[1].ExternalPort: 1 is another cluster's too",
        "Consul.Services[1].Cluster: `a` has an entry already",
        "Consul.Services[2].Cluster: `c` is none of the clusters",
        "no entry for the cluster `b`",
    ] {
        assert!(warned.contains(expected), "{expected}\n{warned}");
    }
    assert_eq!(told.warnings.len(), 6, "{warned}");
    assert_eq!(told.keep_alive, Some(Duration::from_secs(30)));
    let consul = told.consul.unwrap();
    assert_eq!((consul.address, consul.services[0].node.as_str()), (None, "n"));
    assert_eq!(consul.services[0].datacenter, None);
}

/// As `watcher/src/config.rs` wires it.
fn whole(
    words: &[&str],
    environment: &[(&str, &str)],
    there: &[(&str, &str)],
) -> Result<(Parsed<Settings>, Option<CredentialSettings>), Problems> {
    let map: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let lookup = |name: &str| map.get(name).map(OsString::from);
    let given = match told(&args(words), lookup, files(there)) {
        Told::Show(text) => return Ok((Parsed::Show(text), None)),
        Told::Run(given) => given,
    };
    let rest = given.rest.clone();
    let mut ours = None;
    let parsed = ::settings::read(Program::Watcher, rest, lookup, |reader| {
        let settings = given.record(reader);
        let credentials = CredentialSettings::read(reader);
        let log = LogSettings::read(reader);
        ours = Some(credentials?);
        log?;
        settings
    });
    parsed.map(|parsed| (parsed, ours))
}

#[test]
fn our_own_settings_work_beside_it_and_all_problems_come_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("haproxy.cfg");
    let file = HAPROXY.replace("/etc/haproxy/haproxy.cfg\",", &format!("{}\",", output.display()));
    let there = [("config.json", file.as_str()), (TEMPLATE, "x")];
    let environment = [
        ("REDIS_PASSWORD", "hunter2"),
        ("ZK_HOSTS", "zk:2181"),
        ("PORT0", "31500"),
        ("PORT", "8001"),
        ("HAPROXY_OUTPUT", "/nope"),
    ];
    let (parsed, ours) = whole(&["redis-haproxy", "--log-format", "json"], &environment, &there).unwrap();
    let Parsed::Run(told, notes) = parsed else {
        panic!("showed something")
    };
    assert_eq!(ours.unwrap().redis_password.unwrap().expose(), "hunter2");
    assert_eq!(told.listen, Listen::Everywhere { port: 8001 });
    let effective = notes.effective.to_string();
    let shown = format!("HAPROXY_OUTPUT={}", output.display());
    for expected in ["PORT0=:8001", &shown, "LOG_FORMAT=json"] {
        assert!(effective.contains(expected), "{effective}");
    }
    assert!(
        !effective.contains("ZK_HOSTS") && !effective.contains("hunter2"),
        "{effective}"
    );
    let warned = notes.warnings.join("\n");
    for name in ["ZK_HOSTS", "PORT0", "HAPROXY_OUTPUT"] {
        assert!(warned.contains(&format!("{name} has no effect")), "{warned}");
    }
    assert_eq!(notes.warnings.len(), 3, "{warned}");
    assert!(!output.exists(), "the live file is touched");

    let wrong = [("LOG_FORMAT", "xml"), ("PORT", "0")];
    let problems = whole(&["redis-haproxy", "stray"], &wrong, &[]).unwrap_err();
    assert_eq!(problems.iter().count(), 4, "{problems}");

    let elsewhere = file.replace(&output.display().to_string(), "/nope/haproxy.cfg");
    let there = [("config.json", elsewhere.as_str()), (TEMPLATE, "x")];
    let text = whole(&["redis-haproxy"], &[], &there).unwrap_err().to_string();
    assert!(
        text.contains("HAProxy.OutputPath: `/nope/haproxy.cfg` is in /nope"),
        "{text}"
    );
}

#[test]
fn the_help_names_what_there_is() {
    let Ok((Parsed::Show(text), _)) = whole(&["redis-haproxy", "--help"], &[], &[]) else {
        panic!("no help")
    };
    for name in [
        "-config",
        "-bind",
        "-log",
        "REDISHAPPY_CLUSTERS",
        "REDISHAPPY_HAPROXY_RELOAD_CMD",
    ] {
        assert!(text.contains(name), "{name}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    let ours = text.split(['\n', ' ', ',', '.']).filter(|word| {
        word.contains('_')
            && !word.starts_with("REDISHAPPY_")
            && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    });
    for name in ours {
        assert!(vars::TABLE.iter().any(|variable| variable.name == name), "{name}");
    }
}

#[test]
fn only_a_regular_file_is_read() {
    assert!(read_file(Path::new("/dev/zero")).is_err());
    assert!(read_file(Path::new("/")).is_err());
    assert!(read_file(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).is_ok());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[a-z:;\\[\\]0-9 ]{0,8}".prop_map(Into::into),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    let key = prop_oneof![
        "(?i)(clusters|sentinels|haproxy|consul|sentineltcpkeepalive|name|externalport|host|port)",
        "(?i)(templatepath|outputpath|reloadcommand|address|services|cluster|node|datacenter|tags)",
        "\\PC{0,6}",
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn never_panics_and_what_is_read_is_valid(
        value in prop_oneof![1 => Just(serde_json::Value::Null), 3 => json()],
        raw in prop::collection::vec(any::<u8>(), 0..64),
        takes_raw in prop::bool::weighted(0.1),
        name in prop_oneof![Just("redis-haproxy"), Just("redis-consul"), Just("noop"), Just("watcher")],
        words in prop::collection::vec("(-{0,2}(config|bind|log|h|)=?[a-z:@/0-9]{0,6}|\\PC{0,6})", 0..5),
        clusters in "([a-z]{0,3}:[0-9]{0,6};?){0,3}|\\PC{0,12}",
        sentinels in "(\\[?[a-z0-9:.]{0,6}\\]?:[0-9]{0,6};?){0,3}|\\PC{0,12}",
        bind in "[a-z@:/\\[\\].0-9]{0,12}",
    ) {
        let bytes = if takes_raw { raw } else { value.to_string().into_bytes() };
        let args: Vec<OsString> = std::iter::once(name.to_owned()).chain(words).map(OsString::from).collect();
        let lookup = |asked: &str| match asked {
            "REDISHAPPY_CLUSTERS" => Some(OsString::from(&clusters)),
            "REDISHAPPY_SENTINELS" => Some(OsString::from(&sentinels)),
            "BIND" => Some(OsString::from(&bind)),
            _ => None,
        };
        let _ = asked(&args, lookup);
        let read_file = |_: &Path| Ok(bytes.clone());
        if let Ok(settings) = Settings::read(&args, lookup, read_file) {
            prop_assert!(!settings.clusters.is_empty() && !settings.sentinels.is_empty());
            prop_assert!(settings.clusters.iter().all(|cluster| cluster.external_port > 0));
            prop_assert!(serde_json::to_string(&settings.shown).is_ok());
        }
    }
}
