//! What a person types: a call typed wrongly says what one looks like, and a verb mistyped which was meant.

use testkit::Relay;

const TEXT: &str = "master m1 10.0.0.1 6379";
const SEVEN: [&str; 7] = [
    "status", "leader", "start", "10.0.0.1", "6379", "10.0.0.2", "6379",
];

/// How many events are in the spool.
fn waiting(relay: &Relay, mode: &str) -> u64 {
    let status = relay.call("eventilator", &["status", "--json", "--mode", mode]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
    let count = |name: &str| status[0][name].as_u64().unwrap_or(u64::MAX / 2);
    count("unjudged") + count("pending")
}

#[test]
fn a_command_line_is_no_event_and_an_event_no_command_line() {
    let relay = Relay::new();
    let table: [(&str, &[&str], i32, &str); 12] = [
        ("eventilator", &["stauts"], 64, "'status'"),
        ("eventilator", &["stauts", "--json"], 64, "'status'"),
        ("reconfigurator", &["drian"], 64, "'drain'"),
        ("eventilator", &["odown", TEXT], 2, "eventilator +odown \"master"),
        ("eventilator", &["notify", "odown", TEXT], 2, "begin with + or -"),
        ("eventilator", &["+odown"], 2, "gets two"),
        ("reconfigurator", &["status", "leader"], 64, "'leader'"),
        ("reconfigurator", &["m1", "leader"], 2, "gets seven"),
        ("reconfigurator", &["--json", "status"], 0, ""),
        ("eventilator", &["--mode=eventilator", "status"], 0, ""),
        ("eventilator", &["--config=/dev/null", "--check"], 0, ""),
        (
            "eventilator",
            &["--mode", "eventilator"],
            64,
            "nothing is asked for",
        ),
    ];
    for (name, arguments, code, told) in table {
        let output = relay.call(name, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name} {arguments:?}: {said}");
        assert!(said.contains(told), "{name} {arguments:?}: {said}");
    }
    // None of these left an event behind.
    assert_eq!(
        (waiting(&relay, "eventilator"), waiting(&relay, "reconfigurator")),
        (0, 0)
    );
}

/// Its name is the group's own business.
#[test]
fn a_group_may_have_a_verbs_name() {
    // So that it waits: nobody is there to count it.
    let relay = Relay::new().env("RECONFIGURATOR_REDIS_PORT", testkit::ports::free().to_string());
    let output = relay.call("reconfigurator", &SEVEN);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(waiting(&relay, "reconfigurator"), 1);
}
