//! What people have in their files, what they get wrong, and that they are told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::receivers::{DEFAULT_API, Facility, Method, SyslogTo};
use crate::sink::Trigger;

mod aliases;
mod environment;
mod pages;
mod wrong;

/// A file that only we may read.
struct File {
    dir: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("eventilator.conf");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { dir, path }
    }

    /// Another file beside it.
    fn beside(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn read_with(mode: Mode, text: &str, env: &[(&str, &str)]) -> Result<Read, Problems> {
    let file = File::new(text);
    let env: BTreeMap<&str, &str> = env.iter().copied().collect();
    read(mode, Some(&file.path), &|name| {
        env.get(name).map(|value| (*value).to_owned())
    })
}

/// A good file: what it says, and the warnings.
fn good(text: &str) -> (Config, Vec<String>) {
    let read = read_with(Mode::Eventilator, text, &[]).unwrap();
    (read.config, read.warnings)
}

/// A good file without anything odd.
fn plain(text: &str) -> Config {
    let (config, warnings) = good(text);
    assert_eq!(warnings, Vec::<String>::new(), "{text}");
    config
}

fn problems(text: &str) -> Vec<String> {
    read_with(Mode::Eventilator, text, &[]).unwrap_err().0
}

/// One word or sentence in one of the lines.
fn assert_told(lines: &[String], what: &str) {
    assert!(lines.iter().any(|line| line.contains(what)), "{what}: {lines:#?}");
}

fn on(names: &[&str]) -> Trigger {
    Trigger::On(names.iter().map(|name| (*name).to_owned()).collect())
}

fn usual_of_slack() -> Trigger {
    on(&["+odown", "-odown", "+sdown", "-sdown", "+promoted-slave"])
}

#[test]
fn nothing_said_is_what_it_always_was() {
    let config = plain("");
    assert_eq!(
        config.spool,
        PathBuf::from("/var/lib/redis/eventilator/eventilator.db")
    );
    assert_eq!(config.log, PathBuf::from("/var/log/redis/sentinel.log"));
    assert_eq!(
        config.limits,
        Limits {
            events: 100_000,
            age: 7 * DAY
        }
    );
    assert_eq!(config.store, None);
    let receivers = config.slack.len() + config.sensu.len() + config.http.len();
    assert_eq!(receivers + config.syslog.len() + config.exec.len(), 0);

    let config = read_with(Mode::Reconfigurator, "", &[]).unwrap().config;
    assert_eq!(
        config.spool,
        PathBuf::from("/var/lib/redis/eventilator/reconfigurator.db")
    );
    let store = config.store.unwrap();
    assert_eq!(store.addr.to_string(), "127.0.0.1:6379");
    assert!(store.counts && store.password.is_none() && store.clock == Clock::Local);
}

#[test]
fn usual_places_without_a_file_are_no_problem() {
    for mode in Mode::ALL {
        assert!(read(mode, None, &|_| None).is_ok());
    }
}

/// The documented file, which left the program that this one replaces without a channel and without events.
#[test]
fn three_lines_of_slack_are_enough() {
    let config = plain("[slack]\nToken = \"xoxb-1\"\nEnabled = true\n");
    let [slack] = &config.slack[..] else {
        panic!("{config:?}")
    };
    assert_eq!(slack.name, "slack");
    assert_eq!(slack.channel, "sentinel-events");
    assert_eq!(
        (slack.author_name.as_str(), slack.username.as_str()),
        ("eventilator", "eventilator")
    );
    assert_eq!(slack.author_subname, host_name());
    assert_eq!(slack.trigger, usual_of_slack());
    assert_eq!(slack.api, DEFAULT_API);
    assert_eq!(slack.token.as_ref().unwrap().reveal(), "xoxb-1");
    assert_eq!(slack.timeout, Duration::from_secs(10));
}

#[test]
fn each_table_keeps_the_defaults_of_what_it_leaves_out() {
    let config = plain(
        "Timeout = \"3s\"\n[SensuJIT]\nEnabled = true\n[Syslog]\nEnabled = true\n\
         [HTTP]\nURL = \"https://alerts.example/redis\"\n[Exec]\nCommand = \"/bin/true\"\n",
    );
    let sensu = &config.sensu[0];
    assert_eq!((sensu.ip.as_str(), sensu.port), ("127.0.0.1", 3030));
    assert_eq!(sensu.trigger, on(&["+odown", "-odown", "+promoted-slave"]));
    let syslog = &config.syslog[0];
    assert_eq!(syslog.to, SyslogTo::Socket("/dev/log".into()));
    assert_eq!(
        (syslog.facility, syslog.tag.as_str()),
        (Facility::Daemon, "eventilator")
    );
    let (http, exec) = (&config.http[0], &config.exec[0]);
    assert_eq!((http.method, http.name.as_str()), (Method::Post, "http"));
    assert_eq!((exec.args.len(), exec.name.as_str()), (0, "exec"));
    for trigger in [&syslog.trigger, &http.trigger, &exec.trigger] {
        assert_eq!(*trigger, Trigger::Every);
    }
    let timeouts = [sensu.timeout, syslog.timeout, http.timeout, exec.timeout];
    assert_eq!(timeouts, [Duration::from_secs(3); 4]);
}

#[test]
fn a_reconfigurators_receivers_are_for_the_failover() {
    let text = "RedisEnabled = false\n[Slack]\nEnabled = true\nToken = \"x\"\n[HTTP]\nURL = \"http://h/\"\n[Syslog]\nEnabled = yes\n";
    let text = text.replace("yes", "\"yes\"");
    let config = read_with(Mode::Reconfigurator, &text, &[]).unwrap().config;
    assert_eq!(config.store, None);
    assert_eq!(config.slack[0].trigger, on(&["failover"]));
    assert_eq!(config.http[0].trigger, on(&["failover"]));
    assert_eq!(config.syslog[0].tag, "reconfigurator");
}

#[test]
fn everything_that_can_be_said_is_heard() {
    let config = plain(
        r##"
        RedisAddress = "10.0.0.9"
        RedisPort = 6380
        RedisUser = "events"
        RedisAuth = "hush"
        RedisCA = "/etc/ssl/ca.pem"
        RedisEnabled = true
        RedisCounts = false
        UTC = true
        StorePatience = "1m"
        Timeout = "20s"
        LogFile = "/var/log/events.log"
        [Spool]
        Directory = "/var/spool/events"
        MaxEvents = 1000
        MaxAge = "2d"
        [Sentinel]
        Address = "10.0.0.7"
        Port = 5000
        User = "asker"
        Password = "hush"
        [Slack]
        Enabled = true
        Name = "dba"
        WebhookURL = "https://hooks.example/T/B/x"
        Channel = "#redis"
        TriggerOn = ["*"]
        Timeout = "2s"
        [Syslog]
        Enabled = true
        Address = "logs.example"
        Port = 601
        TCP = true
        Facility = "LOCAL3"
        Tag = "redis"
        TriggerOn = ["+switch-master", "-odown"]
        [Exec]
        Command = "/usr/local/bin/page"
        Arguments = ["--team", "data stores", 5]
        "##,
    );
    let store = config.store.unwrap();
    assert_eq!(store.addr.to_string(), "10.0.0.9:6380");
    assert_eq!(store.user.as_deref(), Some("events"));
    assert_eq!(store.ca, Some("/etc/ssl/ca.pem".into()));
    assert!(!store.counts && store.clock == Clock::Utc);
    assert_eq!(
        (store.patience, store.timeout),
        (Duration::from_secs(60), Duration::from_secs(5))
    );
    assert_eq!(config.log, PathBuf::from("/var/log/events.log"));
    assert_eq!(config.spool, PathBuf::from("/var/spool/events/eventilator.db"));
    assert_eq!(
        config.limits,
        Limits {
            events: 1000,
            age: 2 * DAY
        }
    );
    assert_eq!(config.sentinel.addr.unwrap().to_string(), "10.0.0.7:5000");
    assert_eq!(config.sentinel.user.as_deref(), Some("asker"));
    assert_eq!(config.sentinel.password.unwrap().reveal(), "hush");
    let slack = &config.slack[0];
    assert_eq!(
        (slack.name.as_str(), slack.channel.as_str()),
        ("slack:dba", "#redis")
    );
    assert_eq!(
        (&slack.trigger, slack.timeout),
        (&Trigger::Every, Duration::from_secs(2))
    );
    let (host, port) = ("logs.example".to_owned(), 601);
    assert_eq!(config.syslog[0].to, SyslogTo::Tcp { host, port });
    assert_eq!(config.syslog[0].facility, Facility::Local3);
    assert_eq!(config.syslog[0].trigger, on(&["+switch-master", "-odown"]));
    assert_eq!(config.exec[0].args, ["--team", "data stores", "5"]);
    assert_eq!(config.exec[0].timeout, Duration::from_secs(20));
}

#[test]
fn several_of_a_kind_have_names() {
    let config = plain(
        "[[HTTP]]\nName = \"oncall\"\nURL = \"https://a.example/\"\n[[http]]\nURL = \"https://b.example/\"\nMethod = \"put\"\n"
            .replace("[[http]]", "[[HTTP]]")
            .as_str(),
    );
    let names: Vec<_> = config
        .http
        .iter()
        .map(|http| (http.name.as_str(), http.method))
        .collect();
    assert_eq!(names, [("http:oncall", Method::Post), ("http", Method::Put)]);
}

/// Enabled where it has what it needs, unless it says otherwise; and what is off stops nothing.
#[test]
fn what_is_switched_off_is_off_whatever_else_is_wrong_with_it() {
    let (config, warnings) = good(
        "[HTTP]\nEnabled = false\nURL = \"https://a.example/\"\nTokenFile = \"/nowhere/token\"\nMethod = \"GET\"\n\
         [Exec]\nEnabled = false\nCommand = \"page\"\n[SensuJIT]\nPort = 0\n",
    );
    assert!(config.http.is_empty() && config.exec.is_empty() && config.sensu.is_empty());
    for what in ["/nowhere/token", "GET", "Port"] {
        assert_told(&warnings, what);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = read_with(Mode::Eventilator, &text, &[]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let file = File::new(bytes);
        let _ = read(Mode::Reconfigurator, Some(&file.path), &|_| None);
    }

    /// Keys that are known, with values of any type, in any table.
    #[test]
    fn no_value_of_a_known_key_makes_it_panic(lines in proptest::collection::vec(line(), 0..20)) {
        let _ = read_with(Mode::Eventilator, &lines.join("\n"), &[]);
    }

    #[test]
    fn no_environment_makes_it_panic(value in "\\PC*") {
        for mode in Mode::ALL {
            let _ = read(mode, Some(Path::new("/dev/null")), &|_| Some(value.clone()));
        }
    }
}

fn line() -> impl Strategy<Value = String> {
    let keys: Vec<String> = pages::asked(Mode::Eventilator).into_values().flatten().collect();
    let value = prop_oneof![
        Just("true".to_owned()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        Just("{ a = 1 }".to_owned()),
        Just("[[1], \"a\"]".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-zA-Z0-9+ /:.-]{0,12}".prop_map(|text| format!("{text:?}")),
        proptest::collection::vec("[a-z+ -]{0,8}", 0..3).prop_map(|words| format!("{words:?}")),
    ];
    let title = proptest::sample::select(TABLES.map(|title| title.name).to_vec());
    prop_oneof![
        title.clone().prop_map(|title| format!("[{title}]")),
        title.prop_map(|title| format!("[[{title}]]")),
        (proptest::sample::select(keys), value).prop_map(|(key, value)| format!("{key} = {value}")),
    ]
}
