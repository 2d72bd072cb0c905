//! The spellings of the program that this one replaces, and the files that it shipped.

use super::*;

#[test]
fn every_spelling_of_a_key_is_that_key() {
    for key in [
        "RedisAddress",
        "redisAddress",
        "redis_address",
        "REDIS_ADDRESS",
        "redisaddress",
        "Redis_Address",
    ] {
        let config = plain(&format!("RedisEnabled = true\n{key} = \"10.0.0.9\"\n"));
        assert_eq!(config.store.unwrap().addr.host(), "10.0.0.9", "{key}");
    }
    for key in ["ip", "IP", "Ip"] {
        let config = plain(&format!("[SensuJIT]\nenabled = true\n{key} = \"10.0.0.9\"\n"));
        assert_eq!(config.sensu[0].ip, "10.0.0.9", "{key}");
    }
    for key in ["TriggerOn", "triggerOn", "trigger_on", "TRIGGER_ON"] {
        let config = plain(&format!("[SensuJIT]\nenabled = true\n{key} = [\"-odown\"]\n"));
        assert_eq!(config.sensu[0].trigger, on(&["-odown"]), "{key}");
    }
}

#[test]
fn every_spelling_of_a_table_is_that_table() {
    for title in ["slack", "Slack", "SLACK"] {
        let config = plain(&format!("[{title}]\nEnabled = true\nToken = \"x\"\n"));
        assert_eq!(config.slack.len(), 1, "{title}");
    }
    for title in [
        "SensuJIT",
        "sensuJIT",
        "sensu_jit",
        "Sensu_JIT",
        "SENSUJIT",
        "sensujit",
    ] {
        let config = plain(&format!("[{title}]\nEnabled = true\n"));
        assert_eq!(config.sensu.len(), 1, "{title}");
    }
    for title in ["HTTP", "http", "Http"] {
        let config = plain(&format!("[[{title}]]\nurl = \"http://a.example/\"\n"));
        assert_eq!(config.http.len(), 1, "{title}");
    }
}

#[test]
fn two_spellings_of_one_key_or_table_are_refused() {
    let lines = problems("redis_port = 1\nRedisPort = 2\n[slack]\n[Slack]\nEnabled = false\n");
    assert_told(&lines, "the same key as");
    assert_told(&lines, "[[Slack]]");
    // These are one each.
    assert_told(
        &problems("[[Spool]]\n[[Spool]]\n"),
        "[Spool]: there is more than one",
    );
    assert_told(&problems("[Sentinel]\n[sentinel]\n"), "there is more than one");
}

/// Documented, and fatal in the program that this one replaces.
#[test]
fn a_key_that_nobody_knows_is_a_warning() {
    let (config, warnings) = good("[SensuJIT]\nEnabled = true\nToken = \"hush\"\n[Nagios]\nHost = \"x\"\n");
    assert_eq!(config.sensu.len(), 1);
    assert_told(&warnings, "[SensuJIT] Token is no key that is known");
    assert_told(&warnings, "[Nagios] is no table that is known");
    assert!(!warnings.concat().contains("hush"));
    // Whatever it is.
    let (_, warnings) =
        good("Since = 1979-05-27\nFuture = { a = 1 }\n[Slack]\nLater = [[1]]\n[[Nagios]]\nHost = \"x\"\n");
    // One that is a table is taken for one.
    for key in ["Since", "Future", "Later", "Nagios"] {
        assert_told(&warnings, key);
    }
}

#[test]
fn a_list_without_its_signs_gets_them_back() {
    let (config, warnings) = good(
        "[Slack]\nEnabled = true\nToken = \"x\"\n\
         TriggerOn = [ \"promoted-slave\", \"failover-abort-no-good-slave\", \" +odown \", \"+of-tomorrow\" ]\n",
    );
    let expected = [
        "+promoted-slave",
        "-failover-abort-no-good-slave",
        "+odown",
        "+of-tomorrow",
    ];
    assert_eq!(config.slack[0].trigger, on(&expected));
    assert_told(&warnings, "`+promoted-slave` is taken for it");
    assert_told(
        &warnings,
        "`+of-tomorrow` is no event of any Sentinel that is known",
    );
    assert_eq!(warnings.len(), 3);
    let (config, warnings) = good("[SensuJIT]\nEnabled = true\nTriggerOn = []\n");
    assert_eq!(config.sensu[0].trigger, on(&[]));
    assert_told(&warnings, "it is told nothing");
}

/// As it was shipped: Slack off, the Sensu client on, a sign forgotten, tables that were never used.
#[test]
fn the_files_that_were_shipped_work() {
    let shipped = r#"
        RedisAddress = "127.0.0.1"
        RedisPort = 6379
        RedisAuth = ""
        RedisEnabled = false

        [slack]
        Token = ""
        Enabled = false
        Channel = "sentinel-events"
        AuthorName = "eventilator"
        Username = "eventilator"
        TriggerOn = [ "+odown", "-odown", "+sdown", "-sdown", "promoted-slave", "-failover-abort-no-good-slave" ]

        [SensuJIT]
        Enabled = true
        IP = "127.0.0.1"
        Port = 3030
        TriggerOn = [ "+odown", "-odown", "+promoted-slave", "-failover-abort-no-good-slave" ]
        HandlerNoGoodSlave = "pagerduty"
        HandlerPromotedSlave = "default"

        [Sensu]
        Hostname = "127.0.0.1"
        User = "sensu"
        Token = ""
        Port = 8000
        Enabled = false
        TriggerOn = [ "+odown" ]
    "#;
    let (config, warnings) = good(shipped);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_told(&warnings, "`promoted-slave` is no event");
    assert!(config.store.is_none() && config.slack.is_empty());
    let sensu = &config.sensu[0];
    assert_eq!(
        (
            sensu.handler_no_good_slave.as_str(),
            sensu.handler_promoted_slave.as_str()
        ),
        ("pagerduty", "default")
    );
    assert_eq!(
        sensu.trigger,
        on(&[
            "+odown",
            "-odown",
            "+promoted-slave",
            "-failover-abort-no-good-slave"
        ])
    );

    let shipped = "RedisAddress = \"127.0.0.1\"\nRedisPort = 6379\nRedisAuth = \"hush\"\n";
    let read = read_with(Mode::Reconfigurator, shipped, &[]).unwrap();
    assert_eq!(read.warnings, Vec::<String>::new());
    assert_eq!(read.config.store.unwrap().password.unwrap().reveal(), "hush");
}

#[test]
fn a_table_that_was_never_used_says_so_when_it_is_switched_on() {
    let (_, warnings) = good("[Sensu]\nEnabled = true\n");
    assert_told(&warnings, "[SensuJIT]");
}
