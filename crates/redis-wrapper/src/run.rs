//! The order of things, from the first line to the exit code.
//!
//! connect → lock → observe → decide → record → start → answer → settle → register → unlock → keep → stop. A wait or a lost
//! race goes back to *observe*: there is no other way back. Redis itself is touched by nothing that happens to ZooKeeper.

use std::time::Duration;

use instance::{Dialer, Probe, ShutdownMode};
use program::{Process, chain, port_is_free, refuse};
use registry::{Registration, Registry};
use supervisor::{Child, Exit, Grace, Tasks};
use tokio::time::{Instant, sleep};
use topology::Addr;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::act;
use crate::admin::{Page, Phase};
use crate::choose::Chosen;
use crate::config::Config;
use crate::launch::{self, Launch};
use crate::member::Identity;
use crate::observe::Observer;
use crate::promote;
use crate::tend::Tending;
use crate::workdir::WorkDir;

const TASKS_DEADLINE: Duration = Duration::from_millis(500);
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// A Redis that neither answers nor loads after this long never will, and others wait for our lock.
const SILENCE: Duration = Duration::from_secs(20);
const STOP_SLACK: Duration = Duration::from_millis(100);

/// Everything the rooms share.
pub(crate) struct Wrapper {
    pub(crate) config: Config,
    pub(crate) process: Process,
    pub(crate) registry: Registry,
    pub(crate) dialer: Dialer,
    pub(crate) observer: Observer,
    pub(crate) work: WorkDir,
    pub(crate) page: Page,
    pub(crate) identity: Identity,
}

/// Runs the wrapper to its exit code.
pub async fn run(config: Config, process: Process) -> Exit {
    let tasks = Tasks::new(process.stop.token());
    let exit = match prepare(config, process, &tasks) {
        Ok(wrapper) => {
            let exit = wrapper.live().await;
            let _ = tokio::time::timeout(CLOSE_DEADLINE, wrapper.registry.close()).await;
            exit
        }
        Err(exit) => exit,
    };
    tasks.stop().cancel();
    let failed = tasks.failure().is_some();
    let _ = tasks.shutdown(TASKS_DEADLINE).await;
    if failed && exit == Exit::Clean {
        Exit::Internal
    } else {
        exit
    }
}

/// Everything that can be refused before the first znode is read.
fn prepare(config: Config, process: Process, tasks: &Tasks) -> Result<Wrapper, Exit> {
    let work =
        WorkDir::take(&config.data_dir, config.network.port).map_err(|e| refuse(&e, Exit::CannotCreate))?;
    if let Some(reason) = &work.moved {
        warn!(%reason, path = %work.data.display(), "the data set has a directory of its own");
    }
    port_is_free(&config.network).map_err(|reason| refuse(&reason, Exit::Unavailable))?;
    let dialer = Dialer::new(launch::dial_settings(&config)).map_err(|e| refuse(&e, Exit::Configuration))?;
    let connect = program::zookeeper(&config.zookeeper);
    let tree = zkpaths::Tree::new(&config.zookeeper.root);
    let registry =
        Registry::start(connect, tree, tasks.tracker()).map_err(|e| refuse(&e, Exit::Configuration))?;
    let announce = config.network.announce.clone();
    let admin = config
        .network
        .admin_port
        .and_then(|port| Addr::new(announce.host(), port).ok());
    let identity = Identity {
        id: Uuid::new_v4(),
        addr: announce.clone(),
        admin,
    };
    let observer = Observer {
        registry: registry.clone(),
        dialer: dialer.clone(),
        me: announce,
        name: config.group.name.clone(),
    };
    let page = Page::new();
    if let Some(port) = config.network.admin_port {
        page.serve(port, tasks)
            .map_err(|e| refuse(&e, Exit::Unavailable))?;
    }
    Ok(Wrapper {
        config,
        process,
        registry,
        dialer,
        observer,
        work,
        page,
        identity,
    })
}

impl Wrapper {
    async fn live(&self) -> Exit {
        let stop = self.process.stop.token();
        let chosen = match stop.run_until_cancelled(self.choose()).await {
            None => return Exit::Clean,
            Some(Err(exit)) => return exit,
            Some(Ok(chosen)) => chosen,
        };
        let launch = Launch {
            config: &self.config,
            work: &self.work,
            children: &self.process.children,
        };
        let child = match launch.start(chosen.replica_of.as_ref()).await {
            Ok(child) => child,
            Err(reason) => return refuse(&reason, Exit::CannotCreate),
        };
        tokio::select! {
            exit = child.exited() => self.died(exit).await,
            () = stop.cancelled() => self.stop(&child, None).await,
            served = self.serve(chosen, &child) => match served {
                Ok(registration) => self.stay(&child, registration).await,
                Err(exit) => {
                    let _ = self.stop(&child, None).await;
                    exit
                }
            },
        }
    }

    /// From here on only the child's end or a stop ends the program.
    async fn stay(&self, child: &Child, registration: Registration) -> Exit {
        let stop = self.process.stop.token();
        let mut tending = Tending::new(self, &registration);
        let exit = tokio::select! {
            exit = child.exited() => Some(exit),
            () = stop.cancelled() => None,
            () = tending.tend() => None,
        };
        match exit {
            Some(exit) => {
                registration.leave().await;
                self.died(exit).await
            }
            None => self.stop(child, Some(registration)).await,
        }
    }

    /// Waits for our Redis to answer, completes the record and registers.
    async fn serve(&self, chosen: Chosen, child: &Child) -> Result<Registration, Exit> {
        let Chosen {
            replica_of,
            announce,
            mut guard,
        } = chosen;
        let local = launch::local_addr(&self.config.network);
        let started = Instant::now();
        let snapshot = loop {
            match self.dialer.probe(&local).await {
                // Somebody else's Redis on our port is not the one we started, which is about to say so and end.
                Probe::Answered(snapshot) if snapshot.process_id.is_some_and(|pid| pid != child.pid()) => {
                    sleep(Duration::from_millis(50)).await;
                }
                Probe::Answered(snapshot) => break snapshot,
                Probe::Loading => {
                    self.progress("redis is loading its data set");
                    self.process.notifier.extend_timeout(Duration::from_secs(30));
                    // Others find it at its address by now; loading may take minutes.
                    if let Some(guard) = guard.take() {
                        guard.release().await;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                Probe::Refused | Probe::Unreachable if started.elapsed() > SILENCE => {
                    error!(redis = %local, "redis was started and does not answer there; check REDIS_CONF and the arguments after --");
                    return Err(Exit::Unavailable);
                }
                Probe::Refused | Probe::Unreachable => sleep(Duration::from_millis(5)).await,
                Probe::Denied(reason) => {
                    error!(%reason, "our own redis refuses us; check REDIS_PASSWORD and the users of REDIS_CONF");
                    return Err(Exit::Configuration);
                }
            }
        };
        if replica_of.is_none() {
            match act::settle(&self.registry, &self.identity.addr, &snapshot).await {
                Ok(state) => info!(master = %self.identity.addr, epoch = %state.epoch, "master published"),
                Err(reason) => warn!(reason = %chain(&reason), "record not completed yet; trying again"),
            }
        }
        let member = self.identity.member(&snapshot, act::now_ms());
        let path = self.registry.tree().member(self.identity.id);
        let registration = self.registry.register(path, member.encode());
        if let Some(guard) = guard {
            // The next node to decide must find this one registered.
            let mut registered = registration.status();
            let _ = tokio::time::timeout(
                Duration::from_secs(2),
                registered.wait_for(|status| *status == registry::Registered::Present),
            )
            .await;
            guard.release().await;
        }
        let role = member.role.word();
        info!(role, redis = %self.identity.addr, pid = child.pid(), version = %snapshot.server_version, "redis serves");
        self.page.update(|status| {
            status.answers = true;
            status.phase = Phase::Serving(Box::new(member));
        });
        if let Some((seen, record)) = announce {
            promote::announce_everywhere(&self.dialer, &self.config.group.name, &seen, &record).await;
        }
        Ok(registration)
    }

    /// The child's end that we did not ask for. Some platforms signal the whole process tree at once, and Redis may be
    /// quicker than our own handler: then it was asked for after all.
    async fn died(&self, exit: supervisor::ChildExit) -> Exit {
        self.page.update(|status| status.phase = Phase::Stopping);
        let asked = self.process.stop.token().cancelled_owned();
        if tokio::time::timeout(STOP_SLACK, asked).await.is_ok() {
            info!(reason = %exit, "redis ended");
            return Exit::after_stop(exit);
        }
        error!(reason = %exit, code = exit.code(), "redis ended by itself; its last lines above say why");
        Exit::Child(exit)
    }

    /// The requested end: nobody is told to use us any more, then Redis saves and ends within the grace.
    async fn stop(&self, child: &Child, registration: Option<Registration>) -> Exit {
        let grace = self.config.stop_grace;
        info!(grace_ms = grace.as_millis(), "stopping");
        self.process.notifier.stopping();
        self.page.update(|status| status.phase = Phase::Stopping);
        let gentle = match registration {
            Some(_) => Duration::from_millis(500).min(grace / 4),
            None => grace / 2,
        };
        // What is left after the child is for ZooKeeper, so that the whole stays within the grace.
        let whole = grace.saturating_sub(CLOSE_DEADLINE.min(grace / 5));
        let goodbye = async {
            match registration {
                // With ZooKeeper away there is nobody to say goodbye to, and the session ends by itself.
                Some(registration) => registration.leave().await,
                None => self.heard_by_redis().await,
            }
            launch::prepare_to_stop(&self.dialer, &self.config.network, whole).await;
        };
        let exit = tokio::select! {
            exit = child.stop_gently(Grace { whole, gentle }, goodbye) => exit,
            exit = self.insist(child) => exit,
        };
        info!(reason = %exit, "redis ended");
        Exit::after_stop(exit)
    }

    /// Redis refuses to shut down while it writes its first append-only file, or when a save fails, and forgets that it was asked
    /// (server.c, `finishShutdown`). So it is asked again every second, by command; a shutdown in progress is not disturbed.
    async fn insist(&self, child: &Child) -> supervisor::ChildExit {
        let local = launch::local_addr(&self.config.network);
        loop {
            tokio::select! {
                exit = child.exited() => return exit,
                () = sleep(Duration::from_secs(1)) => {}
            }
            if let Ok(redis) = self.dialer.redis(&local).await {
                let _: Result<(), _> = redis.shutdown(ShutdownMode::AsConfigured).await;
            }
        }
    }

    /// Waits until a starting Redis answers. It forgets a SIGTERM that comes between the installation of its handler and the
    /// end of `initServer` (server.c), and would then run until it is killed.
    async fn heard_by_redis(&self) {
        let local = launch::local_addr(&self.config.network);
        while matches!(
            self.dialer.probe(&local).await,
            Probe::Refused | Probe::Unreachable
        ) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn progress(&self, text: &str) {
        self.process.notifier.status(text);
        self.page.update(|status| {
            if let Phase::Starting { doing } = &mut status.phase {
                text.clone_into(doing);
            }
        });
    }
}
