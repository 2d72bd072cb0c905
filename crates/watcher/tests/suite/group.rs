//! A group without wrappers: ZooKeeper, Redis nodes, Sentinels, and the registrations a test writes.

use std::time::{Duration, Instant};

use instance::{Credentials, DialSettings, Dialer, EventStream};
use testkit::http::{self, Response};
use testkit::{Need, Program, Redis, Running, Sentinel, ZooKeeper, eventually, ports};
use topology::{Addr, SentinelEvent};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const MASTER: &str = "/redis/master";
pub(crate) const STATE: &str = "/redis/state";

/// Whether the servers are there.
pub(crate) fn servers() -> bool {
    testkit::require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel])
}

pub(crate) struct Group {
    pub(crate) zk: ZooKeeper,
    pub(crate) nodes: Vec<Redis>,
    pub(crate) sentinels: Vec<Sentinel>,
}

/// A running watcher.
pub(crate) struct Watching {
    pub(crate) program: Running,
    pub(crate) page: Addr,
}

impl Group {
    /// One master, two replicas, three Sentinels that know each other, all registered. Node 0 is master.
    pub(crate) async fn start() -> Self {
        let (zk, nodes) = tokio::join!(ZooKeeper::start(), async {
            let master = Redis::start().await;
            let replica = || Redis::builder().replica_of(master.addr()).start();
            let (one, two) = tokio::join!(replica(), replica());
            vec![master, one, two]
        });
        for replica in &nodes[1..] {
            replica.wait_replica_of(nodes[0].addr(), DEADLINE).await;
        }
        let sentinel = || {
            Sentinel::builder()
                .monitor("master1", nodes[0].addr(), 2)
                .down_after(Duration::from_secs(1))
                .failover_timeout(Duration::from_secs(3))
                .start()
        };
        let (one, two, three) = tokio::join!(sentinel(), sentinel(), sentinel());
        let group = Self {
            zk,
            nodes,
            sentinels: vec![one, two, three],
        };
        for sentinel in &group.sentinels {
            sentinel.wait_knows("master1", 2, 2, DEADLINE).await;
        }
        for (n, sentinel) in group.sentinels.iter().enumerate() {
            group
                .register(&format!("sentinel-{n}"), &sentinel.addr().contract())
                .await;
        }
        group
    }

    /// Puts a Sentinel's registration there, as an old wrapper would: persistent.
    pub(crate) async fn register(&self, name: &str, data: &str) {
        self.zk
            .client()
            .create(&format!("/redis/sentinels/{name}"), data)
            .await;
    }

    pub(crate) async fn watcher(&self) -> Watching {
        let watching = Watching::start(self.zk.hosts());
        watching.ready().await;
        watching
    }

    /// Waits until `/redis/master` names this node.
    pub(crate) async fn wait_master(&self, addr: &Addr, deadline: Duration) {
        self.zk
            .client()
            .wait_for_data(MASTER, &addr.contract(), deadline)
            .await;
    }

    pub(crate) async fn state(&self) -> Option<zkpaths::State> {
        let data = self.zk.client().get(STATE).await?;
        zkpaths::State::decode(data.as_bytes()).ok().flatten()
    }

    /// The node that answers as master, other than `not`.
    pub(crate) async fn new_master(&self, not: &Addr) -> Addr {
        eventually("another node to be master", DEADLINE, async || {
            for node in &self.nodes {
                if node.addr() != not && node.role().await == Some(topology::Role::Master) {
                    return Some(node.addr().clone());
                }
            }
            None
        })
        .await
    }

    /// Waits until every living Sentinel names this master.
    pub(crate) async fn wait_sentinels(&self, sentinels: &[&Sentinel], addr: &Addr) {
        for sentinel in sentinels {
            eventually("a Sentinel to name the new master", DEADLINE, async || {
                (sentinel.master("master1").await.as_ref() == Some(addr)).then_some(())
            })
            .await;
        }
    }

    /// When the first Sentinel announced that `from` is master no longer. The leader of the failover before may still
    /// announce that one.
    pub(crate) async fn first_switch(streams: &mut [EventStream], from: &Addr) -> Instant {
        let heard = streams.iter_mut().map(|stream| Box::pin(switch(stream, from)));
        let (at, _, _) = tokio::time::timeout(DEADLINE, futures_util::future::select_all(heard))
            .await
            .unwrap_or_else(|_| panic!("no Sentinel announced that {from} is master no longer"));
        at
    }

    /// Has the Sentinels move the master, once none of them is at it already. Who wants to hear of it subscribes before:
    /// on a busy machine they are done sooner than a subscription.
    pub(crate) async fn begin_failover(&self, name: &str) {
        eventually("no failover to be under way", DEADLINE, async || {
            for sentinel in &self.sentinels {
                let flags = sentinel.field(name, "flags").await?;
                if flags.contains("failover_in_progress") {
                    return None;
                }
            }
            Some(())
        })
        .await;
        eventually("a Sentinel to begin a failover", DEADLINE, async || {
            self.sentinels[0].command(&["SENTINEL", "FAILOVER", name]).await
        })
        .await;
    }

    /// Subscriptions to every Sentinel.
    pub(crate) async fn events(&self) -> Vec<EventStream> {
        let mut streams = Vec::new();
        for sentinel in &self.sentinels {
            let connection = dialer().sentinel(sentinel.addr()).await.unwrap();
            streams.push(connection.events().await.unwrap());
        }
        streams
    }

    /// When `/redis/master` stopped naming `before`, and what it names then. Looks as fast as ZooKeeper answers.
    pub(crate) async fn moved_from(&self, before: &Addr) -> (Instant, String) {
        let start = Instant::now();
        loop {
            let data = self.zk.client().get(MASTER).await;
            let now = Instant::now();
            match data {
                Some(data) if data != before.contract() => return (now, data),
                _ => assert!(start.elapsed() < DEADLINE, "{MASTER} still names {before}"),
            }
        }
    }
}

async fn switch(stream: &mut EventStream, from: &Addr) -> Instant {
    loop {
        match stream.next().await {
            Ok(SentinelEvent::SwitchMaster(switch)) if switch.from == *from => return Instant::now(),
            Ok(_) => {}
            Err(_) => std::future::pending().await,
        }
    }
}

fn dialer() -> Dialer {
    Dialer::new(DialSettings {
        redis: Credentials::default(),
        sentinel: Credentials::default(),
        tls: None,
        connect_deadline: Duration::from_secs(2),
        response_deadline: Duration::from_secs(2),
        keep_alive: None,
    })
    .unwrap()
}

impl Watching {
    pub(crate) fn start(hosts: String) -> Self {
        Self::with(hosts, &[])
    }

    pub(crate) fn with(hosts: String, env: &[(&str, &str)]) -> Self {
        let port = ports::free();
        let mut program = Program::new("watcher")
            .env("ZK_HOSTS", hosts)
            .env("PORT0", port.to_string());
        for (name, value) in env {
            program = program.env(name, *value);
        }
        Self {
            program: program.start(),
            page: Addr::new("127.0.0.1", port).unwrap(),
        }
    }

    /// The answer to a GET; waits for the page while the program starts.
    pub(crate) async fn get(&self, path: &str) -> Response {
        eventually("the page to answer", DEADLINE, async || {
            http::get(&self.page, path).await
        })
        .await
    }

    /// Waits until `/ready` says so.
    pub(crate) async fn ready(&self) {
        eventually("the watcher to be ready", DEADLINE, async || {
            match http::get(&self.page, "/ready").await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.body),
                Err(error) => Err(format!("{error}; its log ends:\n{}", self.program.log_tail())),
            }
        })
        .await;
    }

    /// Waits until `/ready` no longer says so.
    pub(crate) async fn not_ready(&self) -> String {
        eventually("the watcher not to be ready", DEADLINE, async || {
            let answer = http::get(&self.page, "/ready").await.ok()?;
            (answer.status == 503).then_some(answer.body)
        })
        .await
    }

    pub(crate) async fn part(&self) -> String {
        let status = self.get("/v1/status").await.json();
        status["watcher"]["part"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn wait_leader(&self) {
        eventually("the watcher to lead", DEADLINE, async || {
            self.part().await == "leader"
        })
        .await;
    }

    /// A sample of `/metrics`, of the one group where it has no other label.
    pub(crate) async fn number(&self, metric: &str) -> Option<f64> {
        let text = self.get("/metrics").await.body;
        let line = text.lines().find_map(|line| {
            let rest = line.strip_prefix(metric)?;
            rest.strip_prefix(r#"{group="master1"}"#)
                .unwrap_or(rest)
                .strip_prefix(' ')
        })?;
        line.trim().parse().ok()
    }
}
