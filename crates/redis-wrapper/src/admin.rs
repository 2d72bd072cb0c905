//! What the wrapper tells others about itself: `/healthz`, `/ready`, `/role` and `/metrics` on `ADMIN_PORT`, and there `checks`.
//!
//! Health is the Redis answering, never ZooKeeper or a peer: an outage of ZooKeeper must not make a scheduler kill every
//! Redis. Loading counts as healthy, waiting for a role as well.

use std::sync::atomic::AtomicU64;

use httpd::{Health, HttpError, Readiness, Router};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as MetricRegistry;
use serde_json::{Value, json};
use supervisor::Tasks;
use topology::{LinkStatus, Role};
use zkpaths::Member;

use crate::lease::metrics::LeaseMetrics;
use crate::moves::Moves;

/// Where the wrapper is in its life.
#[derive(Debug, Clone)]
pub enum Phase {
    /// Redis does not serve yet.
    Starting {
        /// What is being done or waited for.
        doing: String,
    },
    /// Redis serves; its entry as last read.
    Serving(Box<Member>),
    /// On the way out.
    Stopping,
}

/// What the page is made from.
#[derive(Debug, Clone)]
pub struct Status {
    /// Where the wrapper is in its life.
    pub phase: Phase,
    /// Whether Redis answered when last asked.
    pub answers: bool,
    /// Why Redis is fenced, where it is.
    pub fenced: Option<String>,
}

/// The page's content and its metrics.
#[derive(Debug)]
pub struct Page {
    page: httpd::Page<Status>,
    /// Counters and gauges.
    pub metrics: Metrics,
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
            // A restart would not bring its lease back, and it becomes master again by itself.
            Phase::Serving(_) if self.fenced.is_some() => Health::Alive {
                reason: self.fenced_because(),
            },
            Phase::Serving(member) if self.answers => Health::Alive {
                reason: member.role.word().to_owned(),
            },
            Phase::Serving(_) => Health::Failing {
                reason: "redis does not answer".to_owned(),
            },
        }
    }

    /// Whether clients can use this Redis: a master, or a replica with its whole data set.
    fn readiness(&self) -> Readiness {
        let not = |reason: &str| Readiness::NotReady {
            reason: reason.to_owned(),
        };
        match &self.phase {
            Phase::Starting { doing } => not(doing),
            Phase::Stopping => not("stopping"),
            Phase::Serving(_) if self.fenced.is_some() => not(&self.fenced_because()),
            Phase::Serving(_) if !self.answers => not("redis does not answer"),
            Phase::Serving(member) => match (&member.role, member.link) {
                (Role::Master, _) => Readiness::Ready {
                    reason: "master".to_owned(),
                },
                (Role::Replica { of }, Some(LinkStatus::Up)) => Readiness::Ready {
                    reason: format!("replica of {of}"),
                },
                (Role::Replica { of }, _) => not(&format!("not yet in step with the master {of}")),
            },
        }
    }

    /// `/role`: facts as JSON.
    fn role(&self) -> Value {
        let mut facts = match &self.phase {
            Phase::Starting { doing } => json!({ "role": null, "doing": doing }),
            Phase::Stopping => json!({ "role": null, "doing": "stopping" }),
            Phase::Serving(member) => serde_json::to_value(member).unwrap_or(Value::Null),
        };
        if let Value::Object(facts) = &mut facts {
            facts.insert("answers".to_owned(), self.answers.into());
        }
        facts
    }
}

impl Status {
    fn fenced_because(&self) -> String {
        format!("fenced: {}", self.fenced.as_deref().unwrap_or_default())
    }
}

impl Page {
    /// A page that says that the wrapper is starting.
    #[expect(
        clippy::new_without_default,
        reason = "there is one page in a program, and it is made once"
    )]
    pub fn new() -> Self {
        let phase = Phase::Starting {
            doing: "starting".to_owned(),
        };
        Self {
            page: httpd::Page::new(Status {
                phase,
                answers: false,
                fenced: None,
            }),
            metrics: Metrics::default(),
        }
    }

    /// The status as it is.
    pub fn status(&self) -> Status {
        self.page.status()
    }

    /// Why Redis is fenced, where it is.
    pub fn fenced(&self) -> Option<String> {
        self.page.status().fenced
    }

    /// Changes the status and everything that follows from it.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        self.page.update(change);
        self.metrics.show(&self.page.status());
    }

    /// Serves it, with more paths. The port is taken before this returns.
    pub fn serve(&self, port: u16, more: Router, tasks: &Tasks) -> Result<(), HttpError> {
        let listener = httpd::bind_wildcard(port)?;
        let mut registry = MetricRegistry::with_prefix("redis_zk_redis");
        self.metrics.register(&mut registry);
        tasks.spawn(
            "admin page",
            httpd::serve(
                listener,
                self.page.router(registry).merge(more),
                tasks.stop().clone(),
            ),
        );
        Ok(())
    }
}

/// Counters and gauges.
#[derive(Debug, Default, Clone)]
pub struct Metrics {
    master: Gauge,
    answers: Gauge,
    link_up: Gauge,
    offset: Gauge,
    /// Whether the ZooKeeper session is up.
    pub session_up: Gauge,
    /// Looks at our own Redis.
    pub looks: Counter<u64, AtomicU64>,
    /// Times a wrong role was corrected.
    pub corrections: Counter<u64, AtomicU64>,
    /// Data sets kept aside because the master did not have them.
    pub salvages: Counter<u64, AtomicU64>,
    /// The failovers that this wrapper makes.
    pub(crate) moves: Moves,
    /// The lease.
    pub lease: LeaseMetrics,
}

impl Metrics {
    fn register(&self, registry: &mut MetricRegistry) {
        registry.register(
            "master",
            "1 if this Redis is master, 0 if it is a replica or does not answer",
            self.master.clone(),
        );
        registry.register(
            "answers",
            "1 if Redis answered when last asked",
            self.answers.clone(),
        );
        registry.register(
            "link_up",
            "1 if a replica is in step with its master",
            self.link_up.clone(),
        );
        registry.register(
            "replication_offset_bytes",
            "How far the data set has come",
            self.offset.clone(),
        );
        registry.register(
            "zookeeper_session_up",
            "1 if the ZooKeeper session is up",
            self.session_up.clone(),
        );
        registry.register("looks", "Looks at our own Redis", self.looks.clone());
        registry.register(
            "corrections",
            "Times a role was corrected",
            self.corrections.clone(),
        );
        registry.register(
            "salvages",
            "Data sets kept aside before a resynchronisation because the master did not have them",
            self.salvages.clone(),
        );
        self.moves.register(registry);
        self.lease.register(registry);
    }

    fn show(&self, status: &Status) {
        self.answers.set(status.answers.into());
        let answering = match &status.phase {
            Phase::Serving(member) => Some(member).filter(|_| status.answers),
            Phase::Starting { .. } | Phase::Stopping => None,
        };
        let is = |role: fn(&Member) -> bool| i64::from(answering.is_some_and(|member| role(member)));
        self.master.set(is(|member| member.role == Role::Master));
        self.link_up.set(is(|member| member.link == Some(LinkStatus::Up)));
        if let Some(member) = answering {
            self.offset.set(member.offset);
        }
    }
}
