//! What scripts are told, and from whom a password is kept.

use std::collections::BTreeMap;

use settings::Parsed;

use super::*;
use crate::config::Config;

/// The hooks, the warnings, and the variables in one line each.
fn read(environment: &[(&str, &str)]) -> (Hooks, Vec<String>, Vec<String>) {
    let mut map = BTreeMap::from([
        ("BIND_IP", "127.0.0.1"),
        ("REDIS_SENTINEL", "/bin/true"),
        ("DATA_DIR", "/tmp"),
    ]);
    map.extend(environment.iter().copied());
    let parsed = Config::read([OsString::from("sentinel-wrapper")], |name| {
        map.get(name).map(OsString::from)
    });
    let Parsed::Run(config, notes) = parsed.unwrap() else {
        panic!("nobody asked for help");
    };
    assert!(!format!("{config:?}").contains("sesame"), "a password is shown");
    let variables = config.hooks.told.variables().into_iter();
    let variables = variables.map(|(name, value)| format!("{}={}", name.display(), value.display()));
    let variables = variables.collect();
    (config.hooks, variables, notes.warnings)
}

const SCRIPT: (&str, &str) = ("NOTIFICATION_SCRIPT", "/bin/true");

#[test]
fn without_scripts_nobody_is_told_anything() {
    let (hooks, told, _) = read(&[("SENTINEL_PASSWORD", "sesame")]);
    assert_eq!((hooks, told), (Hooks::default(), Vec::new()));
}

#[test]
fn scripts_are_told_where_their_sentinel_is() {
    let told = |environment: &[(&str, &str)]| read(&[&[SCRIPT], environment].concat()).1.join(" ");
    let (address, port) = (format!("{ADDRESS}=127.0.0.1"), format!("{PORT}=26379"));
    assert_eq!(told(&[]), format!("{address} {port}"));
    let everywhere = [("BIND_IP", "::"), ("ANNOUNCE_IP", "10.0.0.1"), ("PORT0", "7")];
    assert_eq!(told(&everywhere), format!("{address} {PORT}=7"));
    assert_eq!(
        told(&[("BIND_IP", "127.0.0.2")]),
        format!("{ADDRESS}=127.0.0.2 {port}")
    );
    // What the user says is left as it is, and inherited.
    assert_eq!(told(&[(ADDRESS, "10.0.0.9")]), port);
    assert_eq!(told(&[(ADDRESS, "10.0.0.9"), (PORT, "9")]), "");
    assert_eq!(
        told(&[
            ("NOTIFICATION_SCRIPT", ""),
            ("CLIENT_RECONFIG_SCRIPT", "/bin/true")
        ]),
        format!("{address} {port}")
    );
}

#[test]
fn scripts_learn_the_password_as_we_did() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "sesame").unwrap();
    let file = file.to_str().unwrap();
    let password = |environment: &[(&str, &str)]| {
        let (_, told, warnings) = read(&[&[SCRIPT], environment].concat());
        assert_eq!(warnings, Vec::<String>::new());
        told[2..].join(" ")
    };
    assert_eq!(
        password(&[("SENTINEL_PASSWORD", "sesame")]),
        format!("{PASSWORD}=sesame")
    );
    let by_file = ("SENTINEL_PASSWORD_FILE", file);
    assert_eq!(password(&[by_file]), format!("{PASSWORD_FILE}={file}"));
    for own in [PASSWORD, PASSWORD_FILE] {
        assert_eq!(password(&[by_file, (own, "mine")]), "", "{own}");
    }
}

#[test]
fn scripts_learn_whom_to_trust_where_sentinel_speaks_tls() {
    let dir = tempfile::TempDir::new().unwrap();
    let [ca, cert, key] = ["ca.pem", "own.pem", "own.key"].map(|name| {
        let file = dir.path().join(name);
        std::fs::write(&file, "").unwrap();
        file.to_str().unwrap().to_owned()
    });
    let told = |environment: &[(&str, &str)]| {
        let (_, told, _) = read(&[&[SCRIPT], environment].concat());
        told[2..].join(" ")
    };
    let trust = ("TLS_CA_FILE", ca.as_str());
    let all = [trust, ("TLS_CERT", cert.as_str()), ("TLS_KEY", key.as_str())];
    let of_ca = format!("{CA}={ca}");
    let of_pair = format!("{CERT}={cert} {KEY}={key}");
    assert_eq!(told(&[trust]), of_ca);
    assert_eq!(told(&all), format!("{of_ca} {of_pair}"));
    let with = |own| told(&[&all[..], &[own]].concat());
    assert_eq!(with((CA, "/mine")), of_pair);
    for own in [CERT, KEY] {
        assert_eq!(with((own, "/mine")), of_ca, "half of a pair is of no use: {own}");
    }
    let (hooks, ..) = read(&all);
    assert_eq!(hooks, Hooks::default(), "where there are no scripts");
}

#[test]
fn a_pipe_is_read_only_once() {
    use std::os::fd::AsRawFd;
    let mut echo = std::process::Command::new("echo");
    let mut echo = echo
        .arg("sesame")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = format!("/dev/fd/{}", echo.stdout.as_ref().unwrap().as_raw_fd());
    let (hooks, _, warnings) = read(&[SCRIPT, ("SENTINEL_PASSWORD_FILE", &pipe)]);
    assert_eq!(hooks.told.password, None);
    assert!(
        warnings.len() == 1 && warnings[0].contains(&pipe) && warnings[0].contains(PASSWORD_FILE),
        "{warnings:?}"
    );
    assert!(echo.wait().unwrap().success());
}
