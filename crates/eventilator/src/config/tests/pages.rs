//! The list of keys: the code's is the documentation's, and the sample files are good.

use super::super::source::variable;
use super::*;

/// The variables of the keys that the code asks for, without their prefix, by table.
pub(super) fn asked(mode: Mode) -> BTreeMap<&'static str, BTreeSet<String>> {
    let names = RefCell::new(BTreeSet::new());
    let _ = read(mode, Some(Path::new("/dev/null")), &|name| {
        names.borrow_mut().insert(name.to_owned());
        None
    });
    let mut by_table: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for name in names.into_inner() {
        let Some(name) = name.strip_prefix("EVENTILATOR_").filter(|name| *name != "CONFIG") else {
            continue;
        };
        let of = |title: &Title| {
            let title = title.name;
            let rest = name.strip_prefix(&format!("{}_", title.to_ascii_uppercase()))?;
            Some((title, rest))
        };
        let (title, key) = TABLES.iter().find_map(of).unwrap_or(("", name));
        by_table.entry(title).or_default().insert(key.to_owned());
    }
    by_table
}

#[test]
fn the_list_is_found() {
    let all = asked(Mode::Eventilator);
    assert!(
        all[""].contains("REDIS_ADDRESS") && all["Slack"].contains("TOKEN_FILE"),
        "{all:?}"
    );
    assert_eq!(all.len(), TABLES.len() + 1);
    assert_eq!(all, asked(Mode::Reconfigurator));
}

const PAGE: &str = include_str!("../../../../../docs/eventilator.md");

/// The keys of the page's tables, as the variables they are, by table.
fn documented() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut by_table: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let settings = PAGE.split("\n## Settings\n").nth(1).unwrap();
    let settings = settings.split("\n## ").next().unwrap();
    for part in settings.split("\n### ").skip(1) {
        let (heading, body) = part.split_once('\n').unwrap();
        let rows = body.lines().filter_map(|line| line.strip_prefix("| `"));
        let cells = rows.filter_map(|row| row.split(" | ").next());
        // A table that is read and not used has a sentence.
        let words = if heading == "[Sensu]" { body } else { "" };
        let keys = cells.chain([words.trim_start_matches('\n')]).flat_map(|cell| {
            let cell = cell.trim_start_matches('`');
            cell.split(['`', ',', ' ', '\n'])
                .filter(|word| word.starts_with(char::is_uppercase))
        });
        let keys: BTreeSet<String> = keys.map(variable).collect();
        let heading = heading.trim_matches(['[', ']']);
        let of = |title: &str| title == heading;
        let receivers = ["Slack", "SensuJIT", "HTTP", "Syslog", "Exec"];
        let tables: Vec<&str> = match heading {
            "The top" => vec![""],
            "Each receiver" => receivers.to_vec(),
            _ => TABLES
                .iter()
                .map(|title| title.name)
                .filter(|title| of(title))
                .collect(),
        };
        assert!(!tables.is_empty(), "{heading}");
        for table in tables {
            by_table.entry(table).or_default().extend(keys.clone());
        }
    }
    by_table
}

#[test]
fn the_page_has_every_key_that_is_read_and_no_other() {
    assert_eq!(documented(), asked(Mode::Eventilator));
}

#[test]
fn the_page_names_what_people_look_for() {
    for word in [
        "EVENTILATOR_CONFIG",
        "RECONFIGURATOR_CONFIG",
        "EVENTILATOR_SENTINEL_PASSWORD_FILE",
        "REDIS_EVENT",
        "REDIS_GROUP",
        "REDIS_EVENT_ID",
        "REDIS_EVENT_TRIAL",
        "Idempotency-Key",
        "X-Redis-Zk-Timestamp",
        "X-Redis-Zk-Signature",
        "eventilator:book:",
        "eventilator:mark:",
        crate::reconfiguration::EVENT,
    ] {
        assert!(PAGE.contains(word), "{word}");
    }
    for name in crate::mode::NAMES {
        assert!(PAGE.contains(name), "{name}");
    }
}

#[test]
fn the_page_has_every_field_of_the_record() {
    let source = include_str!("../../message.rs");
    let record = source.split("pub struct Record {").nth(1).unwrap();
    let record = record.split("\n}").next().unwrap();
    let fields: Vec<&str> = record
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next())
        .collect();
    assert!(fields.len() > 20, "{fields:?}");
    for field in fields {
        assert!(PAGE.contains(&format!("`{field}`")), "{field}");
    }
}

/// Every key that the store is given is on the page, with its words in the place of a group, a window and an event.
#[test]
fn the_page_has_every_key_of_the_store() {
    use crate::event::Notice;
    use crate::message::Call;
    use crate::reconfiguration::Reconfiguration;

    let moved = Reconfiguration::read(["P0D", "leader", "start", "10.0.0.1", "1", "10.0.0.2", "2"]).unwrap();
    let told = |event| Call::Notice(Notice::read(event, "master P0D 10.0.0.1 1"));
    let calls = [
        Call::Reconfiguration(moved),
        told("+odown"),
        told("-failover-abort-no-good-slave"),
    ];
    let at = "2016-03-01T09:05:00Z".parse().unwrap();
    for call in calls {
        for command in crate::store::updates(&call, at, Clock::Utc) {
            let parts = command[1].split(':').map(|part| match part {
                "P0D" => "<pod>",
                part if part == call.event() && part.starts_with(['+', '-']) => "<event>",
                part => part,
            });
            let key = parts.collect::<Vec<_>>().join(":");
            let window = if key.starts_with("pods-with") {
                "<day>"
            } else {
                "<w>"
            };
            // From the longest on.
            let key = ["2016:3:1:9:5", "2016:3:1:9", "2016:3:1", "2016:3", "2016"]
                .iter()
                .fold(key, |key, w| key.replace(w, window));
            assert!(PAGE.contains(&key), "{key}");
        }
    }
}

const SAMPLES: [(Mode, &str); 2] = [
    (
        Mode::Eventilator,
        include_str!("../../../../../conf/eventilator/eventilator.conf"),
    ),
    (
        Mode::Reconfigurator,
        include_str!("../../../../../conf/eventilator/reconfigurator.conf"),
    ),
];

#[test]
fn the_samples_are_good_as_they_are() {
    for (mode, text) in SAMPLES {
        let read = read_with(mode, text, &[]).unwrap();
        assert_eq!(read.warnings, Vec::<String>::new(), "{mode:?}");
        let plain = read_with(mode, "", &[]).unwrap().config;
        assert_eq!(read.config, plain, "{mode:?}: a sample changes nothing");
    }
}

/// Each setting that is commented out is one that can be taken.
#[test]
fn the_samples_are_good_when_everything_is_taken() {
    let file = File::new("");
    let secret = file.beside("secret", "https://hush.example/");
    for (mode, text) in SAMPLES {
        let taken: Vec<String> = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if setting.starts_with(char::is_uppercase) => setting.to_owned(),
                Some(_) | None => line.replace("Enabled = false", "Enabled = true"),
            })
            .map(|line| match line.split_once("File = ") {
                Some((key, _)) if key != "Log" => format!("{key}File = {secret:?}"),
                Some(_) | None => line,
            })
            .collect();
        let read = read_with(mode, &taken.join("\n"), &[]).unwrap();
        assert_eq!(read.warnings, Vec::<String>::new(), "{mode:?}");
        let config = read.config;
        assert!(config.store.is_some() && config.http.len() == 1 && config.exec.len() == 1);
        if mode == Mode::Eventilator {
            assert_eq!(
                (config.slack.len(), config.sensu.len(), config.syslog.len()),
                (1, 1, 1)
            );
            // Nothing is missing in it but what is told beside it.
            let beside = [
                "TOKEN",
                "WEBHOOK_URL",
                "URL",
                "SECRET",
                "PASSWORD",
                "REDIS_AUTH",
                "ADDRESS",
                "PORT",
                "TCP",
                "NAME",
                "ENABLED",
            ];
            for (table, keys) in asked(mode).into_iter().filter(|(table, _)| *table != "Sensu") {
                for key in keys.iter().filter(|key| !beside.contains(&key.as_str())) {
                    let has = taken.iter().any(|line| {
                        let name = line.split(" = ").next().unwrap_or_default();
                        variable(name) == *key
                    });
                    assert!(has, "[{table}] {key}");
                }
            }
        }
    }
}
