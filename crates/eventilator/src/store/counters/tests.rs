//! Every key to the byte.

use super::*;

const AT: &str = "2016-03-01T09:05:07Z";

fn lines(call: &Call) -> Vec<String> {
    let commands = updates(call, AT.parse().unwrap(), Clock::Utc);
    commands.into_iter().map(|words| words.join(" ")).collect()
}

fn notice(event: &str, text: &str) -> Call {
    Call::Notice(Notice::read(event, text))
}

#[test]
fn a_failover_to_the_byte() {
    let moved = Reconfiguration::read(["pod1", "leader", "start", "10.0.0.1", "6379", "10.0.0.2", "6380"]);
    let lines = lines(&Call::Reconfiguration(moved.unwrap()));
    let mut expected = vec![
        "SADD failovers:pod1:timestamps 1456823107".to_owned(),
        "SADD pods-with-failovers pod1".to_owned(),
        "ZADD failovers:pod1:log 1456823107 10.0.0.2".to_owned(),
    ];
    for window in ["2016", "2016:3", "2016:3:1", "2016:3:1:9", "2016:3:1:9:5"] {
        expected.push(format!("HINCRBY failovers:aggregated {window} 1"));
        expected.push(format!("HINCRBY failovers:success:pod1:counters {window} 1"));
        expected.push(format!("SADD failovers:{window} pod1"));
        expected.push(format!(
            "ZADD failovers:aggregated-by-time:{window} 1456823107 pod1"
        ));
    }
    expected.push("SADD pods-with-failovers:2016:3:1 pod1".to_owned());
    expected.push("EXPIRE pods-with-failovers:2016:3:1 5184000".to_owned());
    assert_eq!(lines, expected);
}

#[test]
fn a_failure_to_the_byte() {
    let event = "-failover-abort-no-good-slave";
    let lines = lines(&notice(event, "master pod1 10.0.0.1 6379"));
    let mut expected = vec![
        "SADD failovers:failures:pod1:timestamps 1456823107".to_owned(),
        "SADD pods-with-failovers pod1".to_owned(),
        "ZADD failovers:pod1:faillog 1456823107 ".to_owned(),
        format!("SADD failovers:failures:{event}:timestamps 1456823107"),
        format!("ZADD failovers:{event}:faillog 1456823107 pod1"),
    ];
    for window in ["2016", "2016:3", "2016:3:1", "2016:3:1:9", "2016:3:1:9:5"] {
        expected.push(format!("HINCRBY failovers:aggregated {window} 1"));
        expected.push(format!("HINCRBY failovers:failures:{event}:counters {window} 1"));
        expected.push(format!("SADD failovers:{window} pod1"));
        expected.push(format!(
            "ZADD failovers:aggregated-by-time:{window} 1456823107 pod1"
        ));
    }
    expected.push("SADD pods-with-failovers:2016:3:1 pod1".to_owned());
    expected.push("EXPIRE pods-with-failovers:2016:3:1 5184000".to_owned());
    assert_eq!(lines, expected);
}

#[test]
fn a_warning_to_the_byte() {
    let lines = lines(&notice("+odown", "master pod1 10.0.0.1 6379 #quorum 2/2"));
    let mut expected = vec![
        "SADD sentinel:warnings:+odown:pod1:timestamps 1456823107".to_owned(),
        "SADD pods-with-warnings pod1".to_owned(),
        "ZADD warnings:+odown:faillog 1456823107 pod1".to_owned(),
    ];
    for window in ["2016", "2016:3", "2016:3:1", "2016:3:1:9", "2016:3:1:9:5"] {
        expected.push(format!("HINCRBY sentinel:warnings:aggregated {window} 1"));
        expected.push(format!(
            "HINCRBY sentinel:warnings:+odown:pod1:counters {window} 1"
        ));
        expected.push(format!("SADD sentinel:warnings:{window} pod1"));
        expected.push(format!("ZADD sentinel:warnings-by-time:{window} 1456823107 pod1"));
        expected.push(format!("HINCRBY sentinel:warnings:+odown:aggregated {window} 1"));
    }
    expected.push("SADD pods-with-warnings:2016:3:1 pod1".to_owned());
    expected.push("EXPIRE pods-with-warnings:2016:3:1 5184000".to_owned());
    assert_eq!(lines, expected);
}

#[test]
fn what_is_counted_has_commands_and_nothing_else_has() {
    for (event, text) in [
        ("+switch-master", "pod1 10.0.0.1 6379 10.0.0.2 6379"),
        ("+new-epoch", "7"),
        ("+tilt", "#tilt mode entered"),
        (
            "+promoted-slave",
            "slave 10.0.0.2:6379 10.0.0.2 6379 @ pod1 10.0.0.1 6379",
        ),
    ] {
        assert!(
            !counts(event) && lines(&notice(event, text)).is_empty(),
            "{event}"
        );
    }
    for event in [
        "+sdown",
        "-sdown",
        "+odown",
        "-odown",
        "-failover-abort-no-good-slave",
    ] {
        assert!(
            counts(event) && !lines(&notice(event, "master pod1 10.0.0.1 6379")).is_empty(),
            "{event}"
        );
    }
}

#[test]
fn local_time_is_that_of_the_hosts_zone() {
    let time = AT.parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC);
    let offset = time.with_time_zone(TimeZone::fixed(jiff::tz::offset(-11)));
    assert_eq!(Windows::at(&offset).all[4], "2016:2:29:22:5");
}
