//! What the wrapper tells others about itself: `/healthz`, `/ready`, `/role`, `/metrics` on `ADMIN_PORT`.
//!
//! Health is the own Sentinel answering, never ZooKeeper: an outage there must not make a scheduler kill every
//! Sentinel at the moment they are needed most.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use httpd::{Health, HttpError, Readiness};
use prometheus_client::registry::Registry as MetricRegistry;
use serde_json::{Value, json};
use supervisor::Tasks;
use tokio::sync::watch;
use topology::{Addr, MasterName, MasterRecord, RunId};

use crate::metrics::Metrics;

/// Where the wrapper is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The Sentinel does not run yet.
    Starting {
        /// What is being done or waited for.
        doing: String,
    },
    /// The Sentinel runs.
    Serving,
    /// On the way out.
    Stopping,
}

/// What the page is made from.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of one another"
)]
#[derive(Debug, Clone)]
pub struct Status {
    /// Where the wrapper is in its life.
    pub phase: Phase,
    /// Whether the Sentinel answered when last asked.
    pub answers: bool,
    /// Whether it is registered in ZooKeeper.
    pub registered: bool,
    /// Whether the ZooKeeper session is up.
    pub session_up: bool,
    /// Whether it names the master that ZooKeeper names, or a newer one.
    pub in_step: bool,
    /// Its run id.
    pub id: Option<RunId>,
    /// The master it names.
    pub master: Option<MasterRecord>,
    /// How many other Sentinels it knows.
    pub peers: usize,
    /// How many replicas it knows.
    pub replicas: usize,
}

impl Status {
    /// Whether restarting the program could help.
    pub fn health(&self) -> Health {
        match &self.phase {
            Phase::Starting { doing } => Health::Alive {
                reason: doing.clone(),
            },
            Phase::Stopping => Health::Alive {
                reason: "stopping".to_owned(),
            },
            Phase::Serving if self.answers => Health::Alive {
                reason: "sentinel answers".to_owned(),
            },
            Phase::Serving => Health::Failing {
                reason: "sentinel does not answer".to_owned(),
            },
        }
    }

    /// Whether clients find and can use this Sentinel.
    pub fn readiness(&self) -> Readiness {
        let not = |reason: &str| Readiness::NotReady {
            reason: reason.to_owned(),
        };
        match &self.phase {
            Phase::Starting { doing } => not(doing),
            Phase::Stopping => not("stopping"),
            Phase::Serving if !self.answers => not("sentinel does not answer"),
            Phase::Serving if !self.registered => not("not registered in ZooKeeper"),
            Phase::Serving => Readiness::Ready {
                reason: "registered and answering".to_owned(),
            },
        }
    }

    fn role(&self, name: &MasterName, announce: &Addr) -> Value {
        let doing = match &self.phase {
            Phase::Starting { doing } => doing.as_str(),
            Phase::Serving => "serving",
            Phase::Stopping => "stopping",
        };
        json!({
            "role": "sentinel",
            "doing": doing,
            "name": name,
            "announce": announce,
            "id": self.id,
            "master": self.master.as_ref().map(|record| &record.addr),
            "epoch": self.master.as_ref().map(|record| record.epoch),
            "in_step": self.in_step,
            "answers": self.answers,
            "registered": self.registered,
            "zookeeper": self.session_up,
            "peers": self.peers,
            "replicas": self.replicas,
        })
    }
}

/// The page's content and its metrics.
#[derive(Debug)]
pub struct Page {
    status: watch::Sender<Status>,
    health: watch::Sender<Health>,
    readiness: watch::Sender<Readiness>,
    /// Counters and gauges.
    pub metrics: Metrics,
}

impl Page {
    /// A page that says that the wrapper is starting.
    pub fn new() -> Self {
        let status = Status {
            phase: Phase::Starting {
                doing: "starting".to_owned(),
            },
            answers: false,
            registered: false,
            session_up: false,
            in_step: false,
            id: None,
            master: None,
            peers: 0,
            replicas: 0,
        };
        Self {
            health: watch::Sender::new(status.health()),
            readiness: watch::Sender::new(status.readiness()),
            status: watch::Sender::new(status),
            metrics: Metrics::default(),
        }
    }

    /// Changes the status and everything that follows from it.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
        let status = self.status.borrow();
        self.health.send_replace(status.health());
        self.readiness.send_replace(status.readiness());
        self.metrics.show(&status);
    }

    /// The status as it is.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Serves it. The port is taken before this returns.
    pub fn serve(
        &self,
        port: u16,
        name: &MasterName,
        announce: &Addr,
        tasks: &Tasks,
    ) -> Result<(), HttpError> {
        let listener = httpd::bind_wildcard(port)?;
        let mut registry = MetricRegistry::with_prefix("redis_zk_sentinel");
        self.metrics.register(&mut registry);
        let status = self.status.subscribe();
        let (name, announce) = (name.clone(), announce.clone());
        let router = Router::new()
            .route("/healthz", httpd::healthz(self.health.subscribe()))
            .route("/ready", httpd::ready(self.readiness.subscribe()))
            .route(
                "/role",
                get(async move || Json(status.borrow().role(&name, &announce))),
            )
            .route("/metrics", httpd::metrics(Arc::new(registry)));
        tasks.spawn("admin page", httpd::serve(listener, router, tasks.stop().clone()));
        Ok(())
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}
