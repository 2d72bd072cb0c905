//! A plain ZooKeeper client for tests: what is in the tree, and putting things there.
//!
//! It outlives the server's death: whatever goes wrong with a session, the next question uses a new one, and a question is
//! repeated until it is answered or a deadline passes. So creating is not exact: a repeated `create` may find its own node.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error};

use crate::eventually;

const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
const TOTAL_DEADLINE: Duration = Duration::from_secs(20);

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

/// Looks at the tree and changes it. Every method fails the test when ZooKeeper does not answer within 20 s.
#[derive(Debug)]
pub struct ZkClient {
    hosts: String,
    session: Mutex<Option<Client>>,
}

impl ZkClient {
    /// A client of these servers (may end in a chroot). It connects when first used.
    pub fn new(hosts: &str) -> Self {
        Self {
            hosts: hosts.to_owned(),
            session: Mutex::new(None),
        }
    }

    /// The znode's data as text; `None` when there is no such znode.
    pub async fn get(&self, path: &str) -> Option<String> {
        self.ask("get", path, async |client| client.get_data(path).await)
            .await
            .map(|(data, _)| String::from_utf8_lossy(&data).into_owned())
    }

    /// The znode's version; `None` when there is no such znode.
    pub async fn version(&self, path: &str) -> Option<i32> {
        self.ask("stat", path, async |client| client.get_data(path).await)
            .await
            .map(|(_, stat)| stat.version)
    }

    /// The session that owns the znode; `None` when there is no such znode or it is persistent.
    pub async fn ephemeral_owner(&self, path: &str) -> Option<i64> {
        self.ask("stat", path, async |client| client.get_data(path).await)
            .await
            .map(|(_, stat)| stat.ephemeral_owner)
            .filter(|owner| *owner != 0)
    }

    /// Writes the znode, creating it and its parents where missing.
    pub async fn set(&self, path: &str, data: &str) {
        let set = self
            .ask("set", path, async |client| {
                client.set_data(path, data.as_bytes(), None).await
            })
            .await;
        if set.is_none() {
            self.create(path, data).await;
        }
    }

    /// Creates a persistent znode and its parents. One that exists already gets the data.
    pub async fn create(&self, path: &str, data: &str) {
        self.ask("create", path, async |client| {
            if let Some((parent, _)) = path.rsplit_once('/')
                && !parent.is_empty()
            {
                client.mkdir(parent, &PERSISTENT).await?;
            }
            match client.create(path, data.as_bytes(), &PERSISTENT).await {
                Err(Error::NodeExists) => client.set_data(path, data.as_bytes(), None).await.map(drop),
                other => other.map(drop),
            }
        })
        .await;
    }

    /// Creates an ephemeral znode in this client's session. A persistent parent must exist.
    pub async fn create_ephemeral(&self, path: &str, data: &str) {
        let options = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
        self.ask("create", path, async |client| {
            match client.create(path, data.as_bytes(), &options).await {
                Err(Error::NodeExists) => Ok(()),
                other => other.map(drop),
            }
        })
        .await
        .unwrap_or_else(|| panic!("{path} has no parent to be created in"));
    }

    /// The names of the znode's children, sorted; none when there is no such znode.
    pub async fn children(&self, path: &str) -> Vec<String> {
        let mut names = self
            .ask("list", path, async |client| client.list_children(path).await)
            .await
            .unwrap_or_default();
        names.sort();
        names
    }

    /// Deletes the znode; a missing one is fine. One with children is not.
    pub async fn delete(&self, path: &str) {
        self.ask("delete", path, async |client| client.delete(path, None).await)
            .await;
    }

    /// Waits until the znode's data (`None` = no such znode) are as wanted, and returns them.
    pub async fn wait_for(
        &self,
        path: &str,
        deadline: Duration,
        wanted: impl Fn(Option<&str>) -> bool,
    ) -> Option<String> {
        eventually(&format!("{path} to be as wanted"), deadline, async || {
            let data = self.get(path).await;
            if wanted(data.as_deref()) {
                Ok(data)
            } else {
                Err(format!("{data:?}"))
            }
        })
        .await
    }

    /// Waits until the znode holds exactly this.
    pub async fn wait_for_data(&self, path: &str, data: &str, deadline: Duration) {
        eventually(&format!("{path} to hold {data:?}"), deadline, async || {
            let seen = self.get(path).await;
            if seen.as_deref() == Some(data) {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
    }

    /// Waits until the znode has so many children, and returns their names.
    pub async fn wait_for_children(&self, path: &str, count: usize, deadline: Duration) -> Vec<String> {
        eventually(
            &format!("{path} to have {count} children"),
            deadline,
            async || {
                let children = self.children(path).await;
                if children.len() == count {
                    Ok(children)
                } else {
                    Err(format!("{children:?}"))
                }
            },
        )
        .await
    }

    /// Ends the session, and with it the ephemeral znodes of this client.
    pub async fn close(&self) {
        self.session.lock().await.take();
    }

    /// `None` when the znode does not exist.
    async fn ask<T>(
        &self,
        verb: &str,
        path: &str,
        question: impl AsyncFn(&Client) -> Result<T, Error>,
    ) -> Option<T> {
        let start = Instant::now();
        loop {
            let attempt = async {
                let client = self.client().await?;
                question(&client).await
            };
            let error = match tokio::time::timeout(ANSWER_DEADLINE, attempt).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(Error::NoNode)) => return None,
                Ok(Err(error)) => error,
                Err(_) => Error::Timeout,
            };
            assert!(
                lost(&error) && start.elapsed() < TOTAL_DEADLINE,
                "cannot {verb} {path} at {}: {error}",
                self.hosts
            );
            self.close().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn client(&self) -> Result<Client, Error> {
        let mut session = self.session.lock().await;
        if let Some(client) = &*session {
            return Ok(client.clone());
        }
        let client = Client::connector()
            .with_session_timeout(Duration::from_secs(10))
            .with_fail_eagerly()
            .connect(&self.hosts)
            .await?;
        *session = Some(client.clone());
        Ok(client)
    }
}

/// Whether the session is to blame, so that another one may succeed.
fn lost(error: &Error) -> bool {
    matches!(
        error,
        Error::Timeout
            | Error::NoHosts
            | Error::ConnectionLoss
            | Error::SessionExpired
            | Error::SessionMoved
            | Error::ClientClosed
            | Error::Custom(_)
    )
}
