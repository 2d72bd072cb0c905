//! redishappy's command line, as Go's `flag` reads one: `-config x`, `--config x`, `-config=x`, the last one counts.
//!
//! Everything else is left for our own flags, so that `--log-format json` works beside `-config`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use ::settings::Problem;

/// Which front is kept in step, by the name that the program is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// `redis-haproxy`: HAProxy, whatever else the file has.
    HaProxy,
    /// `redis-consul`: Consul, whatever else the file has.
    Consul,
    /// `noop`: none.
    None,
    /// Any other name: every front that the file has.
    AsConfigured,
}

/// The variables that ask for redishappy's interface by themselves: nobody sets them for anything else.
const TELLING: [&str; 2] = ["REDISHAPPY_CLUSTERS", "REDISHAPPY_SENTINELS"];

/// Whether redishappy's interface is meant: by the program's name, by `-config`, or by its variables.
pub fn asked(args: &[OsString], lookup: impl Fn(&str) -> Option<OsString>) -> bool {
    Front::of(args) != Front::AsConfigured
        || own(args).iter().any(|arg| Flag::of(arg) == Some(Flag::Config))
        || TELLING
            .iter()
            .any(|name| lookup(name).is_some_and(|value| !value.is_empty()))
}

impl Front {
    pub(super) fn of(args: &[OsString]) -> Self {
        let name = args.first().and_then(|arg| Path::new(arg).file_name());
        match name.and_then(OsStr::to_str) {
            Some("redis-haproxy") => Self::HaProxy,
            Some("redis-consul") => Self::Consul,
            Some("noop") => Self::None,
            Some(_) | None => Self::AsConfigured,
        }
    }
}

/// What the command line says.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) config: Option<OsString>,
    pub(super) log: Option<OsString>,
    pub(super) bind: Option<OsString>,
    /// `--help` was among them.
    pub(super) help: bool,
    /// What is not redishappy's, with the program's name first.
    pub(super) rest: Vec<OsString>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Config,
    Log,
    Bind,
    Help,
}

impl Flag {
    fn of(arg: &OsStr) -> Option<Self> {
        let bytes = arg.as_bytes();
        let name = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-"))?;
        match name.split(|byte| *byte == b'=').next()? {
            b"config" => Some(Self::Config),
            b"log" => Some(Self::Log),
            b"bind" => Some(Self::Bind),
            b"h" | b"help" => Some(Self::Help),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Config => "-config",
            Self::Log => "-log",
            Self::Bind => "-bind",
            Self::Help => "-help",
        }
    }
}

/// Takes redishappy's flags out of a command line that begins with the program's name.
pub(super) fn parse(args: &[OsString]) -> Words {
    let mut words = Words {
        rest: args.iter().take(1).cloned().collect(),
        ..Words::default()
    };
    let ours = own(args);
    let mut left = ours.iter();
    while let Some(arg) = left.next() {
        let Some(flag) = Flag::of(arg) else {
            words.rest.push(arg.clone());
            continue;
        };
        let place = match flag {
            Flag::Config => &mut words.config,
            Flag::Log => &mut words.log,
            Flag::Bind => &mut words.bind,
            Flag::Help => {
                words.help = true;
                continue;
            }
        };
        match after_equals(arg).or_else(|| left.next().cloned()) {
            Some(value) => *place = Some(value).filter(|value| !value.is_empty()),
            None => words
                .problems
                .push(Problem::new(flag.name(), "needs a value after it; see --help")),
        }
    }
    words.rest.extend(args.iter().skip(1 + ours.len()).cloned());
    words
}

/// The arguments before `--`, without the program's name.
fn own(args: &[OsString]) -> &[OsString] {
    let args = args.get(1..).unwrap_or_default();
    let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    &args[..end]
}

fn after_equals(arg: &OsStr) -> Option<OsString> {
    let bytes = arg.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    Some(OsString::from_vec(bytes[at + 1..].to_vec()))
}
