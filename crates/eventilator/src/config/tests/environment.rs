//! The environment over the file, and secrets.

use super::*;

type Env<'a> = &'a [(&'a str, &'a str)];

const SLACK: &str = "[Slack]\nEnabled = true\n";

fn token(mode: Mode, text: &str, env: &[(&str, &str)]) -> (String, Vec<String>) {
    let read = read_with(mode, text, env).unwrap();
    let token = read.config.slack[0].token.as_ref().unwrap().reveal().to_owned();
    (token, read.warnings)
}

#[test]
fn a_variable_wins_over_the_file() {
    let env = [
        ("EVENTILATOR_REDIS_ENABLED", "yes"),
        ("EVENTILATOR_REDIS_ADDRESS", "10.0.0.9"),
        ("EVENTILATOR_REDIS_PORT", "6380"),
        ("EVENTILATOR_REDIS_AUTH", "hush"),
        ("EVENTILATOR_UTC", "1"),
        ("EVENTILATOR_LOG_FILE", "/dev/stderr"),
        ("EVENTILATOR_SPOOL_DIRECTORY", "/var/spool/x"),
        ("EVENTILATOR_SENTINEL_ADDRESS", "10.0.0.7"),
        ("EVENTILATOR_SENTINEL_PORT", "5000"),
        ("EVENTILATOR_SENSUJIT_ENABLED", "true"),
        ("EVENTILATOR_SENSUJIT_IP", "10.0.0.8"),
        ("EVENTILATOR_SENSUJIT_TRIGGER_ON", "+odown, -odown\t+sdown"),
        ("EVENTILATOR_HTTP_URL", "https://alerts.example/"),
        // As if it were not there.
        ("EVENTILATOR_TIMEOUT", ""),
    ];
    let text = "RedisEnabled = false\nRedisPort = 1\nTimeout = \"3s\"\n[SensuJIT]\nIP = \"127.0.0.1\"\n";
    let read = read_with(Mode::Eventilator, text, &env).unwrap();
    assert_eq!(read.warnings, Vec::<String>::new());
    let config = read.config;
    let store = config.store.unwrap();
    assert_eq!(
        (store.addr.to_string().as_str(), store.clock),
        ("10.0.0.9:6380", Clock::Utc)
    );
    assert_eq!(store.password.unwrap().reveal(), "hush");
    assert_eq!(config.log, PathBuf::from("/dev/stderr"));
    assert_eq!(config.spool, PathBuf::from("/var/spool/x/eventilator.db"));
    assert_eq!(config.sentinel.addr.unwrap().to_string(), "10.0.0.7:5000");
    let sensu = &config.sensu[0];
    assert_eq!(
        (sensu.ip.as_str(), &sensu.trigger),
        ("10.0.0.8", &on(&["+odown", "-odown", "+sdown"]))
    );
    assert_eq!(config.http[0].timeout, Duration::from_secs(3));
}

#[test]
fn a_reconfigurator_hears_its_own_variables_first() {
    let env = [
        ("RECONFIGURATOR_REDIS_PORT", "1111"),
        ("EVENTILATOR_REDIS_PORT", "2222"),
        ("EVENTILATOR_REDIS_ADDRESS", "10.0.0.9"),
    ];
    let addr = |mode| {
        let text = "RedisEnabled = true";
        read_with(mode, text, &env)
            .unwrap()
            .config
            .store
            .unwrap()
            .addr
            .to_string()
    };
    assert_eq!(addr(Mode::Reconfigurator), "10.0.0.9:1111");
    assert_eq!(addr(Mode::Eventilator), "10.0.0.9:2222");
}

/// Sentinel hands both scripts one environment, so what is in it for eventilator must not undo what the reconfigurator's file says.
#[test]
fn a_reconfigurators_file_wins_over_variables_meant_for_eventilator() {
    let (own, other) = (
        ("RECONFIGURATOR_REDIS_PORT", "1111"),
        ("EVENTILATOR_REDIS_PORT", "2222"),
    );
    let table: [(&str, Env<'_>, u16, u16); 5] = [
        ("RedisPort = 3333", &[own, other], 1111, 2222),
        ("RedisPort = 3333", &[other], 3333, 2222),
        ("RedisPort = 3333", &[], 3333, 3333),
        ("", &[other], 2222, 2222),
        ("RedisPort = \"\"", &[other], 2222, 2222),
    ];
    for (text, env, reconfigurator, eventilator) in table {
        let text = format!("RedisEnabled = true\n{text}\n");
        let port = |mode| {
            read_with(mode, &text, env)
                .unwrap()
                .config
                .store
                .unwrap()
                .addr
                .port()
        };
        assert_eq!(port(Mode::Reconfigurator), reconfigurator, "{text} {env:?}");
        assert_eq!(port(Mode::Eventilator), eventilator, "{text} {env:?}");
    }

    // A secret is said by two keys, and still by one speaker.
    let file = File::new("");
    let path = file.beside("token", "of-file");
    let in_file = format!("{SLACK}TokenFile = {path:?}\n");
    let itself = [("EVENTILATOR_SLACK_TOKEN", "of-eventilator")];
    assert_eq!(
        token(Mode::Reconfigurator, &in_file, &itself),
        ("of-file".to_owned(), vec![])
    );
    assert_eq!(token(Mode::Eventilator, &in_file, &itself).0, "of-eventilator");
    let in_file = format!("{SLACK}Token = \"of-table\"\n");
    let named = [("EVENTILATOR_SLACK_TOKEN_FILE", path.as_str())];
    assert_eq!(
        token(Mode::Reconfigurator, &in_file, &named),
        ("of-table".to_owned(), vec![])
    );
    let both = [("EVENTILATOR_SLACK_TOKEN", "of-eventilator"), named[0]];
    assert_eq!(token(Mode::Reconfigurator, SLACK, &both).0, "of-eventilator");
}

#[test]
fn only_the_first_of_several_tables_hears_the_environment() {
    let text = "[[HTTP]]\nName = \"a\"\nURL = \"http://a/\"\n[[HTTP]]\nName = \"b\"\nURL = \"http://b/\"\n";
    let read = read_with(Mode::Eventilator, text, &[("EVENTILATOR_HTTP_METHOD", "PUT")]).unwrap();
    let methods: Vec<_> = read.config.http.iter().map(|http| http.method).collect();
    assert_eq!(methods, [Method::Put, Method::Post]);
}

#[test]
fn a_file_can_be_named_by_a_variable_of_the_scripts_own() {
    let file = File::new("RedisPort = 1111\n");
    let path = file.path.display().to_string();
    let port = |mode, name: &str| {
        let read = read(mode, None, &|asked| match asked {
            "EVENTILATOR_REDIS_ENABLED" => Some("1".to_owned()),
            asked => (asked == name).then(|| path.clone()),
        });
        read.unwrap().config.store.unwrap().addr.port()
    };
    assert_eq!(port(Mode::Eventilator, "EVENTILATOR_CONFIG"), 1111);
    assert_eq!(port(Mode::Reconfigurator, "RECONFIGURATOR_CONFIG"), 1111);
    assert_eq!(port(Mode::Reconfigurator, "EVENTILATOR_CONFIG"), 6379);
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let file = File::new("");
    let path = file.beside("token", "xoxb-of-file\n");
    let in_table = format!("{SLACK}TokenFile = {path:?}\n");
    assert_eq!(token(Mode::Eventilator, &in_table, &[]).0, "xoxb-of-file");
    for (mode, name) in [
        (Mode::Eventilator, "EVENTILATOR_SLACK_TOKEN_FILE"),
        (Mode::Reconfigurator, "EVENTILATOR_SLACK_TOKEN_FILE"),
        (Mode::Reconfigurator, "RECONFIGURATOR_SLACK_TOKEN_FILE"),
    ] {
        assert_eq!(token(mode, SLACK, &[(name, &path)]).0, "xoxb-of-file", "{name}");
    }
    let env = [("EVENTILATOR_SENTINEL_PASSWORD_FILE", path.as_str())];
    let read = read_with(Mode::Eventilator, "", &env).unwrap();
    assert_eq!(read.config.sentinel.password.unwrap().reveal(), "xoxb-of-file");
}

/// Of two that are given: the environment's; in one place the secret itself.
#[test]
fn one_secret_of_several_is_heard_and_the_other_named() {
    let file = File::new("");
    let path = file.beside("token", "of-file");
    let both = format!("{SLACK}Token = \"of-table\"\nTokenFile = {path:?}\n");
    let only = format!("{SLACK}Token = \"of-table\"\n");
    let (value, named) = (
        ("EVENTILATOR_SLACK_TOKEN", "of-env"),
        ("EVENTILATOR_SLACK_TOKEN_FILE", path.as_str()),
    );
    let cases: [(&str, Env<'_>, &str, usize); 5] = [
        (&both, &[], "of-table", 1),
        (&both, &[value], "of-env", 1),
        (&only, &[named], "of-file", 1),
        (&only, &[value], "of-env", 0),
        (SLACK, &[value, named], "of-env", 1),
    ];
    for (text, env, expected, warned) in cases {
        let (token, warnings) = token(Mode::Eventilator, text, env);
        assert_eq!(
            (token.as_str(), warnings.len()),
            (expected, warned),
            "{text} {env:?} {warnings:?}"
        );
    }
}

#[test]
fn a_secrets_file_that_cannot_be_read_or_is_empty_is_a_problem() {
    let file = File::new("");
    let empty = file.beside("empty", "\n");
    for (path, why) in [
        ("/nowhere/token", "cannot be read"),
        (empty.as_str(), "is empty"),
        ("/", "cannot be read"),
    ] {
        let env = [("EVENTILATOR_SLACK_TOKEN_FILE", path)];
        let Problems(lines) = read_with(Mode::Eventilator, SLACK, &env).unwrap_err();
        assert_told(&lines, why);
        assert_told(&lines, "EVENTILATOR_SLACK_TOKEN_FILE");
    }
}

#[test]
fn no_secret_is_shown() {
    let text = r#"
        RedisEnabled = true
        RedisAuth = "hush-redis"
        [Sentinel]
        Password = "hush-sentinel"
        [Slack]
        Enabled = true
        Token = "hush-token"
        WebhookURL = "https://hooks.example/hush-hook"
        [HTTP]
        URL = "https://user:hush-user@alerts.example/hush-path"
        Token = "hush-bearer"
        Secret = "hush-key"
    "#;
    let read = read_with(Mode::Eventilator, text, &[]).unwrap();
    let shown = format!("{read:?}");
    assert!(!shown.contains("hush"), "{shown}");
    // Nor in what is said of a file that is wrong, wherever it is wrong.
    let wrong = [
        format!("{text}\nEnabled = maybe"),
        text.replace("\"hush-token\"", "\"hush-token"),
        text.replace("\"hush-token\"", "hush-token"),
        text.replace("\"hush-token\"", "[\"hush-token\"]"),
        text.replace("\"hush-token\"", "{ a = \"hush-token\" }"),
        text.replace("\"hush-token\"", "\"hush-token\" \"hush\""),
        text.replace(
            "Token = \"hush-bearer\"",
            "Token = \"hush-bearer\"\nToken = \"hush-again\"",
        ),
        text.replace(
            "Token = \"hush-bearer\"",
            "Token = \"hush-bearer\"\ntoken = \"hush-again\"",
        ),
        text.replace("Token = \"hush-bearer\"", "Token = \"hush-bearer\\q\""),
        text.replace("RedisAuth", "RedisAuth hush-key"),
    ];
    for text in wrong {
        let told = read_with(Mode::Eventilator, &text, &[]).unwrap_err();
        assert!(!format!("{told} {told:?}").contains("hush"), "{text}: {told}");
    }
}

#[test]
fn a_file_with_a_secret_that_everybody_may_read_is_a_warning() {
    let warned = |text: &str, mode| {
        let file = File::new(text);
        std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(mode)).unwrap();
        let read = read(Mode::Eventilator, Some(&file.path), &|_| None).unwrap();
        read.warnings
            .iter()
            .any(|line| line.contains("everybody may read it"))
    };
    let secret = "[Slack]\nToken = \"xoxb-1\"\n";
    assert!(warned(secret, 0o644));
    assert!(!warned(secret, 0o640));
    // Neither an empty one nor the name of a file is a secret.
    assert!(!warned("RedisAuth = \"\"\n[Slack]\nToken = \"\"\n", 0o644));
    let file = File::new("");
    let path = file.beside("token", "xoxb-1");
    assert!(!warned(&format!("[Slack]\nTokenFile = {path:?}\n"), 0o644));
}

#[test]
fn a_sentinel_with_tls_needs_an_authority_and_both_or_neither_of_ours() {
    let files = |ca: &str, pair: Option<(&str, &str)>| {
        Some(instance::TlsFiles {
            ca: ca.into(),
            cert: pair.map(|(cert, _)| cert.into()),
            key: pair.map(|(_, key)| key.into()),
        })
    };
    let table = [
        ("", Ok(None)),
        ("CA = \"/ca\"", Ok(files("/ca", None))),
        (
            "CA = \"/ca\"\nCert = \"/c\"\nKey = \"/k\"",
            Ok(files("/ca", Some(("/c", "/k")))),
        ),
        ("Cert = \"/c\"\nKey = \"/k\"", Err("CA")),
        ("Key = \"/k\"", Err("CA")),
        ("CA = \"/ca\"\nCert = \"/c\"", Err("no Key")),
        ("CA = \"/ca\"\nKey = \"/k\"", Err("no Cert")),
    ];
    for (text, expected) in table {
        let read = read_with(Mode::Eventilator, &format!("[Sentinel]\n{text}\n"), &[]);
        match expected {
            Ok(tls) => assert_eq!(read.unwrap().config.sentinel.tls, tls, "{text}"),
            Err(told) => assert_told(&read.unwrap_err().0, told),
        }
    }
    let env = [
        ("EVENTILATOR_SENTINEL_CA", "/ca"),
        ("EVENTILATOR_SENTINEL_CERT", "/c"),
        ("EVENTILATOR_SENTINEL_KEY", "/k"),
    ];
    let read = read_with(Mode::Reconfigurator, "", &env).unwrap();
    assert_eq!(read.config.sentinel.tls, files("/ca", Some(("/c", "/k"))));
}
