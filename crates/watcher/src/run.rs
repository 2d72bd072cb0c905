//! The order of things, from the port to the exit code.
//!
//! Everything that can be refused is refused before anything is told. ZooKeeper that cannot be reached is no reason to end:
//! it may come, and until then the pages say so.

use std::sync::Arc;
use std::time::Duration;

use httpd::{Health, HttpError, Listener, Readiness};
use instance::{Dialer, InstanceError};
use program::{Process, refuse};
use registry::{Registry, RegistryError};
use sinks::Board;
use supervisor::{Exit, Tasks};
use tokio::sync::{mpsc, watch};
use topology::{Addr, MasterName};
use tracing::info;
use zkpaths::{Tree, ZkRoot};

use crate::census::{Ledger, census};
use crate::config::{Config, Listen, Source, WatchedGroup};
use crate::feed::feed;
use crate::group::{Ears, Shared, Watched};
use crate::happy;
use crate::known::Known;
use crate::lines::Lines;
use crate::listen::{Listening, listen};
use crate::metrics::Metrics;
use crate::pages;
use crate::recorder::{Memory, Recorder};
use crate::situation::Situation;
use crate::tell;
use crate::watch::{Ended, Watch};

/// How long the end may take at most, `STOP_GRACE` permitting; ZooKeeper gets two seconds of it, clients one, at the same time.
const END: Duration = Duration::from_secs(4);

/// Why the watcher does not run.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// The port.
    #[error("{setting}: the HTTP page cannot be served on port {port}")]
    Port {
        setting: &'static str,
        port: u16,
        #[source]
        source: HttpError,
    },
    /// The settings of ZooKeeper.
    #[error("ZooKeeper can never be reached like this")]
    ZooKeeper(#[source] RegistryError),
    /// The settings of the connections to Sentinels and Redis nodes.
    #[error("Sentinels and Redis nodes can never be reached like this")]
    Dialing(#[source] InstanceError),
    /// Another group lives there.
    #[error(
        "MASTER_NAME is `{ours}`, but the tree at {root} belongs to the group `{recorded}`; give each group a tree of its \
         own with ZK_ROOT, for example ZK_ROOT=/redis/{ours}"
    )]
    OtherGroup {
        ours: MasterName,
        root: ZkRoot,
        recorded: MasterName,
    },
}

type Sentinels = Arc<std::collections::BTreeMap<Addr, happy::pages::Heard>>;

/// Runs the watcher to its exit code.
pub async fn run(config: Config, process: Process) -> Exit {
    let tasks = Tasks::new(process.stop.token());
    let end = END.min(config.stop_grace);
    let exit = match begin(&config, &process, &tasks) {
        Ok((registry, loops)) => {
            let ended = turn(loops, &tasks).await;
            process.notifier.stopping();
            tasks.stop().cancel();
            // The lock is released for others at once, while clients still read their answers.
            let close = async {
                if let Some(registry) = &registry {
                    let _ = tokio::time::timeout(end, registry.close()).await;
                }
            };
            let _ = tokio::join!(close, tasks.shutdown(end));
            match ended {
                None => Exit::Clean,
                Some((group, recorded)) => {
                    let (ours, root) = (group.name, group.root);
                    refuse(&Refusal::OtherGroup { ours, root, recorded }, Exit::Configuration)
                }
            }
        }
        Err((why, exit)) => {
            let _ = tasks.shutdown(end).await;
            refuse(&why, exit)
        }
    };
    if tasks.failure().is_some() {
        Exit::Internal
    } else {
        exit
    }
}

type Loops = Vec<(WatchedGroup, Watch)>;

/// Turns every group's loop until the end; returns the group whose tree is another group's, where that is the reason.
async fn turn(loops: Loops, tasks: &Tasks) -> Option<(WatchedGroup, MasterName)> {
    let (tell, mut told) = mpsc::channel(1);
    for (group, watch) in loops {
        let (tell, stop) = (tell.clone(), tasks.stop().clone());
        tasks.spawn("watch", async move {
            match watch.run(stop).await {
                Ended::Stopped => {}
                Ended::OtherGroup { recorded } => drop(tell.try_send((group, recorded))),
            }
        });
    }
    drop(tell);
    tokio::select! {
        () = tasks.stop().cancelled() => None,
        told = told.recv() => told,
    }
}

fn begin(
    config: &Config,
    process: &Process,
    tasks: &Tasks,
) -> Result<(Option<Registry>, Loops), (Refusal, Exit)> {
    let listener = match config.listen {
        Listen::Everywhere(port) => httpd::bind_wildcard(port),
        Listen::At(addr) => httpd::bind(addr),
    };
    let listener = listener.map_err(|source| {
        let port = config.listen.port();
        let setting = if config.happy.is_some() {
            "-bind, BIND or PORT"
        } else {
            "PORT0"
        };
        (
            Refusal::Port {
                setting,
                port,
                source,
            },
            Exit::Unavailable,
        )
    })?;
    let mut dialing = program::dialing(&config.credentials, config.tls.as_ref());
    if let Some(asked) = config.happy.as_ref().and_then(|happy| happy.keep_alive) {
        dialing.keep_alive = Some(asked);
    }
    let dialer = Dialer::new(dialing).map_err(|why| (Refusal::Dialing(why), Exit::Configuration))?;
    let shared = Shared {
        tasks,
        lines: Lines::new(dialer.within(crate::observe::DEADLINE)),
        board: Board::new(config.groups.iter().map(|group| group.name.clone()).collect()),
        who: format!(
            "watcher at {}, pid {}",
            place(config.listen.port()),
            std::process::id()
        ),
        max_lag: config.max_lag,
    };
    let heard = watch::Sender::new(Arc::default());
    let heard_seen = heard.subscribe();
    let (registry, watched) = match &config.source {
        Source::ZooKeeper(zookeeper) => {
            let connect = program::zookeeper(zookeeper);
            let trees = config.groups.iter().map(|group| Tree::new(&group.root)).collect();
            let registries = Registry::start_all(connect, trees, tasks.tracker())
                .map_err(|why| (Refusal::ZooKeeper(why), Exit::Configuration))?;
            let watch = |(group, registry): (&WatchedGroup, &Registry)| {
                shared.start(Recorder::ZooKeeper(registry.clone()), group, None)
            };
            let watched: Vec<Watched> = config.groups.iter().zip(&registries).map(watch).collect();
            (registries.into_iter().next(), watched)
        }
        Source::Sentinels(sentinels) => (None, by_census(&shared, &config.groups, sentinels, heard)),
    };
    for group in &config.groups {
        let root = registry.as_ref().map(|_| group.root.to_string());
        info!(address = %listener.local_addr(), name = %group.name, root, "watching");
    }
    let happy = config.happy.as_ref().map(|settings| happy::pages::Shown {
        settings: Arc::new(settings.clone()),
        pictures: shared.board.pictures(),
        sentinels: heard_seen,
    });
    let loops = start(config, process, &shared, listener, watched, happy);
    process.notifier.ready();
    Ok((registry, loops))
}

/// Without ZooKeeper: one ear for each Sentinel, whichever groups it watches, and a memory for each group.
fn by_census(
    shared: &Shared<'_>,
    groups: &[WatchedGroup],
    sentinels: &[Addr],
    heard: watch::Sender<Sentinels>,
) -> Vec<Watched> {
    let (tasks, stop) = (shared.tasks, shared.tasks.stop().clone());
    let memories: Vec<Memory> = groups.iter().map(|_| Memory::new()).collect();
    let ears = Ears::of(groups);
    let all = Memory::new();
    let listening = Listening {
        dialer: shared.lines.dialer().clone(),
        hints: Arc::new(ears.hints.clone()),
        subscribed: ears.subscribed.clone(),
    };
    tasks.spawn("listen", listen(listening, all.sentinels(), stop.clone()));
    let named = groups.iter().map(|group| group.name.clone());
    let ledger = Ledger {
        groups: named.zip(memories.iter().cloned()).collect(),
        all,
        heard,
    };
    let counting = census(sentinels.to_vec(), ledger, shared.lines.clone(), stop);
    tasks.spawn("census", counting);
    let watch = |(group, memory)| shared.start(Recorder::Memory(memory), group, Some(&ears));
    groups.iter().zip(memories).map(watch).collect()
}

/// Starts what the groups have in common: pages, health, sinks.
fn start(
    config: &Config,
    process: &Process,
    shared: &Shared<'_>,
    listener: Listener,
    watched: Vec<Watched>,
    happy: Option<happy::pages::Shown>,
) -> Loops {
    let (tasks, stop) = (shared.tasks, shared.tasks.stop().clone());
    let situations: Vec<Situation> = watched.iter().map(|group| group.situation.clone()).collect();
    let (health, health_seen) = watch::channel(Health::Alive {
        reason: "starting".to_owned(),
    });
    let (readiness, readiness_seen) = watch::channel(Readiness::NotReady {
        reason: "starting".to_owned(),
    });
    let standings = situations.first().map(|first| {
        tell::start(
            &config.sinks,
            &shared.board,
            first,
            &place(config.listen.port()),
            &process.children,
            tasks,
        )
    });
    let known = Known::new(situations.clone(), standings.unwrap_or_default());
    let (metrics, numbers) = Metrics::new(known.clone());
    let pulse = crate::health::pulse(
        situations,
        process.notifier.clone(),
        health,
        readiness,
        stop.clone(),
    );
    tasks.spawn("pulse", pulse);
    let sources = pages::Sources {
        health: health_seen,
        readiness: readiness_seen,
        numbers,
        happy,
    };
    let token = config.token.as_ref().map(settings::Secret::expose);
    let pages = pages::pages(&known, sources, token);
    tasks.spawn("pages", httpd::serve(listener, pages, stop.clone()));
    tasks.spawn("feed", feed(known, metrics.clone(), stop));
    let of = |(group, watched): (&WatchedGroup, Watched)| {
        let watch = watched.watch(shared.lines.clone(), metrics.of(&group.name));
        (group.clone(), watch)
    };
    config.groups.iter().zip(watched).map(of).collect()
}

/// Which watcher this is, also after a restart.
fn place(port: u16) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{port}", host.trim())
}
