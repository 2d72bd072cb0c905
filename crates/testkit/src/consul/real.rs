//! A real Consul in developer mode, where one is installed. Debian 12 has none; Debian 11 had 1.8.7.

use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Launch, Process};
use crate::redis::directory;
use crate::{eventually, http, needs, ports};

/// A real Consul: one server that is its own agent. It ends with this.
#[derive(Debug)]
pub struct Consul {
    port: u16,
    _process: Process,
    _dir: TempDir,
}

impl Consul {
    /// Starts `consul` of PATH and waits for its leader. `None` where there is none.
    pub async fn start() -> Option<Self> {
        let program = needs::find("consul")?;
        let dir = directory("consul");
        let [http, server, serf] = ports::some();
        let words = format!(
            "agent -dev -bind=127.0.0.1 -client=127.0.0.1 -http-port={http} -server-port={server} \
             -serf-lan-port={serf} -serf-wan-port=-1 -grpc-port=-1 -dns-port=-1"
        );
        let process = Process::spawn(Launch {
            name: "consul".to_owned(),
            program,
            args: words.split_whitespace().map(Into::into).collect(),
            env: Vec::new(),
            dir: dir.path().to_owned(),
            log: dir.path().join("log"),
        });
        let addr = topology::Addr::new("127.0.0.1", http).expect("an address");
        eventually("consul to have a leader", Duration::from_secs(30), async || {
            let answer = http::get(&addr, "/v1/catalog/nodes")
                .await
                .map_err(|error| error.to_string())?;
            // The agent registers itself once there is a leader.
            if answer.body.contains("127.0.0.1") {
                Ok(())
            } else {
                Err(format!("{}; {}", answer.body, process.log_tail()))
            }
        })
        .await;
        Some(Self {
            port: http,
            _process: process,
            _dir: dir,
        })
    }

    /// Where it is.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
