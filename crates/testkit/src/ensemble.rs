//! Several ZooKeeper servers that agree with each other.

use std::fmt::Write as _;
use std::time::Duration;

use crate::net::{Host, address};
use crate::{ZkClient, ZooKeeper, eventually, ports};

/// A running ensemble. Dropping it kills all of it.
#[derive(Debug)]
pub struct Ensemble {
    servers: Vec<ZooKeeper>,
    client: ZkClient,
}

impl Ensemble {
    /// An ensemble of `size` servers, all of them serving.
    pub async fn start(size: usize) -> Self {
        Self::start_at(&vec![None; size]).await
    }

    /// One server on each host of a [`Net`](crate::Net).
    pub async fn start_on(hosts: &[Host]) -> Self {
        let hosts: Vec<Option<&Host>> = hosts.iter().map(Some).collect();
        Self::start_at(&hosts).await
    }

    async fn start_at(hosts: &[Option<&Host>]) -> Self {
        let size = hosts.len();
        assert!(
            size > 1,
            "an ensemble has several servers; use ZooKeeper::start for one"
        );
        let clients: Vec<u16> = (0..size).map(|_| ports::free()).collect();
        let mut lines = "initLimit=20\nsyncLimit=10\nstandaloneEnabled=false\n".to_owned();
        for (index, client) in clients.iter().enumerate() {
            let [peer, election] = ports::some();
            let (id, addr) = (index + 1, address(hosts[index], *client));
            let ip = addr.host();
            let _ = writeln!(
                lines,
                "server.{id}={ip}:{peer}:{election}:participant;{ip}:{client}"
            );
        }
        let servers: Vec<ZooKeeper> = clients
            .iter()
            .enumerate()
            .map(|(index, port)| ZooKeeper::spawn(*port, hosts[index], &lines, Some(index + 1)))
            .collect();
        for server in &servers {
            server.ready().await;
        }
        let hosts: Vec<String> = servers.iter().map(ZooKeeper::hosts).collect();
        let client = ZkClient::new(&hosts.join(","));
        Self { servers, client }
    }

    /// The text for `ZK_HOSTS`: all servers.
    pub fn hosts(&self) -> String {
        let hosts: Vec<String> = self.servers.iter().map(ZooKeeper::hosts).collect();
        hosts.join(",")
    }

    /// A client for looking at the tree and changing it.
    pub fn client(&self) -> &ZkClient {
        &self.client
    }

    /// One server, counted from 0.
    pub fn server(&self, index: usize) -> &ZooKeeper {
        &self.servers[index]
    }

    /// Which server leads; waits until one does.
    pub async fn leader(&self) -> usize {
        eventually("a ZooKeeper leader", Duration::from_secs(30), async || {
            for (index, server) in self.servers.iter().enumerate() {
                if server.process().exited().is_none() && server.mode().await.as_deref() == Some("leader") {
                    return Some(index);
                }
            }
            None
        })
        .await
    }

    /// SIGKILL for one server.
    pub fn kill(&self, index: usize) {
        self.servers[index].kill();
    }

    /// Starts one server again and waits until it serves.
    pub async fn restart(&self, index: usize) {
        self.servers[index].restart().await;
    }
}
