//! The order of things, from the first line to the exit code.
//!
//! master → run id → seed → file → start → answer → register → tend → leave. Starting Sentinel again goes back to the
//! seed; the program itself ends only with its Sentinel, or because somebody asked. The registration goes before
//! the Sentinel does, so that nobody is sent to one that is about to end.

mod ending;
mod serving;

use std::convert::Infallible;
use std::time::Duration;

use instance::Dialer;
use program::{AdminPort, Farewell, Process, chain, port_is_free, refuse};
use registry::{Registration, Registry, Session};
use supervisor::{ChildExit, Exit, Tasks};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, warn};

use self::ending::leave;
use crate::admin::{Page, Phase};
use crate::config::Config;
use crate::join::{self, Held};
use crate::launch::{Launcher, Mute};
use crate::observe::{Observer, local_addr};
use crate::private::{Previous, Private};
use crate::recorded::NoRecord;
use crate::tend::Memory;
use crate::view::Seed;

const RETRY: Duration = Duration::from_millis(500);
/// What a wrapper before us may take beyond its grace.
const LEFT_OVER: Duration = Duration::from_secs(5);

/// Everything the rooms share.
struct Wrapper {
    config: Config,
    process: Process,
    observer: Observer,
    launcher: Launcher,
    previous: Previous,
    page: Page,
    memory: Memory,
}

/// What this Sentinel has in ZooKeeper.
struct Presence {
    held: Held,
    registration: Option<Registration>,
}

/// Why one run of the Sentinel is over.
enum Over {
    /// Somebody asked.
    Stop,
    /// It ended by itself.
    Ended(ChildExit),
    /// It cannot be spoken to.
    Mute(Mute),
    /// It lives and has stopped answering.
    Hung,
    /// It is to be started again, with this.
    Again(Seed, Option<Held>),
}

/// Runs the wrapper to its exit code.
pub async fn run(config: Config, process: Process) -> Exit {
    let tasks = Tasks::new(process.stop.token());
    let grace = config.stop_grace;
    let (exit, farewell) = match prepare(config, process, &tasks).await {
        Ok(mut wrapper) => {
            let (exit, farewell) = wrapper.live().await;
            // With the session goes everything that is still ours in ZooKeeper.
            let _ = timeout(farewell.left(), wrapper.observer.registry.close()).await;
            (exit, farewell)
        }
        Err(exit) => (exit, Farewell::begin(grace)),
    };
    tasks.stop().cancel();
    let failed = tasks.failure().is_some();
    let _ = tasks.shutdown(farewell.left()).await;
    if failed && exit == Exit::Clean {
        Exit::Internal
    } else {
        exit
    }
}

/// Shows whether the ZooKeeper session is up, before there is a look that would.
async fn show_session(page: &Page, mut session: watch::Receiver<Session>) -> Infallible {
    loop {
        let up = matches!(*session.borrow_and_update(), Session::Up { .. });
        page.update(|status| status.session_up = up);
        if session.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Everything that can be refused before ZooKeeper is asked.
async fn prepare(config: Config, process: Process, tasks: &Tasks) -> Result<Wrapper, Exit> {
    let (network, grace) = (&config.network, config.stop_grace);
    port_is_free(network).map_err(|problem| refuse(&problem, Exit::Unavailable))?;
    let taking = Private::take(&config.data_dir, network.port, grace + LEFT_OVER);
    let taken = process.stop.token().run_until_cancelled(taking).await;
    let private = taken
        .ok_or(Exit::Clean)?
        .map_err(|problem| refuse(&problem, Exit::CannotCreate))?;
    let mut previous = private.previous();
    previous.epoch = previous.epoch.max(private.clear_up(&config.group.name));
    let launcher =
        Launcher::new(&config, private).map_err(|problem| refuse(&problem, Exit::Configuration))?;
    let mut dialing = program::dialing(&config.credentials, config.tls.as_ref());
    dialing.sentinel.password = dialing.sentinel.password.or_else(|| launcher.template_password());
    if dialing.redis.password.is_none() {
        dialing.redis = launcher.template_credentials(&config.group.name);
    }
    let dialer = Dialer::new(dialing).map_err(|problem| refuse(&problem, Exit::Configuration))?;
    let tree = zkpaths::Tree::new(&config.zookeeper.root);
    let registry = Registry::start(program::zookeeper(&config.zookeeper), tree, tasks.tracker())
        .map_err(|problem| refuse(&problem, Exit::Configuration))?;
    let bind = match network.bind {
        settings::Bind::Wildcard => None,
        settings::Bind::Address(ip) => Some(ip),
    };
    let local = local_addr(bind, network.port);
    let (name, announce) = (config.group.name.clone(), network.announce.clone());
    let page = Page::new(name.clone(), announce.clone());
    if let Some(port) = network.admin_port {
        page.serve(port, tasks)
            .map_err(|source| refuse(&AdminPort::new(port, source), Exit::Unavailable))?;
    }
    let mut observer = Observer::new(registry, dialer, name, announce, local);
    observer.scripts = config.hooks.scripts.clone();
    Ok(Wrapper {
        config,
        process,
        observer,
        launcher,
        previous,
        page,
        memory: Memory::default(),
    })
}

impl Wrapper {
    /// The exit code, and what is left of the time to end in.
    async fn live(&mut self) -> (Exit, Farewell) {
        let stop = self.process.stop.token();
        let grace = self.config.stop_grace;
        let notifier = self.process.notifier.clone();
        let joining = notifier.waiting(self.join());
        let (held, mut seed) = match stop.run_until_cancelled(joining).await {
            None => return (self.unstarted(), Farewell::begin(grace)),
            Some(Err(exit)) => return (exit, Farewell::begin(grace)),
            Some(Ok(joined)) => joined,
        };
        let mut presence = Presence {
            held,
            registration: None,
        };
        loop {
            let child = match self.launcher.start(&seed, &self.process.children).await {
                Ok(child) => child,
                Err(problem) => return (refuse(&problem, Exit::CannotCreate), Farewell::begin(grace)),
            };
            let over = tokio::select! {
                biased;
                exit = child.exited() => Over::Ended(exit),
                () = stop.cancelled() => Over::Stop,
                over = self.serve(&child, &mut presence) => over,
            };
            let farewell = Farewell::begin(grace);
            let exit = match over {
                Over::Stop => self.stop(&child, presence, farewell).await,
                Over::Ended(exit) => self.ended(exit).await,
                Over::Mute(problem) => self.mute(&problem, &child, presence, farewell).await,
                Over::Hung => self.hung(&child).await,
                Over::Again(next, held) => {
                    // First its end: while it ends it may still rewrite the file.
                    let ended = stop.run_until_cancelled(child.stop(grace)).await;
                    if ended.is_none() || stop.is_cancelled() {
                        let farewell = Farewell::begin(grace);
                        return (self.stop(&child, presence, farewell).await, farewell);
                    }
                    self.page.metrics.restarts.inc();
                    seed = self.reseed(next);
                    if let Some(held) = held {
                        let before = std::mem::replace(&mut presence.held, held);
                        leave(before.slot, RETRY).await;
                    }
                    continue;
                }
            };
            return (exit, farewell);
        }
    }

    /// The seed was gathered while the Sentinel ran: it may have voted since. Its file says so.
    fn reseed(&self, seed: Seed) -> Seed {
        let epoch = seed.epoch.max(self.launcher.private().previous().epoch);
        Seed { epoch, ..seed }
    }

    /// Waits for a master and takes a run id, through any outage of ZooKeeper.
    async fn join(&mut self) -> Result<(Held, Seed), Exit> {
        let deadline = self.config.master_wait.map(|wait| Instant::now() + wait);
        self.doing("waiting for a master");
        let mut held = None;
        let mut said = false;
        loop {
            let session = self.observer.registry.session();
            let found = tokio::select! {
                found = join::master(&mut self.observer, deadline) => found,
                never = show_session(&self.page, session) => match never {},
            };
            if let Err(NoRecord::OtherGroup(theirs)) = &found {
                let (path, own) = (self.observer.registry.tree().root(), &self.config.group.name);
                error!(%path, "the tree belongs to the group `{theirs}`, not to `{own}`; set MASTER_NAME={theirs}, or another ZK_ROOT for this group");
                return Err(Exit::Configuration);
            }
            if let Err(reason) = found {
                let waited = self.config.master_wait.unwrap_or_default();
                error!(elapsed_ms = waited.as_millis(), %reason, "no master within MASTER_WAIT; giving up");
                return Err(Exit::GaveUp);
            }
            self.doing("taking a run id");
            match self.joined(&mut held).await {
                Ok(seed) => return held.map(|held| (held, seed)).ok_or(Exit::Internal),
                Err(problem) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    error!(reason = %chain(&*problem), "not ready to start within MASTER_WAIT; giving up");
                    return Err(Exit::GaveUp);
                }
                Err(problem) => {
                    if !std::mem::replace(&mut said, true) {
                        warn!(reason = %chain(&*problem), "not ready to start; trying on");
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn joined(
        &mut self,
        held: &mut Option<Held>,
    ) -> Result<Seed, Box<dyn std::error::Error + Send + Sync>> {
        let timeout = self.config.zookeeper.session_timeout;
        let held = match held {
            Some(held) => held,
            none => {
                none.insert(join::identity(&mut self.observer, self.previous.id.as_ref(), timeout).await?)
            }
        };
        // Whoever has had this run id before may have voted; only its own file, or its peers, know.
        Ok(self.observer.seed(&held.id, self.previous.epoch).await?)
    }

    fn doing(&self, doing: &str) {
        self.page.update(|status| {
            status.phase = Phase::Starting {
                doing: doing.to_owned(),
            }
        });
        self.process.notifier.status(doing);
    }
}
