//! The order of things, from the port to the exit code.
//!
//! Everything that can be refused is refused before anything is told. ZooKeeper that cannot be reached is no reason to end:
//! it may come, and until then the pages say so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use httpd::{Health, HttpError, Listener, Readiness};
use instance::{Dialer, InstanceError};
use program::{Process, refuse};
use registry::{Registry, RegistryError};
use supervisor::{Exit, Tasks};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use topology::MasterName;
use tracing::info;
use zkpaths::{Tree, ZkRoot};

use crate::config::Config;
use crate::hints::Hints;
use crate::lead::lead;
use crate::listen::{Listening, listen};
use crate::metrics::Metrics;
use crate::observe::Observer;
use crate::pace::Part;
use crate::pages;
use crate::situation::{Glance, Situation};
use crate::watch::{Ended, Watch};

/// How long the end may take at most, `STOP_GRACE` permitting; ZooKeeper gets two seconds of it, clients one, at the same time.
const END: Duration = Duration::from_secs(4);

/// Why the watcher does not run.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// The port.
    #[error("PORT0: the HTTP page cannot be served on port {port}")]
    Port {
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

/// Runs the watcher to its exit code.
pub async fn run(config: Config, process: Process) -> Exit {
    let tasks = Tasks::new(process.stop.token());
    let end = END.min(config.stop_grace);
    let exit = match begin(&config, &process, &tasks) {
        Ok((registry, watch)) => {
            let ended = watch.run(tasks.stop().clone()).await;
            process.notifier.stopping();
            tasks.stop().cancel();
            // The lock is released for others at once, while clients still read their answers.
            let _ = tokio::join!(tokio::time::timeout(end, registry.close()), tasks.shutdown(end));
            match ended {
                Ended::Stopped => Exit::Clean,
                Ended::OtherGroup { recorded } => {
                    let (ours, root) = (config.group.name.clone(), config.zookeeper.root.clone());
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

fn begin(config: &Config, process: &Process, tasks: &Tasks) -> Result<(Registry, Watch), (Refusal, Exit)> {
    let listener = httpd::bind_wildcard(config.port).map_err(|source| {
        let port = config.port;
        (Refusal::Port { port, source }, Exit::Unavailable)
    })?;
    let dialing = program::dialing(&config.credentials, config.tls.as_ref());
    let dialer = Dialer::new(dialing).map_err(|why| (Refusal::Dialing(why), Exit::Configuration))?;
    let connect = program::zookeeper(&config.zookeeper);
    let registry = Registry::start(connect, Tree::new(&config.zookeeper.root), tasks.tracker())
        .map_err(|why| (Refusal::ZooKeeper(why), Exit::Configuration))?;
    info!(address = %listener.local_addr(), name = %config.group.name, root = %config.zookeeper.root, "watching");
    let watch = start(config, process, tasks, listener, &registry, &dialer);
    process.notifier.ready();
    Ok((registry, watch))
}

/// Starts every task but the loop.
fn start(
    config: &Config,
    process: &Process,
    tasks: &Tasks,
    listener: Listener,
    registry: &Registry,
    dialer: &Dialer,
) -> Watch {
    let (stop, group) = (tasks.stop().clone(), config.group.name.clone());
    let hints = Arc::new(Hints::default());
    let (part, part_seen) = watch::channel(Part::Standby);
    let (subscribed, subscribed_seen) = watch::channel(BTreeSet::new());
    let (glance, glance_seen) = watch::channel(Arc::new(Glance::none(Instant::now())));
    let situation = Situation::follow(
        registry,
        group.clone(),
        part_seen.clone(),
        subscribed_seen,
        glance_seen,
    );
    let (metrics, numbers) = Metrics::new(situation.clone());
    let (health, health_seen) = watch::channel(Health::Alive {
        reason: "starting".to_owned(),
    });
    let (readiness, readiness_seen) = watch::channel(Readiness::NotReady {
        reason: "starting".to_owned(),
    });

    let listening = Listening {
        dialer: dialer.clone(),
        group: group.clone(),
        hints: hints.clone(),
        subscribed,
    };
    tasks.spawn(
        "listen",
        listen(listening, situation.sentinels.clone(), stop.clone()),
    );
    tasks.spawn(
        "lead",
        lead(registry.clone(), who(config.port), part, stop.clone()),
    );
    tasks.spawn("changes", changes(situation.clone(), hints.clone(), stop.clone()));
    let pulse = crate::health::pulse(
        situation.clone(),
        process.notifier.clone(),
        health,
        readiness,
        stop.clone(),
    );
    tasks.spawn("pulse", pulse);
    let router = pages::router(situation.clone(), health_seen, readiness_seen, numbers);
    tasks.spawn("pages", httpd::serve(listener, router, stop));

    let observer = Observer::new(registry.clone(), dialer, group, situation.sentinels);
    Watch::new(registry.clone(), observer, hints, part_seen, glance, metrics)
}

/// Turns what changes in ZooKeeper into hints.
async fn changes(mut situation: Situation, hints: Arc<Hints>, stop: CancellationToken) {
    loop {
        let seen = tokio::select! {
            () = stop.cancelled() => return,
            seen = situation.state.changed() => seen,
            seen = situation.master.changed() => seen,
            seen = situation.session.changed() => seen,
        };
        if seen.is_err() {
            // The registry has been closed: the end.
            return;
        }
        hints.look();
    }
}

/// How people who look into ZooKeeper recognise this watcher.
fn who(port: u16) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("watcher at {}:{port}, pid {}", host.trim(), std::process::id())
}
