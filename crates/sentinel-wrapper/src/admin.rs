//! What the wrapper tells others about itself: `/healthz`, `/ready`, `/role`, `/metrics` on `ADMIN_PORT`.
//!
//! Health is the own Sentinel answering, never ZooKeeper: an outage there must not make a scheduler kill every
//! Sentinel at the moment they are needed most.

use httpd::{Health, HttpError, Readiness};
use prometheus_client::registry::Registry as MetricRegistry;
use serde_json::{Value, json};
use supervisor::Tasks;
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
    /// The group's name.
    pub name: MasterName,
    /// What others are told.
    pub announce: Addr,
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
    /// Why the master does not let it in, where it does not.
    pub denied: Option<String>,
}

impl httpd::Status for Status {
    /// Whether restarting the program could help.
    fn health(&self) -> Health {
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
    fn readiness(&self) -> Readiness {
        let not = |reason: &str| Readiness::NotReady {
            reason: reason.to_owned(),
        };
        match &self.phase {
            Phase::Starting { doing } => not(doing),
            Phase::Stopping => not("stopping"),
            Phase::Serving if !self.answers => not("sentinel does not answer"),
            Phase::Serving if !self.registered => not("not registered in ZooKeeper"),
            Phase::Serving if self.denied.is_some() => not(self.denied.as_deref().unwrap_or_default()),
            Phase::Serving => Readiness::Ready {
                reason: "registered and answering".to_owned(),
            },
        }
    }

    fn role(&self) -> Value {
        let doing = match &self.phase {
            Phase::Starting { doing } => doing.as_str(),
            Phase::Serving => "serving",
            Phase::Stopping => "stopping",
        };
        json!({
            "role": "sentinel",
            "doing": doing,
            "name": self.name,
            "announce": self.announce,
            "id": self.id,
            "master": self.master.as_ref().map(|record| &record.addr),
            "epoch": self.master.as_ref().map(|record| record.epoch),
            "in_step": self.in_step,
            "answers": self.answers,
            "registered": self.registered,
            "zookeeper": self.session_up,
            "peers": self.peers,
            "replicas": self.replicas,
            "denied": self.denied,
        })
    }
}

/// The page's content and its metrics.
#[derive(Debug)]
pub struct Page {
    page: httpd::Page<Status>,
    /// Counters and gauges.
    pub metrics: Metrics,
}

impl Page {
    /// A page that says that the wrapper is starting.
    pub fn new(name: MasterName, announce: Addr) -> Self {
        let status = Status {
            name,
            announce,
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
            denied: None,
        };
        Self {
            page: httpd::Page::new(status),
            metrics: Metrics::default(),
        }
    }

    /// Changes the status and everything that follows from it.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.page.update(change);
        self.metrics.show(&self.page.status());
    }

    /// The status as it is.
    pub fn status(&self) -> Status {
        self.page.status()
    }

    /// Serves it. The port is taken before this returns.
    pub fn serve(&self, port: u16, tasks: &Tasks) -> Result<(), HttpError> {
        let listener = httpd::bind_wildcard(port)?;
        let mut registry = MetricRegistry::with_prefix("redis_zk_sentinel");
        self.metrics.register(&mut registry);
        let router = self.page.router(registry);
        tasks.spawn("admin page", httpd::serve(listener, router, tasks.stop().clone()));
        Ok(())
    }
}
