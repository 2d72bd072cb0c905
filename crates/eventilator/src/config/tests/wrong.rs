//! What is wrong, and what is said of it: where, what, and what to write instead.

use super::*;

#[test]
fn each_mistake_names_its_place_and_a_way_out() {
    let cases = [
        ("RedisPort = 70000", &["RedisPort", "70000", "6379"][..]),
        ("RedisPort = \"none\"", &["RedisPort", "none", "6379"]),
        ("RedisPort = 0", &["RedisAddress", "0"]),
        ("RedisAddress = \"no host\"", &["RedisAddress", "no host"]),
        ("RedisEnabled = \"maybe\"", &["RedisEnabled", "maybe", "true"]),
        ("RedisAddress = [\"a\", \"b\"]", &["RedisAddress", "one value"]),
        ("RedisAddress = 1979-05-27", &["RedisAddress", "datetime"]),
        (
            "[Slack]\nEnabled = true\nChannel = { name = \"a\" }",
            &["[Slack] Channel", "table"],
        ),
        ("Timeout = 5", &["Timeout", "`5`", "10s"]),
        ("Timeout = \"1h\"", &["Timeout", "1h", "5m"]),
        ("StorePatience = \"-1s\"", &["StorePatience"]),
        ("UTC = 2", &["UTC"]),
        ("Slack = true", &["Slack", "[Slack]"]),
        ("Slack = [1]", &["Slack", "[Slack]"]),
        ("[Spool]\nMaxEvents = -1", &["[Spool] MaxEvents"]),
        ("[Spool]\nMaxAge = \"1s\"", &["[Spool] MaxAge", "1m"]),
        ("[Sentinel]\nAddress = \"a b\"", &["[Sentinel] Address"]),
        ("[Sentinel]\nPort = 0", &["[Sentinel]", "0"]),
        ("[Slack]\nEnabled = true", &["[Slack]", "Token", "WebhookURL"]),
        ("[Slack]\nEnabled = \"maybe\"", &["[Slack] Enabled", "maybe"]),
        (
            "[SensuJIT]\nEnabled = true\nPort = 0",
            &["[SensuJIT] Port", "3030"],
        ),
        (
            "[SensuJIT]\nEnabled = true\nTriggerOn = [[1]]",
            &["[SensuJIT] TriggerOn"],
        ),
        ("[HTTP]\nEnabled = true", &["[HTTP]", "URL"]),
        (
            "[HTTP]\nURL = \"http://a/\"\nMethod = \"GET\"",
            &["[HTTP] Method", "GET", "PUT"],
        ),
        (
            "[Syslog]\nEnabled = true\nFacility = \"kitchen\"",
            &["[Syslog] Facility", "kitchen", "daemon"],
        ),
        ("[Syslog]\nEnabled = true\nTCP = true", &["[Syslog]", "Address"]),
        ("[Exec]\nEnabled = true", &["[Exec]", "Command"]),
        (
            "[Exec]\nCommand = \"page-somebody\"",
            &["[Exec]", "page-somebody", "whole path"],
        ),
    ];
    for (text, words) in cases {
        let lines = problems(text);
        for word in words {
            assert_told(&lines, word);
        }
        // The file is named, too.
        assert_told(&lines, "eventilator.conf: ");
    }
}

#[test]
fn all_is_told_at_once() {
    let lines =
        problems("RedisPort = \"x\"\nTimeout = \"y\"\n[Slack]\nEnabled = true\n[Exec]\nCommand = \"z\"\n");
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

#[test]
fn a_variable_that_is_wrong_is_named_and_the_file_is_not() {
    let env = [
        ("EVENTILATOR_REDIS_PORT", "x"),
        ("EVENTILATOR_SLACK_ENABLED", "perhaps"),
    ];
    let Problems(lines) = read_with(Mode::Eventilator, "", &env).unwrap_err();
    assert!(
        lines.iter().all(|line| line.starts_with("EVENTILATOR_")),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn two_receivers_of_one_name_are_refused() {
    let two = "[[HTTP]]\nURL = \"http://a/\"\n[[HTTP]]\nURL = \"http://b/\"\n";
    assert_told(&problems(two), "two receivers are called http;");
    let two = "[[Exec]]\nName = \"a\"\nCommand = \"/a\"\n[[Exec]]\nName = \"a\"\nCommand = \"/b\"\n";
    assert_told(&problems(two), "exec:a");
    // Not where one is off, or is of another kind.
    let one = "[[HTTP]]\nURL = \"http://a/\"\n[[HTTP]]\nEnabled = false\nURL = \"http://b/\"\n[Exec]\nName = \"http\"\nCommand = \"/a\"\n";
    assert_eq!(plain(one).http.len(), 1);
}

#[test]
fn what_is_no_toml_is_told_by_its_line() {
    let lines = problems("RedisPort = 1\n[Slack\n");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_told(&lines, "line 2 is no TOML");
    for text in [
        "=",
        "a = ",
        "a = 'b",
        "a = 1\na = 2",
        "[a]\n[a]",
        "\u{0}",
        "a = \"\\x\"",
    ] {
        assert_eq!(problems(text).len(), 1, "{text:?}");
    }
}

#[test]
fn a_file_that_is_there_and_cannot_be_read_is_a_problem() {
    let told = |path: &Path| read(Mode::Eventilator, Some(path), &|_| None).unwrap_err().0;
    let file = File::new([b"# A\n# Stra\xdfe\n".as_slice(), b"RedisPort = 1\n"].concat());
    assert_told(&told(&file.path), "line 2 is not UTF-8");
    assert_told(&told(file.dir.path()), "cannot be read");
    assert_told(
        &told(Path::new("/nowhere/eventilator.conf")),
        "/nowhere/eventilator.conf: it cannot be read",
    );
    assert_told(&told(Path::new("/dev/zero")), "larger than 1 MiB");
    let large = File::new(vec![b'\n'; 1024 * 1024 + 1]);
    assert_told(&told(&large.path), "larger than 1 MiB");
}

#[test]
fn who_writes_to_a_sentinel_by_hand_is_told_the_same() {
    let env = |name: &str| (name == "EVENTILATOR_SENTINEL_PASSWORD_FILE").then(|| "/nowhere".to_owned());
    assert_told(
        &sentinel_login(&env).unwrap_err().0,
        "EVENTILATOR_SENTINEL_PASSWORD_FILE",
    );
    let env = |name: &str| (name == "EVENTILATOR_SENTINEL_USER").then(|| "me".to_owned());
    assert_eq!(sentinel_login(&env), Ok((Some("me".to_owned()), None)));
}
