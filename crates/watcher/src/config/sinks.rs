//! Whom to tell of a new master, besides ZooKeeper: what the variables say, each problem with its remedy.

mod consul;

use std::path::PathBuf;
use std::time::Duration;

use settings::vars::{self, Variable};
use settings::{Outcome, Problem, Reader, Secret};
use sinks::WebhookSink;
use sinks::haproxy::{BackendTemplate, ServerTemplate, Socket};

pub use self::consul::{ConsulAt, ConsulSettings};
use crate::happy;

/// Whom to tell, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSettings {
    /// HAProxy over its Runtime API.
    pub haproxy: Option<RuntimeSettings>,
    /// HAProxy by its file.
    pub haproxy_file: Option<FileSettings>,
    /// The shell command that checks a new file of HAProxy's, whoever names the file.
    pub haproxy_check: Option<String>,
    /// A shell command for each new master.
    pub command: Option<String>,
    /// Where each new master is POSTed to, separated by spaces; such an address is often a password.
    pub webhooks: Option<Secret>,
    /// The authority that webhooks are trusted by, instead of the system's.
    pub webhook_ca: Option<PathBuf>,
    /// The key that signs each POST.
    pub webhook_secret: Option<Secret>,
    /// Where Consul is, whoever says what to keep in it.
    pub consul_at: ConsulAt,
    /// What is kept in Consul.
    pub consul: Option<ConsulSettings>,
    /// How long a command, a check, a reload or a POST may take.
    pub timeout: Duration,
}

/// HAProxy over its Runtime API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// Each HAProxy's stats socket.
    pub sockets: Vec<Socket>,
    /// The server that stands for a group's master.
    pub master: ServerTemplate,
    /// The backend whose servers stand for the replicas that may be read.
    pub replicas: Option<BackendTemplate>,
}

/// HAProxy by its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// The Go-style template.
    pub template: PathBuf,
    /// The file that is written whole.
    pub output: PathBuf,
    /// The shell command that checks the new file.
    pub check: Option<String>,
    /// The shell command after the file was replaced.
    pub reload: Option<String>,
}

impl SinkSettings {
    /// Reads every variable about sinks. `groups` is how many groups share them.
    pub(super) fn read(reader: &mut Reader<'_>, groups: usize) -> Outcome<Self> {
        let haproxy = runtime(reader, groups);
        let haproxy_check = check(reader);
        let haproxy_file = file(reader, haproxy_check.clone());
        let command = text(reader, &vars::ON_MASTER);
        let consul_at = ConsulAt::read(reader);
        let consul = match &consul_at {
            Ok(at) => ConsulSettings::read(reader, at, groups),
            Err(reported) => Err(*reported),
        };
        let webhook_ca = reader.path(&vars::WEBHOOK_CACERT);
        let webhooks = webhooks(reader);
        let webhook_secret = reader.secret(&vars::WEBHOOK_SECRET);
        let allowed = Duration::from_secs(1)..=Duration::from_secs(300);
        let timeout = reader.duration(&vars::SINK_TIMEOUT, allowed);
        Ok(Self {
            haproxy: haproxy?,
            haproxy_file: haproxy_file?,
            haproxy_check: haproxy_check?,
            command: command?,
            consul: consul?,
            consul_at: consul_at?,
            webhooks: webhooks?,
            webhook_ca: webhook_ca?.map(|(_, path)| path),
            webhook_secret: webhook_secret?,
            timeout: timeout?,
        })
    }
}

impl SinkSettings {
    /// The fronts of redishappy's configuration take the place of those of our variables.
    pub(super) fn as_redishappy_says(&mut self, happy: &happy::Settings, reader: &mut Reader<'_>) {
        if let Some(haproxy) = &happy.haproxy {
            unchecked(reader, self.haproxy_check.as_ref());
            let check = match self.haproxy_file.take() {
                Some(file) => file.check,
                None => self.haproxy_check.clone(),
            };
            self.haproxy_file = Some(FileSettings {
                template: haproxy.template.clone(),
                output: haproxy.output.clone(),
                check,
                reload: Some(haproxy.reload.clone()),
            });
        }
        if let Some(consul) = &happy.consul {
            let own = self.consul_at.clone();
            self.consul = Some(own.for_redishappy(consul));
        }
    }
}

fn runtime(reader: &mut Reader<'_>, groups: usize) -> Outcome<Option<RuntimeSettings>> {
    let sockets = reader.optional(&vars::HAPROXY_SOCKET, |text| {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut sockets: Vec<Socket> = Vec::new();
        for entry in entries {
            let socket = entry
                .parse()
                .map_err(|error: sinks::haproxy::TemplateError| error.to_string())?;
            if sockets.contains(&socket) {
                return Err(format!("names {socket} twice; keep one"));
            }
            sockets.push(socket);
        }
        Ok(sockets)
    });
    let master = reader.required(&vars::HAPROXY_MASTER, |text| {
        one_for_each(text, groups)?;
        text.trim()
            .parse()
            .map_err(|error: sinks::haproxy::TemplateError| error.to_string())
    });
    let replicas = reader.optional(&vars::HAPROXY_REPLICAS, |text| {
        one_for_each(text, groups)?;
        text.trim()
            .parse()
            .map_err(|error: sinks::haproxy::TemplateError| error.to_string())
    });
    let (sockets, master, replicas) = (sockets?.unwrap_or_default(), master?, replicas?);
    if sockets.is_empty() {
        for variable in [&vars::HAPROXY_MASTER, &vars::HAPROXY_REPLICAS] {
            reader.holds(variable, None::<&str>);
        }
        return Ok(None);
    }
    Ok(Some(RuntimeSettings {
        sockets,
        master,
        replicas,
    }))
}

/// Two groups in one slot would take turns there.
fn one_for_each(text: &str, groups: usize) -> Result<(), String> {
    if groups > 1 && !text.contains("{name}") {
        return Err("is one place for several groups; put {name} into it".to_owned());
    }
    Ok(())
}

fn file(reader: &mut Reader<'_>, check: Outcome<Option<String>>) -> Outcome<Option<FileSettings>> {
    let template = reader.path(&vars::HAPROXY_TEMPLATE);
    let output = reader.path(&vars::HAPROXY_OUTPUT);
    let reload = text(reader, &vars::HAPROXY_RELOAD);
    let (template, output, check, reload) = (template?, output?, check?, reload?);
    let missing = |set: &str, other: &Variable| {
        let wrong = format!("is set, and {} is not; set both, or neither", other.name);
        Problem::new(set, wrong)
    };
    match (template, output) {
        (Some((_, template)), Some((_, output))) => {
            unchecked(reader, check.as_ref());
            if reload.is_none() {
                reader.warn("HAPROXY_RELOAD is not set: HAPROXY_OUTPUT is written, and nobody tells HAProxy");
            }
            Ok(Some(FileSettings {
                template,
                output,
                check,
                reload,
            }))
        }
        (Some((name, _)), None) => Err(reader.problem(missing(&name, &vars::HAPROXY_OUTPUT))),
        (None, Some((name, _))) => Err(reader.problem(missing(&name, &vars::HAPROXY_TEMPLATE))),
        (None, None) => {
            reader.holds(&vars::HAPROXY_CHECK, None::<&str>);
            Ok(None)
        }
    }
}

fn webhooks(reader: &mut Reader<'_>) -> Outcome<Option<Secret>> {
    let Some(urls) = reader.secret(&vars::WEBHOOK_URL)? else {
        return Ok(None);
    };
    match WebhookSink::all(urls.expose(), None, Duration::from_secs(1)) {
        Ok(_) => Ok(Some(urls)),
        // The problem does not repeat the address.
        Err(problem) => Err(reader.problem(Problem::new(vars::WEBHOOK_URL.name, problem.to_string()))),
    }
}

/// What checks a new file. Where nobody says it and there is no haproxy here, nothing can: HAProxy may run in another container.
fn check(reader: &mut Reader<'_>) -> Outcome<Option<String>> {
    let said = reader.said(&vars::HAPROXY_CHECK)?;
    if said.is_none() && !on_path(reader, "haproxy") {
        reader.holds(&vars::HAPROXY_CHECK, Some("off"));
        return Ok(None);
    }
    let check = text(reader, &vars::HAPROXY_CHECK)?;
    Ok(check.filter(|check| check != "off"))
}

fn unchecked(reader: &mut Reader<'_>, check: Option<&String>) {
    if check.is_none() && !on_path(reader, "haproxy") {
        reader.warn("HAPROXY_OUTPUT is written unchecked: there is no haproxy on PATH; HAPROXY_CHECK names another command");
    }
}

fn on_path(reader: &Reader<'_>, program: &str) -> bool {
    let path = reader.environment("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn text(reader: &mut Reader<'_>, variable: &Variable) -> Outcome<Option<String>> {
    reader.optional(variable, |text| Ok(text.trim().to_owned()))
}
