//! Help is the table, and what is no flag is a problem with a name.

use super::*;

fn args(words: &[&str]) -> Vec<OsString> {
    std::iter::once("program")
        .chain(words.iter().copied())
        .map(OsString::from)
        .collect()
}

fn refused(program: Program, words: &[&str]) -> Vec<String> {
    match parse(program, args(words)) {
        CommandLine::Flags(_, problems) => problems.iter().map(ToString::to_string).collect(),
        CommandLine::Unusable(problems) => problems.iter().map(ToString::to_string).collect(),
        CommandLine::Show(text) => panic!("showed {text}"),
    }
}

fn shown(program: Program, word: &str) -> String {
    match parse(program, args(&[word])) {
        CommandLine::Show(text) => text,
        CommandLine::Flags(..) | CommandLine::Unusable(_) => panic!("{word} shows nothing"),
    }
}

#[test]
fn the_commands_are_sound() {
    for program in Program::ALL {
        command(program).debug_assert();
    }
}

#[test]
fn help_explains_every_variable_of_the_program_and_no_other() {
    for program in Program::ALL {
        let help = shown(program, "--help");
        assert_eq!(help, shown(program, "-h"));
        for variable in TABLE {
            let Variable {
                name, who, meaning, ..
            } = variable;
            let env = [format!("[env: {name}]"), format!("[env: {name} ")];
            let explained = env.iter().any(|text| help.contains(text));
            assert_eq!(
                explained,
                who.includes(program),
                "{name} in the help of {program:?}:\n{help}"
            );
            if explained {
                let start: String = meaning.chars().take(30).collect();
                assert!(
                    help.contains(&start) && help.contains(variable.example),
                    "{name}: {help}"
                );
                assert!(
                    variable.flags().iter().all(|flag| help.contains(flag.as_str())),
                    "{name}: {help}"
                );
                let default = format!("[default: {}]", variable.default_text(Some(program)));
                assert!(help.contains(&default), "{name}: no {default} in {help}");
            }
        }
        for part in ["Exit codes:", "64", "Examples:", "Durations:"] {
            assert!(help.contains(part), "{help}");
        }
    }
}

#[test]
fn version_names_the_program() {
    let version = shown(Program::Watcher, "--version");
    assert_eq!(version.trim(), format!("watcher {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn flags_in_both_spellings_and_the_servers_own_arguments() {
    let words = [
        "--zk-hosts",
        "a",
        "--port0=7",
        "--tls-ca-file",
        "/ca",
        "--zk-root",
        "",
        "--",
        "--port0",
        "-x",
    ];
    let CommandLine::Flags(flags, problems) = parse(Program::RedisWrapper, args(&words)) else {
        panic!("not read");
    };
    assert!(problems.is_empty());
    assert_eq!(flags.get("ZK_HOSTS"), Some("a".into()));
    assert_eq!(flags.get("PORT0"), Some("7".into()));
    assert_eq!(flags.get("TLS_CA"), Some("/ca".into()));
    assert_eq!(flags.get("ZK_ROOT"), None, "empty counts as unset");
    assert_eq!(flags.child_args, ["--port0", "-x"]);
}

#[test]
fn every_wrong_argument_is_a_problem_of_its_own() {
    let wrong = refused(
        Program::Watcher,
        &[
            "--zk-host",
            "a",
            "--bogus=1",
            "-x",
            "--port0",
            "1",
            "--port0",
            "2",
            "stray",
            "--zk-root",
            "--",
            "y",
        ],
    );
    let text = wrong.join("\n");
    for part in [
        "--zk-host: is no flag",
        "--zk-hosts is meant?",
        "--bogus:",
        "-x:",
        "--port0: is given more",
        "stray:",
    ] {
        let part = part.replace("--zk-hosts is meant?", "is --zk-hosts meant?");
        assert!(text.contains(&part), "no {part} in\n{text}");
    }
    assert!(
        text.contains("--zk-root: needs a value") && text.contains("y: is an unexpected"),
        "{text}"
    );
    assert_eq!(wrong.len(), 7, "{text}");
}

#[test]
fn a_flag_of_another_program_is_refused() {
    assert_eq!(refused(Program::Watcher, &["--redis-conf", "/x"]).len(), 1);
}

#[test]
fn a_password_on_the_command_line_is_refused_and_never_repeated() {
    for words in [
        &["--redis-password", "hunter2"][..],
        &["--redis-password=hunter2"],
        &["--redis-password", "-hunter2"],
        &["--redis-password", "--hunter2", "--zk-auth=u:hunter2"],
        &["--redis-password=", "hunter2"],
        &["--sentinel-password", "hunter2", "--bogus"],
    ] {
        let text = refused(Program::RedisWrapper, words).join("\n");
        assert!(
            text.contains("password-file") && !text.contains("hunter2"),
            "{words:?}: {text}"
        );
    }
}
