//! The order of things, from the first line to the exit code.
//!
//! connect → lock → observe → decide → record → start → answer → settle → register → unlock → keep → stop. A wait or a lost
//! race goes back to *observe*: there is no other way back. Redis itself is touched by nothing that happens to ZooKeeper.

use std::sync::Arc;
use std::time::Duration;

use failover::{Durability, Links, Mover};
use instance::{Dialer, Probe, ShutdownMode};
use program::{AdminPort, Farewell, Process, port_is_free, refuse};
use registry::{Registration, Registry};
use supervisor::{Child, Exit, Grace, Tasks};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use topology::Addr;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::admin::{Page, Phase};
use crate::checks::Checks;
use crate::complaints::Complaints;
use crate::config::Config;
use crate::disk::Layout;
use crate::keep::Accepted;
use crate::launch::{self, Basis, Launch};
use crate::member::Identity;
use crate::node::NodeKeeper;
use crate::observe::Observer;
use crate::pulse;
use crate::rehearsal::rehearse;
use crate::salvage;
use crate::succession;
use crate::tend::Tending;
use crate::users;
use crate::vigil::Vigil;
use crate::workdir::WorkDir;

const TASKS_DEADLINE: Duration = Duration::from_millis(500);
/// A session closes in milliseconds or, where ZooKeeper hangs, ends by itself.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
pub(crate) const STOP_SLACK: Duration = Duration::from_millis(100);

/// Everything the rooms share.
pub(crate) struct Wrapper {
    pub(crate) config: Config,
    pub(crate) process: Process,
    pub(crate) registry: Registry,
    pub(crate) dialer: Dialer,
    pub(crate) observer: Observer,
    pub(crate) mover: Mover,
    pub(crate) basis: Basis,
    pub(crate) work: WorkDir,
    pub(crate) page: Arc<Page>,
    pub(crate) tasks: Tasks,
    pub(crate) identity: Identity,
    pub(crate) node: NodeKeeper,
    /// Our Redis has been made a replica before it ends: its lease is over, and one that saves its data is not to be killed
    /// because it does not answer meanwhile.
    pub(crate) relieved: CancellationToken,
}

/// Runs the wrapper to its exit code.
pub async fn run(config: Config, process: Process) -> Exit {
    let tasks = Tasks::new(process.stop.token());
    let grace = config.stop_grace;
    let (exit, farewell) = match prepare(config, process, &tasks).await {
        Ok(wrapper) => {
            let (exit, farewell) = wrapper.live().await;
            let _ = timeout(CLOSE_DEADLINE.min(farewell.left()), wrapper.registry.close()).await;
            (exit, farewell)
        }
        Err(exit) => (exit, Farewell::begin(grace)),
    };
    tasks.stop().cancel();
    let failed = tasks.failure().is_some();
    let _ = tasks.shutdown(TASKS_DEADLINE.min(farewell.left())).await;
    if failed && exit == Exit::Clean {
        Exit::Internal
    } else {
        exit
    }
}

/// Everything that can be refused before the first znode is read.
async fn prepare(config: Config, process: Process, tasks: &Tasks) -> Result<Wrapper, Exit> {
    let basis = Basis::read(&config).map_err(|e| refuse(&e, Exit::Configuration))?;
    let work = launch::take_directory(&config, &basis, &process).await?;
    users::check(&config, &basis.template, &work).map_err(|e| refuse(&e, Exit::Configuration))?;
    port_is_free(&config.network).map_err(|reason| refuse(&reason, Exit::Unavailable))?;
    let launch = Launch {
        config: &config,
        basis: &basis,
        work: &work,
        children: &process.children,
    };
    let stop = process.stop.token();
    let rehearsed = stop.run_until_cancelled(rehearse(&launch)).await;
    rehearsed.unwrap_or(Err(Exit::Clean))?;
    let dialer = Dialer::new(launch::dial_settings(&config, &basis.template))
        .map_err(|e| refuse(&e, Exit::Configuration))?;
    let connect = program::zookeeper(&config.zookeeper);
    let tree = zkpaths::Tree::new(&config.zookeeper.root);
    let registry =
        Registry::start(connect, tree, tasks.tracker()).map_err(|e| refuse(&e, Exit::Configuration))?;
    let announce = config.network.announce.clone();
    let admin = config
        .network
        .admin_port
        .and_then(|port| Addr::new(announce.host(), port).ok());
    let layout = Layout::of(&basis.template, &work.data);
    let node = NodeKeeper::new(registry.clone(), announce.clone(), layout);
    let identity = Identity {
        id: Uuid::new_v4(),
        node: node.id().id,
        addr: announce,
        admin,
    };
    let observer = Observer {
        registry: registry.clone(),
        dialer: dialer.clone(),
        identity: identity.clone(),
        name: config.group.name.clone(),
        complaints: Complaints::default(),
        session: config.zookeeper.session_timeout,
    };
    let links = Links::new(dialer.clone());
    let durability = match config.durability {
        settings::Durability::Async => Durability::Async,
        settings::Durability::Quorum => Durability::Quorum,
    };
    let by = identity.addr.to_string();
    let name = config.group.name.clone();
    let mover = Mover::new(registry.clone(), links, name, by, durability);
    let page = Arc::new(Page::new());
    if let Some(port) = config.network.admin_port {
        let local = launch::local_addr(&config.network);
        let me = identity.addr.clone();
        let checks = Checks::new(&registry, &dialer, &local, me, page.clone());
        page.serve(port, checks.router(), tasks)
            .map_err(|source| refuse(&AdminPort::new(port, source), Exit::Unavailable))?;
    }
    Ok(Wrapper {
        config,
        process,
        registry,
        dialer,
        observer,
        mover,
        basis,
        work,
        page,
        tasks: tasks.clone(),
        identity,
        node,
        relieved: CancellationToken::new(),
    })
}

impl Wrapper {
    /// The exit code, and what is left of the time to end in.
    async fn live(&self) -> (Exit, Farewell) {
        let stop = self.process.stop.token();
        let choosing = self.process.notifier.waiting(Box::pin(self.choose()));
        let chosen = match stop.run_until_cancelled(choosing).await {
            None => return (Exit::Clean, self.farewell()),
            Some(Err(exit)) => return (exit, self.farewell()),
            Some(Ok(chosen)) => chosen,
        };
        if let Some((epoch, why)) = chosen.salvage {
            let kept = salvage::before_start(&self.node, epoch, why, &self.page.metrics);
            self.process.notifier.waiting(kept).await;
        }
        let launch = Launch {
            config: &self.config,
            basis: &self.basis,
            work: &self.work,
            children: &self.process.children,
        };
        let child = match launch.start(chosen.replica_of.as_ref()).await {
            Ok(child) => child,
            Err(reason) => return (refuse(&reason, Exit::CannotCreate), self.farewell()),
        };
        self.keep_lease(&child);
        let claim = chosen.claimed.as_ref().map(Accepted::from);
        tokio::select! {
            exit = child.exited() => {
                let farewell = self.farewell();
                (self.died(exit).await, farewell)
            }
            () = stop.cancelled() => self.stop(&child, None).await,
            served = self.serve(chosen, &child) => match served {
                Ok(registration) => self.stay(&child, registration, claim).await,
                Err(exit) => (exit, self.stop(&child, None).await.1),
            },
        }
    }

    /// From here on only the child's end or a stop ends the program.
    async fn stay(
        &self,
        child: &Child,
        registration: Registration,
        claim: Option<Accepted>,
    ) -> (Exit, Farewell) {
        let stop = self.process.stop.token();
        let mut tending = Tending::new(self, &registration, claim);
        let mut vigil = Vigil::new(self, &self.mover, &self.page.metrics.moves);
        let exit = tokio::select! {
            exit = child.exited() => Some(exit),
            () = stop.cancelled() => None,
            () = tending.tend() => None,
            () = self.node.keep() => None,
            () = vigil.keep() => None,
            () = pulse::watch(self, &self.mover, child) => None,
        };
        match exit {
            Some(exit) => {
                let farewell = self.unless_stopped(self.have_it_replaced()).await;
                let _ = timeout(farewell.for_goodbye(Instant::now()), registration.leave()).await;
                (self.died(exit).await, farewell)
            }
            None => self.stop(child, Some(registration)).await,
        }
    }

    /// Lets `work` come to its end, or, where a stop is asked meanwhile, have no more than that leaves it.
    async fn unless_stopped(&self, work: impl Future<Output = ()>) -> Farewell {
        let mut work = std::pin::pin!(work);
        let stop = self.process.stop.token();
        let done = tokio::select! {
            () = &mut work => true,
            () = stop.cancelled() => false,
        };
        let farewell = self.farewell();
        if !done {
            let _ = timeout(farewell.for_child(Instant::now()), work).await;
        }
        farewell
    }

    /// The end that begins now.
    fn farewell(&self) -> Farewell {
        Farewell::begin(self.config.stop_grace)
    }

    /// The child's end that we did not ask for. Some platforms signal the whole process tree at once, and Redis may be
    /// quicker than our own handler: then it was asked for after all.
    async fn died(&self, exit: supervisor::ChildExit) -> Exit {
        self.page.update(|status| status.phase = Phase::Stopping);
        let asked = self.process.stop.token().cancelled_owned();
        if timeout(STOP_SLACK, asked).await.is_ok() {
            info!(reason = %exit, "redis ended");
            return Exit::after_stop(exit);
        }
        if exit.code() == 0 {
            warn!(reason = %exit, "somebody else shut redis down (SHUTDOWN, or a signal); the wrapper ends with it");
        } else {
            error!(reason = %exit, code = exit.code(), "redis ended by itself; its last lines above say why");
        }
        Exit::Child(exit)
    }

    /// The requested end: nobody is told to use us any more, then Redis saves and ends within the grace.
    async fn stop(&self, child: &Child, registration: Option<Registration>) -> (Exit, Farewell) {
        let grace = self.config.stop_grace;
        let farewell = self.farewell();
        info!(grace_ms = grace.as_millis(), "stopping");
        self.process.notifier.stopping();
        let master = registration.as_ref().and_then(|_| self.as_master());
        self.page.update(|status| status.phase = Phase::Stopping);
        let gentle = match (&registration, &master) {
            (Some(_), Some(_)) => succession::HANDOVER.min(grace * 3 / 5),
            (Some(_), None) => Duration::from_millis(500).min(grace / 4),
            (None, _) => grace / 2,
        };
        // What is left after the child is for ZooKeeper, so that the whole stays within the grace.
        let whole = farewell.for_child(Instant::now());
        let goodbye = async {
            if master.is_some() {
                self.hand_over(child, gentle).await;
            }
            match registration {
                // With ZooKeeper away there is nobody to say goodbye to, and the session ends by itself.
                Some(registration) => registration.leave().await,
                None => self.heard_by_redis().await,
            }
            launch::prepare_to_stop(&self.dialer, &self.config.network, whole).await;
            // Told to end, Redis takes no write any more, and does not hear the fence while it saves: nobody kills it for that.
            self.relieved.cancel();
        };
        let exit = tokio::select! {
            exit = child.stop_gently(Grace { whole, gentle }, goodbye) => exit,
            exit = self.insist(child) => exit,
        };
        info!(reason = %exit, "redis ended");
        if exit.code() == 0 {
            // The session's end has its share too.
            self.node.stopped_cleanly(farewell.left() / 2).await;
        }
        (Exit::after_stop(exit), farewell)
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
