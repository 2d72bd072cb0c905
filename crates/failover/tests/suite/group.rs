//! Three Redis nodes, three Sentinels and a ZooKeeper, with the znodes that the wrappers would write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use failover::{Checkpoint, Deadlines, Durability, Links, Mover, Outcome, Warrant};
use instance::{Credentials, DialSettings, Dialer};
use registry::{Connect, Registry};
use testkit::{Need, Redis, Sentinel, ZooKeeper, eventually};
use tokio_util::task::TaskTracker;
use topology::{Addr, Epoch, Role};
use uuid::Uuid;
use zkpaths::{Cause, Further, Known, Member, Phase, RecordedMaster, State, Tree, ZkRoot};

pub const NAME: &str = "master1";
pub const LONG: Duration = Duration::from_secs(20);
/// Stock Sentinels at their default: what happens within seconds is not their doing.
const DOWN_AFTER: Duration = Duration::from_secs(30);

/// Whether the servers are there.
pub fn servers() -> bool {
    testkit::require(&[Need::ZooKeeper, Need::Redis, Need::Sentinel])
}

pub struct Group {
    pub zk: ZooKeeper,
    pub nodes: Vec<Redis>,
    pub sentinels: Vec<Sentinel>,
    pub dialer: Dialer,
}

/// A program that may move the role. Dropping it ends its session without a word, as a kill would.
pub struct Party {
    pub mover: Mover,
    _tasks: TaskTracker,
}

impl Group {
    pub async fn start(replicas: usize, sentinels: usize) -> Self {
        let (zk, master) = tokio::join!(ZooKeeper::start(), Redis::start());
        let mut nodes = vec![master];
        for _ in 0..replicas {
            nodes.push(Redis::builder().replica_of(nodes[0].addr()).start().await);
        }
        let mut started = Vec::new();
        for _ in 0..sentinels {
            let sentinel = Sentinel::builder()
                .monitor(NAME, nodes[0].addr(), 2)
                .down_after(DOWN_AFTER)
                .failover_timeout(Duration::from_secs(5))
                .start()
                .await;
            started.push(sentinel);
        }
        for sentinel in &started {
            sentinel.wait_knows(NAME, replicas, sentinels - 1, LONG).await;
        }
        let settings = DialSettings {
            redis: Credentials::default(),
            sentinel: Credentials::default(),
            tls: None,
            connect_deadline: Duration::from_millis(500),
            response_deadline: Duration::from_secs(1),
            keep_alive: None,
        };
        let group = Self {
            zk,
            nodes,
            sentinels: started,
            dialer: Dialer::new(settings).unwrap(),
        };
        group.write_tree().await;
        group.in_sync().await;
        group
    }

    /// Every replica is linked to its master.
    pub async fn in_sync(&self) {
        for node in &self.nodes {
            let linked = || async {
                let link = node.info("master_link_status").await;
                node.role().await == Some(Role::Master) || link.as_deref() == Some("up")
            };
            eventually("the replica is linked", LONG, linked).await;
        }
    }

    async fn write_tree(&self) {
        let party = self.party("the test").await;
        drop(party);
        let client = self.zk.client();
        for (index, node) in self.nodes.iter().enumerate() {
            let snapshot = self
                .dialer
                .redis(node.addr())
                .await
                .unwrap()
                .snapshot()
                .await
                .unwrap();
            let replication = snapshot.replication;
            if index == 0 {
                let state = State {
                    group: Uuid::from_u128(7),
                    name: NAME.parse().unwrap(),
                    epoch: Epoch(0),
                    master: RecordedMaster {
                        addr: node.addr().clone(),
                        run_id: Some(snapshot.run_id.clone()),
                    },
                    phase: Phase::Settled,
                    cause: Cause::FirstStart,
                    since_ms: 0,
                    replaces: None,
                    known: Some(Known {
                        id: replication.id.clone(),
                        offset: replication.offset,
                    }),
                    further: Further::default(),
                };
                client.set("/redis/state", &text(&state.encode())).await;
                client.set("/redis/master", &node.addr().contract()).await;
            }
            let id = Uuid::from_u128(100 + index as u128);
            let member = Member {
                id,
                node: None,
                addr: node.addr().clone(),
                admin: None,
                role: replication.role,
                run_id: snapshot.run_id,
                replication_id: replication.id,
                second_replication_id: replication.second_id,
                second_offset: replication.second_offset,
                offset: replication.offset,
                link: replication.link,
                priority: replication.priority,
                server_version: snapshot.server_version,
                version: "0".to_owned(),
                fenced: None,
                at_ms: 0,
            };
            client
                .create(&format!("/redis/members/{id}"), &text(&member.encode()))
                .await;
        }
        for (index, sentinel) in self.sentinels.iter().enumerate() {
            let id = Uuid::from_u128(200 + index as u128);
            client
                .create(&format!("/redis/sentinels/{id}"), &sentinel.addr().contract())
                .await;
        }
    }

    pub async fn party(&self, who: &str) -> Party {
        let tasks = TaskTracker::new();
        let connect = Connect {
            hosts: self.zk.hosts(),
            chroot: None,
            session_timeout: Duration::from_secs(2),
            auth: None,
            tls: None,
        };
        let registry = Registry::start(connect, Tree::new(&ZkRoot::default()), &tasks).unwrap();
        registry.connected(LONG).await.unwrap();
        let links = Links::new(self.dialer.clone());
        let name = NAME.parse().unwrap();
        Party {
            mover: Mover::new(registry, links, name, who, Durability::Async),
            _tasks: tasks,
        }
    }

    pub fn died(&self, index: usize) -> Warrant {
        let master = self.nodes[index].addr().clone();
        Warrant::Died { master, run_id: None }
    }

    pub async fn state(&self) -> State {
        let data = self.zk.client().get("/redis/state").await.unwrap();
        State::decode(data.as_bytes()).unwrap().unwrap()
    }

    /// The one master: of the nodes that answer, of the Sentinels and of ZooKeeper. Returns its index.
    pub async fn agreed(&self) -> usize {
        eventually("one master for everybody", LONG, || async {
            let mut masters = Vec::new();
            for (index, node) in self.nodes.iter().enumerate() {
                if node.role().await == Some(Role::Master) {
                    masters.push(index);
                }
            }
            let [master] = masters[..] else {
                return Err(format!("masters: {masters:?}"));
            };
            let addr = self.nodes[master].addr();
            let (state, published) = (self.state().await, self.zk.client().get("/redis/master").await);
            if state.master.addr != *addr || state.phase != Phase::Settled {
                return Err(format!("{state:?} but {addr} is master"));
            }
            if published.as_deref() != Some(&addr.contract()) {
                return Err(format!("/redis/master has {published:?} but {addr} is master"));
            }
            for sentinel in &self.sentinels {
                let named = sentinel.master(NAME).await;
                if named.as_ref() != Some(addr) {
                    return Err(format!("sentinel {} names {named:?}", sentinel.addr()));
                }
                let epoch = sentinel.field(NAME, "config-epoch").await;
                if epoch != Some(state.epoch.to_string()) {
                    return Err(format!(
                        "sentinel {} is at epoch {epoch:?}, not {}",
                        sentinel.addr(),
                        state.epoch
                    ));
                }
            }
            for (index, node) in self.nodes.iter().enumerate() {
                match node.role().await {
                    Some(Role::Replica { of }) if of != *addr => {
                        return Err(format!("node {index} follows {of}"));
                    }
                    Some(_) | None => {}
                }
            }
            Ok(master)
        })
        .await
    }
}

impl Party {
    pub async fn run(&self, warrant: Warrant) -> Outcome {
        let deadlines = Deadlines {
            lock: Duration::from_secs(8),
            whole: Duration::from_secs(15),
        };
        self.mover.run(warrant, Instant::now(), deadlines).await
    }

    /// Runs until `point`, then dies there.
    pub async fn dies_at(mut self, warrant: Warrant, point: Checkpoint) {
        let (reached, died) = tokio::sync::oneshot::channel();
        let reached = Arc::new(std::sync::Mutex::new(Some(reached)));
        self.mover.hook = Some(Arc::new(move |at| {
            let reached = reached.clone();
            Box::pin(async move {
                if at == point {
                    let reached = reached.lock().unwrap().take();
                    if let Some(reached) = reached {
                        let _ = reached.send(());
                    }
                    std::future::pending::<()>().await;
                }
            })
        }));
        tokio::select! {
            outcome = self.run(warrant) => panic!("{point:?} was never reached: {outcome:?}"),
            _ = died => {}
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn moved(outcome: Outcome) -> failover::Moved {
    let Outcome::Moved(moved) = outcome else {
        panic!("{outcome:?}")
    };
    *moved
}

pub fn addr_of(group: &Group, index: usize) -> &Addr {
    group.nodes[index].addr()
}
