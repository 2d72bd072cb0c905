//! The arguments after `--`, as lines of a configuration file.
//!
//! redis-server joins its arguments into such lines too (`main` in server.c, as of 7.0.1) and reads them after its file.
//! Which argument begins a setting differs between its versions, `"--port 1"` in one argument is a whole line, and
//! `--include` brings more. So it gets none: the lines go into the generated file, before the wrapper's own, which win.
//! A password among them is not in the list of processes either. redis-sentinel is the same program, and reads them so too.

use crate::conf_file::{quote, split_words};

/// An argument that cannot be a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// A value before any name.
    #[error(
        "argument {0} after -- belongs to no setting; write --name value, and name a file of settings in REDIS_CONF or SENTINEL_CONF"
    )]
    NoName(usize),
    /// `-`: settings from standard input.
    #[error(
        "argument {0} after -- is `-`, but there is no standard input here; write a file and name it in REDIS_CONF or SENTINEL_CONF"
    )]
    StandardInput(usize),
    /// `--sentinel`.
    #[error("argument {0} after -- is `--sentinel`; a Sentinel is started by sentinel-wrapper")]
    Sentinel(usize),
}

/// The lines that the arguments of a redis-server stand for.
pub fn as_lines(args: &[String]) -> Result<String, ArgumentError> {
    joined(args, Server::Redis)
}

/// The lines that the arguments of a redis-sentinel stand for. `--sentinel` with nothing behind it is none: a
/// redis-sentinel is one without being told.
pub fn as_sentinel_lines(args: &[String]) -> Result<String, ArgumentError> {
    joined(args, Server::Sentinel)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Redis,
    Sentinel,
}

fn joined(args: &[String], server: Server) -> Result<String, ArgumentError> {
    let mut lines = String::new();
    // Whether the last name has got a value, so that another name may follow.
    let mut complete = true;
    for (index, arg) in args.iter().enumerate() {
        let next_is_name = args.get(index + 1).is_none_or(|next| next.starts_with("--"));
        match arg.strip_prefix("--").filter(|_| complete) {
            Some("sentinel") if server == Server::Redis => return Err(ArgumentError::Sentinel(index + 1)),
            Some("sentinel") if next_is_name => {}
            Some(setting) => {
                if !lines.is_empty() {
                    lines.push('\n');
                }
                lines.push_str(setting);
                complete = split_words(arg).is_none_or(|words| words.len() != 1);
                // Redis makes this exception for scripts that write `--save` with nothing behind it.
                if arg.eq_ignore_ascii_case("--save") && next_is_name {
                    lines.push_str(" \"\"");
                    complete = true;
                }
            }
            None if arg == "-" && index + 1 == args.len() => {
                return Err(ArgumentError::StandardInput(index + 1));
            }
            None if lines.is_empty() => return Err(ArgumentError::NoName(index + 1)),
            None => {
                lines.push(' ');
                lines.push_str(&quote(arg));
                complete = true;
            }
        }
    }
    if !lines.is_empty() {
        lines.push('\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_joined_as_redis_joins_them() {
        let table: &[(&[&str], Result<&str, ArgumentError>)] = &[
            (&[], Ok("")),
            (
                &["--maxmemory", "1gb", "--bind", "0.0.0.0", "::1"],
                Ok("maxmemory 1gb\nbind 0.0.0.0 ::1\n"),
            ),
            (
                &["--port 1", "--dir", "/my data"],
                Ok("port 1\ndir \"/my data\"\n"),
            ),
            (&["--port 1\nbind *"], Ok("port 1\nbind *\n")),
            (
                &["--requirepass", "--looks-like-a-name"],
                Ok("requirepass --looks-like-a-name\n"),
            ),
            (
                &["--save", "--appendonly", "no"],
                Ok("save \"\"\nappendonly no\n"),
            ),
            (&["--save"], Ok("save \"\"\n")),
            (
                &["--save", "", "--include", "file"],
                Ok("save \"\"\ninclude file\n"),
            ),
            (&["my.conf"], Err(ArgumentError::NoName(1))),
            (&["--port", "1", "-"], Err(ArgumentError::StandardInput(3))),
            (
                &["--appendonly", "no", "--sentinel"],
                Err(ArgumentError::Sentinel(3)),
            ),
        ];
        for (args, expected) in table {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(as_lines(&args), expected.clone().map(str::to_owned), "{args:?}");
        }
    }
    #[test]
    fn a_sentinel_is_told_of_groups_by_arguments_too() {
        let args =
            |args: &[&str]| as_sentinel_lines(&args.iter().map(ToString::to_string).collect::<Vec<_>>());
        let table: &[(&[&str], &str)] = &[
            (
                &[
                    "--sentinel",
                    "monitor",
                    "other",
                    "10.1.1.1",
                    "1",
                    "1",
                    "--sentinel myid x",
                ],
                "sentinel monitor other 10.1.1.1 1 1\nsentinel myid x\n",
            ),
            (&["--sentinel", "--port", "1"], "port 1\n"),
            (&["--port 1", "--sentinel"], "port 1\n"),
        ];
        for (given, expected) in table {
            assert_eq!(args(given).as_deref(), Ok(*expected), "{given:?}");
        }
        assert_eq!(args(&["x"]), Err(ArgumentError::NoName(1)));
    }
}
