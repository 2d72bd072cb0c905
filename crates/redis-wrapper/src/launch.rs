//! Starting redis-server: the generated file, the command, and what must be true before.

use std::ffi::OsString;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use instance::{DialSettings, Dialer, InstanceError};
use program::{Process, refuse};
use settings::{Bind, NetworkSettings, Secret};
use supervisor::{Child, ChildCommand, Children, DeathSignal, Exit, Forks, Output, SpawnError};
use topology::Addr;
use tracing::warn;

use crate::arguments::{ArgumentError, as_lines};
use crate::config::Config;
use crate::glob;
use crate::impossible::impossible;
use crate::includes::{self, Reading, TemplateError};
use crate::render::{Access, Base, Rendering, Tls, render};
use crate::template::{Origin, Template};
use crate::workdir::{Wanted, WorkDir, WorkDirError};

/// How long a data directory may stay in use after a `STOP_GRACE`: a fork of Redis may still write a dump.
const LEFT_OVER: Duration = Duration::from_secs(5);
/// The built-in copy of conf/redis.conf.
const BUILT_IN: &str = include_str!("../../../conf/redis.conf");
/// Variables that redis-server must not inherit.
const SECRETS: &[&str] = &["REDIS_PASSWORD", "SENTINEL_PASSWORD", "ZK_AUTH"];

/// Redis could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The generated file cannot be written.
    #[error("cannot write the generated configuration")]
    File(#[source] WorkDirError),
    /// The program could not be started.
    #[error("cannot start redis-server")]
    Spawn(#[source] SpawnError),
}

/// Where the wrapper itself reaches its Redis.
pub fn local_addr(network: &NetworkSettings) -> Addr {
    let ip = match network.bind {
        Bind::Wildcard => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Bind::Address(ip) => ip,
    };
    Addr::from(SocketAddr::new(ip, network.port))
}

/// What redis-server is to be started with, read and checked before anything is claimed.
#[derive(Debug)]
pub struct Basis {
    /// REDIS_CONF, where there is one.
    file: Option<PathBuf>,
    /// The arguments after `--`.
    arguments: String,
    /// What both say.
    pub template: Template,
}

/// redis-server cannot be started with these settings.
#[derive(Debug, thiserror::Error)]
pub enum BasisError {
    /// The user's template cannot be read.
    #[error("cannot read REDIS_CONF {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
    /// It, or what it includes, is not a configuration.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The arguments are none.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    /// It asks for something else than a replicated Redis.
    #[error("{0}")]
    Impossible(String),
    /// Redis 7 would look for other files.
    #[error("{name} {path} holds one of * ? [, which redis-server takes for a pattern; choose another path")]
    Pattern {
        /// The variable.
        name: &'static str,
        /// Its value.
        path: PathBuf,
    },
}

impl Basis {
    /// Reads the template with its includes, and the arguments; warns of what has no effect.
    pub fn read(config: &Config) -> Result<Self, BasisError> {
        let basis = Self::look(config)?;
        if let Some(reason) = impossible(&basis.template) {
            return Err(BasisError::Impossible(reason));
        }
        for reason in basis.template.overridden() {
            warn!(%reason, "a setting has no effect");
        }
        Ok(basis)
    }

    /// Reads the same, says nothing, and takes what it finds.
    pub(crate) fn look(config: &Config) -> Result<Self, BasisError> {
        let file = config.template.as_ref().map(|path| {
            let failed = |source| BasisError::File {
                path: path.clone(),
                source,
            };
            let text = includes::read(path).map_err(failed)?;
            Ok::<_, BasisError>((path.canonicalize().map_err(failed)?, text))
        });
        let file = file.transpose()?;
        let paths = [
            ("REDIS_CONF", file.as_ref().map(|(path, _)| path)),
            ("DATA_DIR", Some(&config.data_dir)),
        ];
        for (name, path) in paths {
            if let Some(path) = path.filter(|path| glob::is_pattern(&path.to_string_lossy())) {
                let path = path.clone();
                return Err(BasisError::Pattern { name, path });
            }
        }
        let given: Vec<String> = config
            .child_args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let arguments = as_lines(&given)?;
        let mut reading = Reading::new(&config.data_dir);
        let text = file.as_ref().map_or(BUILT_IN, |(_, text)| text);
        reading.text(text, &Origin::Template)?;
        reading.text(&arguments, &Origin::Arguments)?;
        let template = reading.end();
        Ok(Self {
            file: file.map(|(path, _)| path),
            arguments,
            template,
        })
    }
}

/// What connections to Redis and Sentinel carry. A password that only the template knows is used as well.
pub fn dial_settings(config: &Config, template: &Template) -> DialSettings {
    let mut dialing = program::dialing(&config.credentials, config.tls.as_ref());
    if dialing.redis.password.is_none() {
        dialing.redis.password = template.value("requirepass").map(str::to_owned);
    }
    dialing
}

/// Locks the directories, once what is left of the Redis before us has ended.
pub async fn take_directory(config: &Config, basis: &Basis, process: &Process) -> Result<WorkDir, Exit> {
    let wanted = Wanted {
        data_dir: &config.data_dir,
        named: basis.template.directory(),
        port: config.network.port,
    };
    // Who stops as we would is gone by then.
    let patience = config.stop_grace + LEFT_OVER;
    let waiting = |reason: &str| {
        process.notifier.status("waiting for the data directory");
        process.notifier.extend_timeout(patience);
        warn!(%reason, "waiting for the data directory");
    };
    let stop = process.stop.token();
    let taken = stop.run_until_cancelled(WorkDir::take(&wanted, patience, waiting));
    let work = taken.await.ok_or(Exit::Clean)?;
    let work = work.map_err(|e| refuse(&e, Exit::CannotCreate))?;
    if let Some(reason) = &work.note {
        warn!(%reason, path = %work.data.display(), "look at the data directory");
    }
    Ok(work)
}

/// Before SIGTERM: a Redis of 7.0 or later waits up to its `shutdown-timeout` (10 s) for lagging replicas, which must fit into the
/// grace period with time to save. Older ones do not know the setting and do not wait.
pub async fn prepare_to_stop(dialer: &Dialer, network: &NetworkSettings, grace: Duration) {
    let seconds = (grace / 2).as_secs().max(1);
    let set = async {
        let redis = dialer.redis(&local_addr(network)).await?;
        redis.config_set("shutdown-timeout", &seconds.to_string()).await
    };
    let _: Result<(), InstanceError> = set.await;
}

/// Makes the coming SIGTERM save the data set, whatever save points are configured. Since Redis 7.0; an older one does as it
/// is configured.
pub(crate) async fn save_on_stop(dialer: &Dialer, network: &NetworkSettings) {
    let set = async {
        let redis = dialer.redis(&local_addr(network)).await?;
        redis.config_set("shutdown-on-sigterm", "save").await
    };
    let _: Result<(), InstanceError> = set.await;
}

/// What a start needs.
pub struct Launch<'a> {
    /// The settings.
    pub config: &'a Config,
    /// What the user's own file says.
    pub basis: &'a Basis,
    /// Where files go.
    pub work: &'a WorkDir,
    /// Who starts the child.
    pub children: &'a Children,
}

impl Launch<'_> {
    /// Writes the configuration and starts redis-server in its role.
    pub async fn start(&self, replica_of: Option<&Addr>) -> Result<Child, LaunchError> {
        let text = self.text(replica_of);
        let file = self.work.write("redis.conf", &text).map_err(LaunchError::File)?;
        // A fork that still writes a dump keeps the next Redis waiting, whoever was killed.
        let lock = vec![self.work.lock()];
        self.spawn(&file, Output::Inherited, lock).await
    }

    /// Starts redis-server with this file.
    pub(crate) async fn spawn(
        &self,
        file: &Path,
        output: Output,
        inherits: Vec<Arc<File>>,
    ) -> Result<Child, LaunchError> {
        let command = ChildCommand {
            program: self.config.server.clone(),
            args: vec![OsString::from(file)],
            env_remove: SECRETS.iter().map(OsString::from).collect(),
            env: Vec::new(),
            // Where relative names of the template were looked up.
            dir: self.config.data_dir.clone(),
            // A Redis without its wrapper accepts writes that nobody tracks.
            on_parent_death: DeathSignal::Kill,
            inherits,
            output,
            forks: Forks::EndWithIt,
        };
        self.children.spawn(command).await.map_err(LaunchError::Spawn)
    }

    pub(crate) fn text(&self, replica_of: Option<&Addr>) -> String {
        let (config, basis) = (self.config, self.basis);
        let bind = match config.network.bind {
            Bind::Wildcard => Vec::new(),
            bind @ Bind::Address(_) => program::listens_on(bind).iter().map(IpAddr::to_string).collect(),
        };
        render(&Rendering {
            base: basis
                .file
                .as_deref()
                .map_or(Base::BuiltIn(BUILT_IN), Base::Include),
            arguments: &basis.arguments,
            template: &basis.template,
            bind,
            port: config.network.port,
            announce: &config.network.announce,
            data_dir: &self.work.data,
            replica_of,
            access: Access {
                user: config.credentials.redis_user.as_deref(),
                password: config.credentials.redis_password.as_ref().map(Secret::expose),
            },
            tls: config.tls.as_ref().map(|tls| Tls {
                ca: &tls.ca,
                cert: tls.cert.as_ref(),
                key: tls.key.as_ref(),
            }),
        })
    }
}
