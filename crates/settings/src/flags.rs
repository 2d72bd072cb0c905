//! The command line: a flag for each variable, made from the table at start. Nothing here reads the environment.
//!
//! clap stops at the first argument it does not know. To report them all, each such argument is recorded, taken away,
//! and the rest parsed again.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, value_parser};

use crate::problem::{Problem, Problems};
use crate::vars::{Kind, Program, TABLE, Variable, flag};

const CHILD_ARGS: &str = "child_args";

/// The flags that were given, by variable name (`ZK_HOSTS`, `REDIS_PASSWORD_FILE`).
#[derive(Default)]
pub(crate) struct Flags {
    values: BTreeMap<String, OsString>,
    pub(crate) child_args: Vec<OsString>,
}

impl Flags {
    /// A flag's value; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        self.values.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// What the command line comes to.
pub(crate) enum CommandLine {
    /// Help or version.
    Show(String),
    /// The flags, and what is wrong with the others.
    Flags(Flags, Vec<Problem>),
    /// So wrong that the rest cannot be told.
    Unusable(Problems),
}

/// Reads a command line that begins with the program's name.
pub(crate) fn parse(program: Program, args: impl IntoIterator<Item = OsString>) -> CommandLine {
    let mut args: Vec<OsString> = args.into_iter().skip(1).collect();
    let mut problems = Vec::new();
    loop {
        let error = match command(program).try_get_matches_from(&args) {
            Ok(matches) => return CommandLine::Flags(collect(program, &matches), problems),
            Err(error) => error,
        };
        let asks = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if asks && problems.is_empty() {
            return CommandLine::Show(error.render().to_string());
        }
        let argument = match error.get(ContextKind::InvalidArg) {
            // `--zk-hosts <ZK_HOSTS>` where clap knows the argument, else what was written.
            Some(ContextValue::String(text)) => text.split(" <").next().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        if !asks {
            problems.push(problem(&error, &argument));
        }
        // Without knowing which argument to take away, further problems would be guesses.
        if asks || !take_away(&mut args, &argument) {
            return match Problems::new(problems) {
                Some(problems) => CommandLine::Unusable(problems),
                None => CommandLine::Show(error.render().to_string()),
            };
        }
    }
}

/// The secret whose value somebody tried to give by this flag.
fn secret_named(argument: &str) -> Option<&'static Variable> {
    TABLE
        .iter()
        .find(|variable| variable.kind == Kind::Secret && flag(variable.name) == argument)
}

fn problem(error: &clap::Error, argument: &str) -> Problem {
    // Only what stands before `=`: what follows may be somebody's password.
    let shown = argument.split('=').next().unwrap_or_default();
    if let Some(secret) = secret_named(shown) {
        let name = secret.name;
        let text = format!(
            "is no flag, as every user of the host could read it; set {name} in the environment, or use {}-file",
            flag(name)
        );
        return Problem::new(shown, text);
    }
    let text = if error.kind() == ErrorKind::InvalidValue {
        "needs a value".to_owned()
    } else if error.kind() == ErrorKind::ArgumentConflict {
        "is given more than once; keep one".to_owned()
    } else if !shown.starts_with('-') {
        "is an unexpected argument; settings are flags, and a server's own arguments follow after --"
            .to_owned()
    } else if let Some(ContextValue::String(other)) = error.get(ContextKind::SuggestedArg) {
        format!("is no flag of this program; is {other} meant?")
    } else {
        "is no flag of this program; see --help".to_owned()
    };
    Problem::new(if shown.is_empty() { "command line" } else { shown }, text)
}

/// Removes the first such argument, and its value. False when it is not there.
fn take_away(args: &mut Vec<OsString>, argument: &str) -> bool {
    let is_it = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        arg == argument || arg.split_once('=').is_some_and(|(flag, _)| flag == argument)
    };
    let Some(at) = args.iter().position(is_it) else {
        return false;
    };
    let removed = args.remove(at);
    let removed = removed.to_string_lossy();
    let bare = removed.starts_with("--") && !removed.contains('=');
    let is_value = |next: &OsString| !next.to_string_lossy().starts_with('-');
    let takes_next = bare && args.get(at).is_some_and(is_value);
    // A password may begin with a dash, and must not be read as a flag then.
    if takes_next || (secret_named(removed.trim_end_matches('=')).is_some() && at < args.len()) {
        args.remove(at);
    }
    true
}

fn collect(program: Program, matches: &clap::ArgMatches) -> Flags {
    let mut flags = Flags::default();
    let offered = TABLE.iter().filter(|variable| variable.who.includes(program));
    for id in offered.flat_map(ids) {
        if let Some(value) = matches.get_one::<OsString>(&id) {
            flags.values.insert(id, value.clone());
        }
    }
    if program.child().is_some() {
        let rest = matches.get_many::<OsString>(CHILD_ARGS);
        flags.child_args = rest.map(|rest| rest.cloned().collect()).unwrap_or_default();
    }
    flags
}

/// The names under which a variable's flags are known: `X`, `X_FILE`, or both.
fn ids(variable: &Variable) -> Vec<String> {
    let name = variable.name.to_owned();
    match (variable.kind, variable.file_name()) {
        (Kind::PlainOrFile, Some(file)) => vec![name, file],
        (Kind::Secret, Some(file)) => vec![file],
        (Kind::Plain | Kind::File | Kind::PlainOrFile | Kind::Secret, _) => vec![name],
    }
}

/// The command of `program`, for parsing and for help.
pub(crate) fn command(program: Program) -> Command {
    let mut command = Command::new(program.name())
        .version(env!("CARGO_PKG_VERSION"))
        .about(about(program))
        .no_binary_name(true)
        .next_line_help(true)
        .max_term_width(110)
        .override_usage(usage(program))
        .after_help(after_help(program));
    for variable in TABLE.iter().filter(|variable| variable.who.includes(program)) {
        for id in ids(variable) {
            command = command.arg(arg(program, variable, id));
        }
    }
    match program.child() {
        Some(child) => command.arg(
            Arg::new(CHILD_ARGS)
                .value_name("ARGUMENT")
                .last(true)
                .num_args(0..)
                .value_parser(value_parser!(OsString))
                .help(format!("arguments for {child}, after --")),
        ),
        None => command,
    }
}

fn arg(program: Program, variable: &Variable, id: String) -> Arg {
    let long = flag(&id).trim_start_matches('-').to_owned();
    let in_file = variable.kind != Kind::File && variable.file_name().as_ref() == Some(&id);
    let help = if in_file && variable.kind == Kind::PlainOrFile {
        format!("file that holds {} on one line\n[env: {id}]", variable.name)
    } else {
        help(program, variable)
    };
    let arg = Arg::new(id.clone())
        .long(long.clone())
        .value_name(if in_file { "FILE".to_owned() } else { id })
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Set)
        .help(help);
    match variable.kind {
        Kind::File => arg.visible_alias(format!("{long}-file")),
        Kind::Plain | Kind::PlainOrFile | Kind::Secret => arg,
    }
}

fn help(program: Program, variable: &Variable) -> String {
    let Variable {
        name,
        meaning,
        example,
        ..
    } = variable;
    let default = variable.default_text(Some(program));
    match variable.kind {
        Kind::Plain | Kind::PlainOrFile => {
            format!("{meaning}\n[env: {name}] [default: {default}] [example: {example}]")
        }
        Kind::Secret => {
            let path = name.to_ascii_lowercase().replace('_', "-");
            format!(
                "file that holds it on one line: {meaning}\n[env: {name} (the value, such as {example}) or \
                 {name}_FILE] [default: {default}] [example: /run/secrets/{path}]"
            )
        }
        Kind::File => {
            format!("{meaning}\n[env: {name} or {name}_FILE] [default: {default}] [example: {example}]")
        }
    }
}

fn about(program: Program) -> &'static str {
    match program {
        Program::RedisWrapper => {
            "Starts one redis-server in the role the group agreed on in ZooKeeper, and keeps it registered there."
        }
        Program::SentinelWrapper => {
            "Starts one redis-sentinel that monitors the group's master, and keeps it registered in ZooKeeper."
        }
        Program::Watcher => {
            "Follows the Sentinels of one or several groups, records the master in ZooKeeper, and tells HAProxy, Consul, webhooks, \
             commands and whoever asks over HTTP."
        }
    }
}

fn usage(program: Program) -> String {
    let name = program.name();
    match program.child() {
        Some(child) => format!("{name} [OPTIONS] [-- <{child} arguments>...]"),
        None => format!("{name} [OPTIONS]"),
    }
}

fn after_help(program: Program) -> String {
    let zookeeper = "zk1:2181,zk2:2181,zk3:2181";
    let name = program.name();
    let rest = match program {
        Program::RedisWrapper => "--net-iface eth0 --data-dir /var/lib/redis -- --maxmemory 1gb",
        Program::SentinelWrapper => "--net-iface eth0 --sentinel-quorum 2",
        Program::Watcher => "--port0 8080 --haproxy-socket /run/haproxy/admin.sock",
    };
    let child = match program.child() {
        Some(child) => format!(
            "  1    gave up waiting\n  n    {child} ended by itself with n; 128 + n: signal n ended it\n"
        ),
        None => String::new(),
    };
    format!(
        "A flag wins over the environment, that over X_FILE, that over the default; empty counts as unset.\n\
         Durations: 2s, 1500ms, or a number of seconds below 100.\n\n\
         Examples:\n  {name} --zk-hosts {zookeeper} --master-name sessions {rest}\n  \
         ZK_HOSTS={zookeeper} MASTER_NAME=sessions {name}\n\n\
         Exit codes:\n  0    stopped as asked\n{child}\
         \x20 64   a problem with the settings; a restart changes nothing\n  \
         69   something needed is not available\n  \
         70   a fault of this program\n  \
         73   a file cannot be created\n"
    )
}

#[cfg(test)]
mod tests;
