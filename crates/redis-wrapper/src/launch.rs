//! Starting redis-server: the generated file, the command, and what must be true before.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use instance::{DialSettings, Dialer, InstanceError};
use settings::{Bind, NetworkSettings, Secret};
use supervisor::{Child, ChildCommand, Children, DeathSignal, SpawnError};
use topology::Addr;
use tracing::warn;

use crate::config::Config;
use crate::render::{Access, Base, Rendering, Tls, render};
use crate::template::{Template, without_supervised};
use crate::workdir::{WorkDir, WorkDirError};

/// The built-in copy of conf/redis.conf.
const BUILT_IN: &str = include_str!("../../../conf/redis.conf");
/// Variables that redis-server must not inherit.
const SECRETS: &[&str] = &["REDIS_PASSWORD", "SENTINEL_PASSWORD", "ZK_AUTH"];

/// Redis could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The user's template cannot be read.
    #[error("cannot read REDIS_CONF {path}")]
    Template {
        /// The file.
        path: std::path::PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
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

/// What connections to Redis and Sentinel carry. A password that only the template knows is used as well.
pub fn dial_settings(config: &Config) -> DialSettings {
    let mut dialing = program::dialing(&config.credentials, config.tls.as_ref());
    if dialing.redis.password.is_none() {
        let template = config
            .template
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok());
        dialing.redis.password =
            template.and_then(|text| Template::parse(&text).value("requirepass").map(str::to_owned));
    }
    dialing
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

/// What a start needs.
pub struct Launch<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Where files go.
    pub work: &'a WorkDir,
    /// Who starts the child.
    pub children: &'a Children,
}

impl Launch<'_> {
    /// Writes the configuration and starts redis-server in its role.
    pub async fn start(&self, replica_of: Option<&Addr>) -> Result<Child, LaunchError> {
        let config = self.config;
        let text = self.text(replica_of)?;
        let file = self.work.write("redis.conf", &text).map_err(LaunchError::File)?;
        let given: Vec<String> = config
            .child_args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let (kept, warnings) = without_supervised(&given);
        for reason in warnings {
            warn!(%reason, "an argument after -- has no effect");
        }
        let mut args = vec![OsString::from(file)];
        args.extend(kept.into_iter().map(OsString::from));
        let command = ChildCommand {
            program: config.server.clone(),
            args,
            env_remove: SECRETS.iter().map(OsString::from).collect(),
            dir: self.work.data.clone(),
            // A Redis without its wrapper accepts writes that nobody tracks.
            on_parent_death: DeathSignal::Kill,
        };
        self.children.spawn(command).await.map_err(LaunchError::Spawn)
    }

    fn text(&self, replica_of: Option<&Addr>) -> Result<String, LaunchError> {
        let config = self.config;
        let included = config.template.as_ref().map(|path| {
            let failed = |source| LaunchError::Template {
                path: path.clone(),
                source,
            };
            let text = std::fs::read_to_string(path).map_err(failed)?;
            Ok((path.canonicalize().map_err(failed)?, text))
        });
        let included = included.transpose()?;
        let template = Template::parse(included.as_ref().map_or(BUILT_IN, |(_, text)| text));
        for reason in template.overridden() {
            warn!(%reason, "a setting of REDIS_CONF has no effect");
        }
        let bind = match config.network.bind {
            Bind::Wildcard => Vec::new(),
            bind @ Bind::Address(_) => program::listens_on(bind).iter().map(IpAddr::to_string).collect(),
        };
        Ok(render(&Rendering {
            base: included
                .as_ref()
                .map_or(Base::BuiltIn(BUILT_IN), |(path, _)| Base::Include(path)),
            template: &template,
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
        }))
    }
}
