//! The sinks: which there are by the settings, and a task for each.
//!
//! HAProxy and commands are local to a watcher, so each watcher tells its own. Consul and webhooks are shared by all, so
//! the leader tells them: of several groups, whoever leads the first one.

use std::time::{Duration, Instant};

use registry::Session;
use settings::vars::{self, Kind};
use sinks::haproxy::{File, FileSink, Runtime, RuntimeSink};
use sinks::{
    Board, CommandSink, ConsulConfig, ConsulPart, ConsulSink, Gate, HttpSetupError, Shell, Sink, Standing,
    Terms, WebhookSink, keep,
};
use supervisor::{Children, Tasks};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::config::{ConsulSettings, SinkSettings};
use crate::pace::Part;
use crate::situation::Situation;

/// How long one exchange with a HAProxy may take.
const EXCHANGE: Duration = Duration::from_millis(500);
/// How HAProxy's Runtime API is treated: a look costs it nothing, and it forgets everything when it is restarted.
const RUNTIME: Terms = Terms {
    deadline: Duration::from_secs(3),
    every: Duration::from_secs(1),
    ceiling: Duration::from_secs(1),
};

/// How long one request to Consul may take.
const CONSUL_REQUEST: Duration = Duration::from_secs(2);
/// How Consul is treated: it is asked, and written only where it differs.
fn consul_terms(groups: usize) -> Terms {
    // Eight groups at a time, each with up to four requests for a part.
    let rounds = u32::try_from(groups.div_ceil(8)).unwrap_or(u32::MAX);
    Terms {
        deadline: (CONSUL_REQUEST * 4).saturating_mul(rounds.max(1)),
        every: Duration::from_secs(10),
        ceiling: Duration::from_secs(10),
    }
}

/// Starts sinks, and keeps how each stands.
struct Sinks<'a> {
    board: &'a Board,
    tasks: &'a Tasks,
    standings: Vec<watch::Receiver<Standing>>,
}

/// Starts every sink, and returns how each stands.
pub(crate) fn start(
    settings: &SinkSettings,
    board: &Board,
    first: &Situation,
    who: &str,
    children: &Children,
    tasks: &Tasks,
) -> Vec<watch::Receiver<Standing>> {
    let (part, session) = (first.part.clone(), first.session.clone());
    let (gate, shared) = watch::channel(gate_of(*part.borrow()));
    // Never shut; its sender may go, as nothing will change.
    let local = watch::Sender::new(Gate::Open);
    let groups = board.pictures().borrow().awaited.len();
    let mut sinks = Sinks {
        board,
        tasks,
        standings: Vec::new(),
    };
    for socket in settings.haproxy.iter().flat_map(|haproxy| &haproxy.sockets) {
        let Some(haproxy) = &settings.haproxy else {
            continue;
        };
        let sink = RuntimeSink::new(Runtime {
            socket: socket.clone(),
            master: haproxy.master.clone(),
            replicas: haproxy.replicas.clone(),
            deadline: EXCHANGE,
        });
        sinks.start(sink.name(), sink, RUNTIME, local.subscribe());
    }
    if let Some(file) = &settings.haproxy_file {
        let file = File {
            template: file.template.clone(),
            output: file.output.clone(),
            check: file.check.clone(),
            reload: file.reload.clone(),
            deadline: settings.timeout,
        };
        let sink = FileSink::new(file, shell(children), Instant::now());
        let terms = Terms {
            deadline: sink.longest(),
            every: Duration::from_secs(5),
            // Each try may reload HAProxy twice.
            ceiling: Duration::from_secs(60),
        };
        sinks.start(sink.name(), sink, terms, local.subscribe());
    }
    if let Some(command) = &settings.command {
        let sink = CommandSink::new(command.clone(), shell(children), settings.timeout);
        sinks.start(
            sink.name(),
            sink,
            slow(settings.timeout, groups),
            local.subscribe(),
        );
    }
    if let Some(settings) = &settings.consul {
        for sink in consul(settings, who, CONSUL_REQUEST) {
            match sink {
                Ok(sink) => sinks.start(sink.name(), sink, consul_terms(groups), shared.clone()),
                Err(reason) => error!(%reason, "consul is not told"),
            }
        }
    }
    for sink in webhooks(settings) {
        sinks.start(sink.name(), sink, slow(settings.timeout, groups), shared.clone());
    }
    tasks.spawn("gate", follow(part, session, gate, local, tasks.stop().clone()));
    sinks.standings
}

impl Sinks<'_> {
    fn start(&mut self, name: String, sink: impl Sink, terms: Terms, gate: watch::Receiver<Gate>) {
        let (standing, seen) = watch::channel(Standing::idle(name));
        let keeping = keep(
            sink,
            terms,
            self.board.pictures(),
            gate,
            standing,
            self.tasks.stop().clone(),
        );
        self.tasks.spawn("sink", keeping);
        self.standings.push(seen);
    }
}

/// How something is treated that takes its time and remembers. Each group's turn has a deadline of its own, eight at a time.
fn slow(timeout: Duration, groups: usize) -> Terms {
    let rounds = u32::try_from(groups.div_ceil(8)).unwrap_or(u32::MAX);
    Terms {
        deadline: timeout.saturating_mul(rounds.saturating_add(1)),
        every: Duration::from_secs(30),
        ceiling: Duration::from_secs(60),
    }
}

/// One for each part of Consul that is wanted.
pub(crate) fn consul(
    settings: &ConsulSettings,
    who: &str,
    deadline: Duration,
) -> Vec<Result<ConsulSink, HttpSetupError>> {
    let config = ConsulConfig {
        addr: settings.at.addr.clone(),
        token: settings
            .at
            .token
            .as_ref()
            .map(|token| sinks::Secret::new(token.expose())),
        ca: settings.at.ca.clone(),
        datacenter: settings.datacenter.clone(),
        services: settings.services.clone(),
        others: settings.others.clone(),
        key: settings.key.clone(),
        watcher: who.to_owned(),
        deadline,
    };
    let sink = |part: &ConsulPart| ConsulSink::new(config.clone(), *part);
    settings.parts.iter().map(sink).collect()
}

/// One for each URL. They were read once already, when the settings were.
fn webhooks(settings: &SinkSettings) -> Vec<WebhookSink> {
    let secret = settings.webhook_secret.as_ref();
    let secret = secret.map(|secret| sinks::Secret::new(secret.expose()));
    let urls = settings.webhooks.as_ref().map(settings::Secret::expose);
    let all = |urls| {
        let sinks = WebhookSink::all(urls, secret.as_ref(), settings.timeout)?;
        match &settings.webhook_ca {
            Some(ca) => sinks.into_iter().map(|sink| sink.trusting(ca)).collect(),
            None => Ok(sinks),
        }
    };
    let sinks: Option<Result<Vec<WebhookSink>, HttpSetupError>> = urls.map(all);
    match sinks {
        Some(Ok(sinks)) => sinks,
        Some(Err(reason)) => {
            error!(%reason, "webhooks are not told");
            Vec::new()
        }
        None => Vec::new(),
    }
}

/// Runs the operator's commands, which see none of our secrets.
fn shell(children: &Children) -> Shell {
    let secrets = vars::TABLE
        .iter()
        .filter(|variable| variable.kind == Kind::Secret);
    Shell::new(
        children.clone(),
        secrets.map(|variable| variable.name.into()).collect(),
    )
}

/// Opens the gate of what is shared while this watcher leads; keeps that of what is local. While ZooKeeper is away nobody can lead, and
/// whoever led goes on: what is told then carries its epoch.
async fn follow(
    mut part: watch::Receiver<Part>,
    mut session: watch::Receiver<Session>,
    gate: watch::Sender<Gate>,
    _local: watch::Sender<Gate>,
    stop: CancellationToken,
) {
    loop {
        let (now, up) = (*part.borrow_and_update(), is_up(*session.borrow_and_update()));
        if up || now == Part::Leader {
            gate.send_replace(gate_of(now));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = part.changed() => if changed.is_err() { return },
            changed = session.changed() => if changed.is_err() { return },
        }
    }
}

fn is_up(session: Session) -> bool {
    match session {
        Session::Up { .. } => true,
        Session::Connecting | Session::Suspect | Session::Closed => false,
    }
}

fn gate_of(part: Part) -> Gate {
    match part {
        Part::Leader => Gate::Open,
        Part::Standby => Gate::Shut,
    }
}
