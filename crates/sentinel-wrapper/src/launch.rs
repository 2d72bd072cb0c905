//! Starting redis-sentinel: the file, the command, and its first answer.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use instance::{Credentials, InstanceError};
use program::chain;
use settings::{Bind, Secret, vars};
use supervisor::{Child, ChildCommand, Children, DeathSignal, Forks, Output, SpawnError};
use tokio::time::{Instant, sleep};
use topology::conf_file::Setting;
use topology::{MasterName, RunId};
use tracing::{info, warn};

use crate::config::Config;
use crate::hooks::Told;
use crate::observe::Observer;
use crate::private::{Private, PrivateError};
use crate::render::{self, Beside, Dropped, Fixed, Secrets, Timing, Tls};
use crate::template::{Template, TemplateError};
use crate::view::Seed;

/// How long a started Sentinel may take to answer. It takes ten milliseconds, on a machine that is not overloaded.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// Sentinel could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its file cannot be written.
    #[error("cannot write Sentinel's configuration")]
    File(#[source] PrivateError),
    /// The program cannot be started.
    #[error("cannot start redis-sentinel")]
    Spawn(#[source] SpawnError),
}

/// Sentinel runs and cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum Mute {
    /// It does not let us in.
    #[error(
        "redis-sentinel does not accept our password; set SENTINEL_PASSWORD to the one in its configuration"
    )]
    Denied(#[source] InstanceError),
    /// Another one answers at its address.
    #[error("another Sentinel answers where ours should; choose another PORT0, or end what listens there")]
    Other,
    /// It does not answer.
    #[error("redis-sentinel did not answer within {FIRST_ANSWER:?}")]
    Silent(#[source] InstanceError),
}

/// Everything that is the same at each start, and what was said at the last one.
pub struct Launcher {
    program: PathBuf,
    template: Template,
    fixed: Fixed,
    private: Private,
    /// What the scripts are told.
    hooks: Told,
    /// What was said of the user's lines at the last start.
    told: (Vec<Dropped>, Vec<Beside>),
}

impl Launcher {
    /// Reads the template and the arguments, once: what it says holds until the wrapper is started again.
    pub fn new(config: &Config, private: Private) -> Result<Self, TemplateError> {
        let template = Template::read(config.template.as_deref(), &config.child_args)?;
        let fixed = fixed(config, &private);
        let program = config.server.clone();
        Ok(Self {
            program,
            template,
            fixed,
            private,
            hooks: config.hooks.told.clone(),
            told: Default::default(),
        })
    }

    /// The password that the own Sentinel will ask for, where only the template has one.
    pub fn template_password(&self) -> Option<String> {
        let last = self
            .settings()
            .rev()
            .find(|setting| setting.name == "requirepass")?;
        last.values.first().cloned()
    }

    /// What the own Sentinel says to the master of `group`, where only the template tells: the user and the password.
    pub fn template_credentials(&self, group: &MasterName) -> Credentials {
        let last = |word: &str| {
            let of_group = |setting: &&Setting| match &setting.values[..] {
                [first, name, _] => {
                    setting.name == "sentinel" && first.eq_ignore_ascii_case(word) && name == group.as_str()
                }
                _ => false,
            };
            self.settings().rev().find(of_group)?.values.last().cloned()
        };
        Credentials {
            user: last("auth-user"),
            password: last("auth-pass"),
        }
    }

    fn settings(&self) -> impl DoubleEndedIterator<Item = &Setting> {
        let lines = self.template.lines().iter();
        lines.filter_map(|line| line.setting.as_ref())
    }

    /// The private directory.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// Writes the file and starts Sentinel.
    pub async fn start(&mut self, seed: &Seed, children: &Children) -> Result<Child, LaunchError> {
        self.look_for_scripts();
        let rendered = render::render(&self.template, &self.fixed, seed);
        let said = (rendered.dropped, rendered.beside);
        if said != self.told {
            warn_of(&said.0, &said.1);
            self.told = said;
        }
        let file = self.private.write(&rendered.text).map_err(LaunchError::File)?;
        let command = ChildCommand {
            program: self.program.clone(),
            args: vec![file.into()],
            env_remove: secret_variables(),
            env: self.hooks.variables(),
            dir: self.private.dir().to_owned(),
            // What it knows it has written already, and a hung one would outlive a gentler word, under a run id that
            // another has by then.
            on_parent_death: DeathSignal::Kill,
            inherits: Vec::new(),
            output: Output::Inherited,
            forks: Forks::EndWithIt,
        };
        let child = children.spawn(command).await.map_err(LaunchError::Spawn)?;
        let (master, epoch, highest) = (&seed.master.addr, seed.master.epoch.0, seed.epoch.0);
        let replicas = seed.replicas.iter().filter(|replica| *replica != master).count();
        let (pid, peers) = (child.pid(), seed.peers.len());
        info!(pid, %master, epoch, highest, id = %seed.id, peers, replicas, "sentinel started");
        Ok(child)
    }

    /// The settings were checked when the wrapper began, and a script may be away since, if only while it is replaced. A Sentinel
    /// that calls nobody is worth more than none.
    fn look_for_scripts(&mut self) {
        let lost = self.fixed.scripts.lost();
        for script in lost.difference(&self.fixed.lost) {
            warn!(path = %script, "a script cannot be run any more; sentinel is started without it until it can");
        }
        for script in self.fixed.lost.difference(&lost) {
            info!(path = %script, "a script can be run again; sentinel is started with it");
        }
        self.fixed.lost = lost;
    }
}

/// Waits until the Sentinel of this run id answers. Another may answer first, where the port was in use.
pub async fn answering(observer: &Observer, id: &RunId) -> Result<(), Mute> {
    let deadline = Instant::now() + FIRST_ANSWER;
    loop {
        let asked = async { observer.own_sentinel().await?.my_id().await };
        let late = Instant::now() >= deadline;
        match asked.await {
            Ok(answered) if answered == *id => {
                hasten(observer).await;
                return Ok(());
            }
            Ok(_) if late => return Err(Mute::Other),
            Err(denied @ InstanceError::Denied { .. }) => return Err(Mute::Denied(denied)),
            Err(silent) if late => return Err(Mute::Silent(silent)),
            Ok(_) | Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// How often a Sentinel of ours looks at every node.
const INFO_PERIOD: Duration = Duration::from_secs(1);
/// How often it pings, and tries to reconnect. A cut is noticed in half the time, and a new master is not held for down because
/// the reconnection waits.
const PING_PERIOD: Duration = Duration::from_millis(500);

/// Sentinel learns of a new replica, and compares offsets, only by INFO, every 10 s. A replacement that cannot see the
/// replicas for so long cannot promote one; after RESET, nobody could. One question a second costs nothing.
async fn hasten(observer: &Observer) {
    let asked = async {
        let sentinel = observer.own_sentinel().await?;
        sentinel.set_info_period(INFO_PERIOD).await?;
        sentinel.set_ping_period(PING_PERIOD).await
    };
    if let Err(reason) = asked.await {
        info!(reason = %chain(&reason), "sentinel keeps its periods of 10 s (INFO) and 1 s (ping); they can be changed since Redis 7.0");
    }
}

/// Variables that redis-sentinel must not inherit.
fn secret_variables() -> Vec<OsString> {
    let secrets = vars::TABLE
        .iter()
        .filter(|variable| variable.kind == vars::Kind::Secret);
    secrets.map(|variable| OsString::from(variable.name)).collect()
}

fn fixed(config: &Config, private: &Private) -> Fixed {
    let timing = |value, chosen| {
        if chosen {
            Timing::Chosen(value)
        } else {
            Timing::Default(value)
        }
    };
    let syncs = config.parallel_syncs;
    let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    Fixed {
        name: config.group.name.clone(),
        bind: match config.network.bind {
            Bind::Wildcard => None,
            Bind::Address(ip) => Some(ip),
        },
        port: config.network.port,
        announce: config.network.announce.clone(),
        dir: private.dir().to_owned(),
        quorum: config.quorum,
        down_after: timing(config.down_after, config.chosen.down_after),
        failover_timeout: timing(config.failover_timeout, config.chosen.failover_timeout),
        parallel_syncs: if config.chosen.parallel_syncs {
            Timing::Chosen(syncs)
        } else {
            Timing::Default(syncs)
        },
        scripts: config.hooks.scripts.clone(),
        lost: BTreeSet::new(),
        secrets: Secrets {
            redis_user: config.credentials.redis_user.clone(),
            redis_password: exposed(&config.credentials.redis_password),
            sentinel_password: exposed(&config.credentials.sentinel_password),
        },
        tls: config.tls.as_ref().map(|tls| Tls {
            ca: tls.ca.clone(),
            cert: tls.cert.clone(),
            key: tls.key.clone(),
        }),
    }
}

fn warn_of(dropped: &[Dropped], beside: &[Beside]) {
    for Dropped {
        file,
        line,
        setting,
        why,
    } in dropped
    {
        warn!(path = %file, line, setting, reason = why.word(), "a setting has no effect");
    }
    for Beside {
        file,
        line,
        name,
        master,
    } in beside
    {
        warn!(path = %file, line, group = %name, %master, "another group is watched too; nothing of it is in zookeeper");
    }
}
