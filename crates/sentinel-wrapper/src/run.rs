//! The order of things, from the first line to the exit code.
//!
//! master → run id → seed → file → start → answer → register → tend → leave. Starting Sentinel again goes back to the
//! seed; the program itself ends only with its Sentinel, or because somebody asked. The registration goes before
//! the Sentinel does, so that nobody is sent to one that is about to end.

mod ending;

use std::future::pending;
use std::time::Duration;

use instance::Dialer;
use program::{Process, chain, port_is_free, refuse};
use registry::{Registration, Registry};
use supervisor::{Child, ChildExit, Exit, Tasks};
use tokio::time::{Instant, interval, sleep, sleep_until};
use tracing::{error, info, warn};
use uuid::Uuid;

use self::ending::leave;
use crate::admin::{Page, Phase};
use crate::config::Config;
use crate::join::{self, Held};
use crate::launch::{self, Launcher, Mute};
use crate::observe::{Observer, local_addr};
use crate::private::{Previous, Private};
use crate::tend::{Look, Memory, Need};
use crate::view::Seed;

const TASKS_DEADLINE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(500);

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
    /// It is to be started again, with this.
    Again(Seed, Option<Held>),
}

/// Runs the wrapper to its exit code.
pub async fn run(config: Config, process: Process) -> Exit {
    let tasks = Tasks::new(process.stop.token());
    let exit = match prepare(config, process, &tasks) {
        Ok(mut wrapper) => {
            let exit = wrapper.live().await;
            wrapper.observer.registry.close().await;
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

/// Everything that can be refused before ZooKeeper is asked.
fn prepare(config: Config, process: Process, tasks: &Tasks) -> Result<Wrapper, Exit> {
    let network = &config.network;
    port_is_free(network).map_err(|problem| refuse(&problem, Exit::Unavailable))?;
    let private = Private::take(&config.data_dir, network.port)
        .map_err(|problem| refuse(&problem, Exit::CannotCreate))?;
    let previous = private.previous();
    let launcher =
        Launcher::new(&config, private).map_err(|problem| refuse(&problem, Exit::Configuration))?;
    let mut dialing = program::dialing(&config.credentials, config.tls.as_ref());
    dialing.sentinel.password = dialing.sentinel.password.or_else(|| launcher.template_password());
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
            .map_err(|problem| refuse(&problem, Exit::Unavailable))?;
    }
    let observer = Observer::new(registry, dialer, name, announce, local);
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
    async fn live(&mut self) -> Exit {
        let stop = self.process.stop.token();
        let (held, mut seed) = match stop.run_until_cancelled(self.join()).await {
            None => return Exit::Clean,
            Some(Err(exit)) => return exit,
            Some(Ok(joined)) => joined,
        };
        let mut presence = Presence {
            held,
            registration: None,
        };
        loop {
            let child = match self.launcher.start(&seed, &self.process.children).await {
                Ok(child) => child,
                Err(problem) => return refuse(&problem, Exit::CannotCreate),
            };
            let over = tokio::select! {
                biased;
                exit = child.exited() => Over::Ended(exit),
                () = stop.cancelled() => Over::Stop,
                over = self.serve(&child, &mut presence) => over,
            };
            match over {
                Over::Stop => return self.stop(&child, presence).await,
                Over::Ended(exit) => return self.ended(exit, presence).await,
                Over::Mute(problem) => return self.mute(&problem, &child, presence).await,
                Over::Again(next, held) => {
                    // First its end: while it ends it may still rewrite the file.
                    child.stop(self.config.stop_grace).await;
                    self.page.metrics.restarts.inc();
                    seed = next;
                    if let Some(held) = held {
                        let before = std::mem::replace(&mut presence.held, held);
                        leave(before.slot).await;
                    }
                }
            }
        }
    }

    /// Waits for a master and takes a run id, through any outage of ZooKeeper.
    async fn join(&mut self) -> Result<(Held, Seed), Exit> {
        let deadline = self.config.master_wait.map(|wait| Instant::now() + wait);
        self.doing("waiting for a master");
        let mut held = None;
        let mut said = false;
        loop {
            if let Err(reason) = join::master(&mut self.observer, deadline).await {
                let waited = self.config.master_wait.unwrap_or_default();
                error!(elapsed_ms = waited.as_millis(), %reason, "no master in time; giving up");
                return Err(Exit::GaveUp);
            }
            self.doing("taking a run id");
            match self.joined(&mut held).await {
                Ok(seed) => return held.map(|held| (held, seed)).ok_or(Exit::Internal),
                Err(problem) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    error!(reason = %chain(&*problem), "zookeeper stayed away; giving up");
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

    /// From the start of Sentinel to the need of another.
    async fn serve(&mut self, child: &Child, presence: &mut Presence) -> Over {
        let begun = Instant::now();
        if let Err(problem) = launch::answering(&self.observer, &presence.held.id).await {
            return Over::Mute(problem);
        }
        info!(
            pid = child.pid(),
            elapsed_ms = begun.elapsed().as_millis(),
            "sentinel answers"
        );
        let data = zkpaths::encode_address(&self.observer.announce);
        presence.held.slot.update(data.clone());
        let registry = &self.observer.registry;
        let registration = presence
            .registration
            .get_or_insert_with(|| registry.register(registry.tree().sentinel(Uuid::new_v4()), data));
        let id = presence.held.id.clone();
        self.page.update(|status| {
            status.phase = Phase::Serving;
            status.answers = true;
            status.id = Some(id);
        });
        self.process.notifier.ready();
        self.process.notifier.status("sentinel answers");
        self.tend(&presence.held, registration).await
    }

    async fn tend(&mut self, held: &Held, registration: &Registration) -> Over {
        let mut slot = held.slot.status();
        let mut registered = registration.status();
        let mut session = self.observer.registry.session();
        let mut watchdog = self.process.notifier.watchdog_interval().map(interval);
        loop {
            let look = Look {
                observer: &mut self.observer,
                memory: &mut self.memory,
                page: &self.page,
                id: &held.id,
                slot: &held.slot,
                registration,
            };
            let need = look.take().await;
            self.process.notifier.watchdog();
            if let Some(need) = need
                && let Some(over) = self.again(need, held).await
            {
                return over;
            }
            let next = self.memory.next_look(Instant::now());
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.observer.record_changed() => {}
                Ok(()) = slot.changed() => {}
                Ok(()) = registered.changed() => {}
                Ok(()) = session.changed() => {}
                () = tick(&mut watchdog) => {}
            }
        }
    }

    /// Gathers what the next run needs while the present one still serves. Without it, all stays as it is.
    async fn again(&mut self, need: Need, held: &Held) -> Option<Over> {
        self.memory.tried();
        let timeout = self.config.zookeeper.session_timeout;
        let gathered = async {
            let (id, other) = match need {
                Need::Restart(_) => (held.id.clone(), None),
                Need::Identity => {
                    error!(id = %held.id, "another sentinel took this run id while zookeeper was away");
                    let other = join::identity(&mut self.observer, None, timeout).await?;
                    warn!(id = %other.id, "sentinel is started again under another run id");
                    (other.id.clone(), Some(other))
                }
            };
            let known = self.previous.epoch.max(self.launcher.private().previous().epoch);
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((self.observer.seed(&id, known).await?, other))
        };
        match gathered.await {
            Ok((seed, other)) => Some(Over::Again(seed, other)),
            Err(problem) => {
                warn!(reason = %chain(&*problem), "sentinel cannot be started again now");
                None
            }
        }
    }
}

async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(interval) => drop(interval.tick().await),
        None => pending().await,
    }
}
