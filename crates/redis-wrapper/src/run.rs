//! The order of things, from the first line to the exit code.
//!
//! connect → lock → observe → decide → record → start → answer → settle → register → unlock → keep → stop. A wait or a lost
//! race goes back to *observe*: there is no other way back. Redis itself is touched by nothing that happens to ZooKeeper.

use std::time::Duration;

use instance::{Dialer, Probe};
use program::{Process, chain, refuse};
use registry::{LockError, LockGuard, Registration, Registry};
use supervisor::{Child, Exit, Grace, Tasks};
use tokio::time::{Instant, sleep};
use topology::{Addr, Epoch, MasterRecord};
use tracing::{error, info, warn};
use uuid::Uuid;
use zkpaths::Lock;

use crate::act;
use crate::admin::{Page, Phase};
use crate::config::Config;
use crate::decide::{Plan, WhyMaster, WhyRefuse, WhyWait, decide};
use crate::launch::{self, Launch};
use crate::member::{Identity, describe};
use crate::observe::{Observer, Seen};
use crate::promote;
use crate::tend::Tending;
use crate::workdir::WorkDir;

const LOCK_DEADLINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const TASKS_DEADLINE: Duration = Duration::from_secs(2);

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

/// The role that was chosen, and what has been done about it.
struct Chosen {
    /// Whom to replicate; `None` to be master.
    replica_of: Option<Addr>,
    /// What to tell Sentinels that still name somebody else.
    announce: Option<(Box<Seen>, MasterRecord)>,
    /// Held until our Redis answers, so that the next node to decide finds it.
    guard: Option<LockGuard>,
}

/// Runs the wrapper to its exit code.
pub async fn run(config: Config, process: Process) -> Exit {
    let tasks = Tasks::new(process.stop.token());
    let exit = match prepare(config, process, &tasks) {
        Ok(wrapper) => {
            let exit = wrapper.live().await;
            wrapper.registry.close().await;
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
    launch::port_is_free(&config.network).map_err(|reason| refuse(&reason, Exit::Unavailable))?;
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
            exit = child.exited() => self.died(exit),
            () = stop.cancelled() => self.stop(&child, None).await,
            registration = self.serve(chosen, &child) => self.stay(&child, registration).await,
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
                self.died(exit)
            }
            None => self.stop(child, Some(registration)).await,
        }
    }

    /// Looks and decides until there is a role; the bootstrap lock is held from the look to the record.
    async fn choose(&self) -> Result<Chosen, Exit> {
        let began = Instant::now();
        let mut last_wait = None;
        loop {
            self.connected().await;
            let Some(guard) = self.locked().await else {
                continue;
            };
            let mut lost = guard.lost();
            let chosen = tokio::select! {
                chosen = self.choose_locked(began, &mut last_wait) => chosen,
                _ = lost.wait_for(|lost| *lost) => None,
            };
            match chosen {
                Some(Ok(chosen)) if chosen.replica_of.is_none() => {
                    return Ok(Chosen {
                        guard: Some(guard),
                        ..chosen
                    });
                }
                Some(end) => {
                    guard.release().await;
                    return end;
                }
                None => {
                    guard.release().await;
                    sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    async fn connected(&self) {
        while let Err(reason) = self.registry.connected(CONNECT_PATIENCE).await {
            warn!(reason = %chain(&reason), "waiting for zookeeper");
            self.progress("waiting for zookeeper");
        }
    }

    async fn locked(&self) -> Option<LockGuard> {
        match self
            .registry
            .lock(Lock::Bootstrap, &self.identity.addr.to_string(), LOCK_DEADLINE)
            .await
        {
            Ok(guard) => Some(guard),
            Err(LockError::Deadline { path, .. }) => {
                info!(%path, "another node is deciding its role; waiting");
                self.progress("waiting for the bootstrap lock");
                None
            }
            Err(reason) => {
                warn!(reason = %chain(&reason), "bootstrap lock not taken; trying again");
                sleep(LOOK_AGAIN).await;
                None
            }
        }
    }

    /// `None`: look again from the front door.
    async fn choose_locked(
        &self,
        began: Instant,
        last: &mut Option<WhyWait>,
    ) -> Option<Result<Chosen, Exit>> {
        loop {
            let seen = match self.observer.look().await {
                Ok(seen) => seen,
                Err(reason) => {
                    warn!(reason = %chain(&reason), "the group could not be read; looking again");
                    return None;
                }
            };
            match decide(&seen.view, began.elapsed()) {
                Plan::Wait(why) => {
                    if last.replace(why) != Some(why) {
                        info!(reason = ?why, "role not decided yet");
                        self.progress("waiting to decide a role");
                    }
                    sleep(LOOK_AGAIN).await;
                }
                Plan::Replica { of, why } => {
                    info!(role = "replica", master = %of, reason = ?why, "role decided");
                    return Some(Ok(Chosen {
                        replica_of: Some(of),
                        announce: None,
                        guard: None,
                    }));
                }
                Plan::Master { epoch, why } => return self.claim(seen, epoch, why).await,
                Plan::Promote { candidate, why } => {
                    info!(candidate = %describe(&candidate), reason = ?why, "having another node promoted");
                    match promote::promote(&self.observer, &candidate).await {
                        Ok(master) => info!(%master, "another node is master now"),
                        Err(reason) => warn!(reason = %chain(&reason), "nobody was promoted; looking again"),
                    }
                }
                Plan::Refuse(why) => return Some(Err(self.refuse(&why))),
            }
        }
    }

    async fn claim(&self, seen: Seen, epoch: Epoch, why: WhyMaster) -> Option<Result<Chosen, Exit>> {
        if let Err(reason) = act::claim(&self.registry, &seen, epoch, why).await {
            info!(reason = %chain(&reason), "not recorded as master; looking again");
            return None;
        }
        info!(role = "master", %epoch, reason = ?why, "role decided");
        let record = MasterRecord {
            addr: self.identity.addr.clone(),
            epoch,
        };
        let announce = match why {
            WhyMaster::RecordedIsGone => Some((Box::new(seen), record)),
            WhyMaster::FirstStart | WhyMaster::ResumeAlone => None,
        };
        Some(Ok(Chosen {
            replica_of: None,
            announce,
            guard: None,
        }))
    }

    fn refuse(&self, why: &WhyRefuse) -> Exit {
        let path = self.registry.tree().root();
        let own = &self.config.group.name;
        match why {
            WhyRefuse::OtherGroup(name) => {
                error!(%path, "the tree belongs to the group `{name}`, not to `{own}`; set MASTER_NAME={name}, or another ZK_ROOT for this group");
                Exit::Configuration
            }
            WhyRefuse::MasterDenies(master) => {
                error!(%master, "the master refuses our credentials; check REDIS_PASSWORD and REDIS_USER");
                Exit::Configuration
            }
        }
    }

    /// Waits for our Redis to answer, completes the record and registers.
    async fn serve(&self, chosen: Chosen, child: &Child) -> Registration {
        let Chosen {
            replica_of,
            announce,
            mut guard,
        } = chosen;
        let local = launch::local_addr(&self.config.network);
        let snapshot = loop {
            match self.dialer.probe(&local).await {
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
                Probe::Refused | Probe::Unreachable => sleep(Duration::from_millis(5)).await,
                Probe::Denied(reason) => {
                    error!(%reason, "our own redis refuses REDIS_PASSWORD; check the template's requirepass and users");
                    sleep(Duration::from_secs(1)).await;
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
        registration
    }

    fn died(&self, exit: supervisor::ChildExit) -> Exit {
        self.page.update(|status| status.phase = Phase::Stopping);
        error!(reason = %exit, code = exit.code(), "redis ended by itself; its last lines above say why");
        Exit::Child(exit)
    }

    /// The requested end: nobody is told to use us any more, then Redis saves and ends within the grace.
    async fn stop(&self, child: &Child, registration: Option<Registration>) -> Exit {
        let grace = self.config.stop_grace;
        info!(grace_ms = grace.as_millis(), "stopping");
        self.process.notifier.stopping();
        self.page.update(|status| status.phase = Phase::Stopping);
        if let Some(registration) = registration {
            registration.leave().await;
        }
        let gentle = launch::prepare_to_stop(&self.dialer, &self.config.network, grace);
        let grace = Grace {
            gentle: Duration::from_millis(500).min(grace / 4),
            whole: grace,
        };
        let exit = child.stop_gently(grace, gentle).await;
        info!(reason = %exit, "redis ended");
        Exit::after_stop(exit)
    }

    fn progress(&self, text: &str) {
        self.process.notifier.status(text);
        self.page.update(|status| {
            if let Phase::Starting { doing } = &mut status.phase {
                text.clone_into(doing);
            }
        });
    }
}
