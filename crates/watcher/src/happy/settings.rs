//! Everything that redishappy's configuration says, once it is known to be good.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::settings::{Problem, Problems};
use topology::{Addr, MasterName};

use super::environment;
use super::flags::{Front, Words};
use super::json::{self, File, Notes};
use super::judge::Judged;
use super::listen::{self, Listen};
use super::shape::Shape;

/// What redishappy is told. Only valid values exist in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which front is kept in step, by the program's name.
    pub front: Front,
    /// Where the pages are.
    pub listen: Listen,
    /// TCP keep-alive of connections to Sentinels; `None` leaves it to the connections themselves.
    pub keep_alive: Option<Duration>,
    /// The groups; at least one.
    pub clusters: Vec<Cluster>,
    /// The Sentinels to begin with; at least one.
    pub sentinels: Vec<Addr>,
    /// The HAProxy to keep in step, where this program does that.
    pub haproxy: Option<HaProxy>,
    /// The Consul to keep in step, where this program does that.
    pub consul: Option<Consul>,
    /// All of it as `/api/configuration` shows it.
    pub shown: Shape,
    /// What works, and may not be meant.
    pub warnings: Vec<String>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its name, as Sentinels know it.
    pub name: MasterName,
    /// Where clients connect to in front of it.
    pub external_port: u16,
}

/// An HAProxy whose file is written from a template. The paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaProxy {
    /// The template; it could be read.
    pub template: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// The shell command after that.
    pub reload: String,
}

/// A Consul catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consul {
    /// Its HTTP API, where somebody said so; else `CONSUL_HTTP_ADDR` and its default hold.
    pub address: Option<String>,
    /// What to register, one for a cluster.
    pub services: Vec<Service>,
}

/// The registration of one cluster's master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The cluster.
    pub cluster: MasterName,
    /// Consul's node.
    pub node: String,
    /// Consul's datacentre; `None` is the agent's own.
    pub datacenter: Option<String>,
    /// Consul's tags.
    pub tags: Vec<String>,
}

impl Settings {
    /// Reads the command line (the program's name first), the environment, and the files they name.
    pub fn read(
        args: &[OsString],
        lookup: impl Fn(&str) -> Option<OsString>,
        read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, Problems> {
        Self::from_words(Front::of(args), super::flags::parse(args), &lookup, &read_file)
    }

    pub(super) fn from_words(
        front: Front,
        words: Words,
        lookup: &dyn Fn(&str) -> Option<OsString>,
        read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, Problems> {
        let mut notes = Notes {
            problems: words.problems,
            warnings: Vec::new(),
        };
        if let Some(folder) = &words.log {
            notes.warnings.push(format!(
                "-log {}: nothing is written there; the log goes to standard output, where journald, Docker or a shell's > keep it",
                folder.display()
            ));
        }
        let listen = listen(words.bind.as_deref(), lookup, &mut notes);
        let before = notes.problems.len();
        let mut file = file(words.config.as_deref(), lookup, read_file, &mut notes);
        environment::over(&mut file, lookup, &mut notes);
        // What could not be read is reported already, and is no empty list.
        let readable = notes.problems.len() == before;
        let judged = Judged::of(front, &file, readable, read_file, &mut notes);
        match (Problems::new(notes.problems), listen) {
            (Some(problems), _) => Err(problems),
            (None, listen) => Ok(Self {
                front,
                listen: listen.unwrap_or(Listen::Everywhere { port: listen::USUAL }),
                keep_alive: judged.keep_alive,
                clusters: judged.clusters,
                sentinels: judged.sentinels,
                haproxy: judged.haproxy,
                consul: judged.consul,
                shown: Shape::of(file),
                warnings: notes.warnings,
            }),
        }
    }
}

/// `-bind`, then `BIND`, then `PORT`.
fn listen(
    bind: Option<&OsStr>,
    lookup: &dyn Fn(&str) -> Option<OsString>,
    notes: &mut Notes,
) -> Option<Listen> {
    let (name, text) = if let Some(bind) = bind {
        ("-bind", bind.to_string_lossy().into_owned())
    } else if let Some(text) = environment::text("BIND", lookup, notes) {
        ("BIND", text)
    } else {
        ("PORT", environment::text("PORT", lookup, notes)?)
    };
    let listen = match name {
        "PORT" => Listen::everywhere(&text),
        _ => Listen::bind(&text),
    };
    listen
        .map_err(|wrong| notes.problems.push(Problem::with_value(name, &text, wrong)))
        .ok()
}

/// The file of `-config`, or `config.json` here. That one may be missing where the environment says everything.
fn file(
    config: Option<&OsStr>,
    lookup: &dyn Fn(&str) -> Option<OsString>,
    read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    notes: &mut Notes,
) -> File {
    let path = Path::new(config.unwrap_or(OsStr::new("config.json")));
    let name = path.display().to_string();
    match read_file(path) {
        Ok(bytes) => json::parse(&name, &bytes, notes),
        Err(error)
            if config.is_none() && error.kind() == ErrorKind::NotFound && environment::suffices(lookup) =>
        {
            File::default()
        }
        Err(error) => {
            let wrong = format!(
                "cannot be read ({error}); name a readable file, or say everything in REDISHAPPY_CLUSTERS and REDISHAPPY_SENTINELS"
            );
            notes.problems.push(Problem::with_value("-config", &name, wrong));
            File::default()
        }
    }
}
