//! Single reads and transactions. Each is sent only while the session is up, has a deadline, and is never repeated: a
//! write whose answer is missing may still be applied later, so only its author can say whether it is still wanted.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use zkpaths::ZkPath;
use zookeeper_client::{Error as ZkError, MultiWriteError, MultiWriteResult, Stat};

use crate::error::Fault;
use crate::{CommitError, Registry, RegistryError};

/// What the wire has for "whichever version".
const ANY_VERSION: i32 = -1;

/// How often a znode's data was changed, for compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub i32);

/// A znode as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Znode {
    /// Its data.
    pub data: Vec<u8>,
    /// The version of the data.
    pub version: Version,
    /// Whether it ends with somebody's session.
    pub ephemeral: bool,
}

/// Which version a write depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// This one.
    Version(Version),
    /// Whichever; the znode must exist.
    Any,
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Replace the data.
    Set {
        /// Of which znode.
        path: ZkPath,
        /// The new data.
        data: Vec<u8>,
        /// Only if it has this version.
        expected: Expected,
    },
    /// Write nothing, but fail if the version is another.
    Check {
        /// Of which znode.
        path: ZkPath,
        /// The version it must have.
        expected: Expected,
    },
    /// Delete it.
    Delete {
        /// Which znode.
        path: ZkPath,
        /// Only if it has this version.
        expected: Expected,
    },
}

impl Registry {
    /// Reads a znode; `None` if it does not exist.
    pub async fn read(&self, path: &ZkPath) -> Result<Option<Znode>, RegistryError> {
        let attached = self.link.up()?;
        match self.link.answer(attached.client.get_data(path.as_str())).await {
            Ok((data, stat)) => Ok(Some(Znode::new(data, &stat))),
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(self.link.read_error(path.as_str(), fault)),
        }
    }

    /// Reads the names and the data of a znode's children. A missing parent has none.
    pub async fn children(&self, path: &ZkPath) -> Result<BTreeMap<String, Vec<u8>>, RegistryError> {
        let attached = self.link.up()?;
        let failed = |fault| self.link.read_error(path.as_str(), fault);
        let names = match self
            .link
            .answer(attached.client.list_children(path.as_str()))
            .await
        {
            Ok(names) => names,
            Err(Fault::Missing) => return Ok(BTreeMap::new()),
            Err(fault) => return Err(failed(fault)),
        };
        let paths: Vec<ZkPath> = names.iter().map(|name| path.child(name)).collect();
        let requests = paths.iter().map(|child| attached.client.get_data(child.as_str()));
        let requests = join_all(requests);
        let answers = self
            .link
            .answer(async { Ok(requests.await) })
            .await
            .map_err(failed)?;
        let mut children = BTreeMap::new();
        for (name, answer) in names.into_iter().zip(answers) {
            match answer.map_err(Fault::from) {
                Ok((data, _)) => drop(children.insert(name, data)),
                // Gone since the list was read.
                Err(Fault::Missing) => {}
                Err(fault) => return Err(failed(fault)),
            }
        }
        Ok(children)
    }

    /// Writes everything or nothing. Never retried: [`CommitError::Unknown`] is for the caller to resolve, by reading
    /// again.
    pub async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        self.commit_sets(writes).await.map(drop)
    }

    /// As [`Registry::commit`]; returns the new version of each znode that was set, in the order of the sets, for who will set it
    /// again without reading it.
    pub async fn commit_sets(&self, writes: &[Write]) -> Result<Vec<Version>, CommitError> {
        let attached = self.link.up().map_err(CommitError::Unavailable)?;
        let mut transaction = attached.client.new_multi_writer();
        for write in writes {
            let path = write.path().as_str();
            let added = match write {
                Write::Set { data, expected, .. } => transaction.add_set_data(path, data, expected.version()),
                Write::Check { expected, .. } => {
                    transaction.add_check_version(path, expected.version().unwrap_or(ANY_VERSION))
                }
                Write::Delete { expected, .. } => transaction.add_delete(path, expected.version()),
            };
            added
                .map_err(|error| CommitError::Unavailable(self.link.write_error(path, Fault::from(error))))?;
        }
        let sent = async { Ok(transaction.commit().await) };
        let answer = self
            .link
            .answer(sent)
            .await
            .unwrap_or(Err(ZkError::Timeout.into()));
        let (write, source) = match answer {
            Ok(results) => return Ok(results.iter().filter_map(set_version).collect()),
            Err(MultiWriteError::OperationFailed { index, source }) => (writes.get(index), source),
            Err(MultiWriteError::RequestFailed { source }) => (None, source),
        };
        let path = write.map(Write::path);
        match (Fault::from(source), path) {
            (Fault::Unknown, _) => Err(CommitError::Unknown),
            (Fault::Version, Some(path)) => Err(CommitError::Conflict { path: path.clone() }),
            (Fault::Missing, Some(path)) => Err(CommitError::Missing { path: path.clone() }),
            (fault, path) => {
                let path = path.map_or("the transaction", ZkPath::as_str);
                Err(CommitError::Unavailable(self.link.write_error(path, fault)))
            }
        }
    }

    /// Makes a persistent znode, with its parents, unless it exists.
    pub async fn ensure(&self, path: &ZkPath) -> Result<(), RegistryError> {
        let attached = self.link.up()?;
        let options = self.link.persistent();
        let made = self
            .link
            .answer(attached.client.mkdir(path.as_str(), &options))
            .await;
        made.map_err(|fault| self.link.write_error(path.as_str(), fault))
    }

    /// Adds a persistent child whose name is the next number, and deletes the oldest beyond the last `keep`. Not repeated: when
    /// the answer is lost, the child may be there all the same.
    pub async fn append(&self, parent: &ZkPath, data: &[u8], keep: usize) -> Result<ZkPath, RegistryError> {
        let attached = self.link.up()?;
        let client = &attached.client;
        let failed = |fault| self.link.write_error(parent.as_str(), fault);
        let options = self.link.sequential();
        let prefix = parent.child("n-");
        let attempt = || self.link.answer(client.create(prefix.as_str(), data, &options));
        let made = match attempt().await {
            Err(Fault::Missing) => {
                self.ensure(parent).await?;
                attempt().await
            }
            made => made,
        };
        let (_, sequence) = made.map_err(failed)?;
        let mut names = self
            .link
            .answer(client.list_children(parent.as_str()))
            .await
            .map_err(failed)?;
        names.sort_unstable();
        let surplus = names.len().saturating_sub(keep);
        for name in names.iter().take(surplus) {
            self.remove(&parent.child(name)).await?;
        }
        Ok(parent.child(&format!("n-{sequence}")))
    }

    /// Deletes a znode without children; a missing one is fine.
    pub async fn remove(&self, path: &ZkPath) -> Result<(), RegistryError> {
        let attached = self.link.up()?;
        match self
            .link
            .answer(attached.client.delete(path.as_str(), None))
            .await
        {
            Ok(()) | Err(Fault::Missing) => Ok(()),
            Err(fault) => Err(self.link.write_error(path.as_str(), fault)),
        }
    }
}

fn set_version(result: &MultiWriteResult) -> Option<Version> {
    let MultiWriteResult::SetData { stat } = result else {
        return None;
    };
    Some(Version(stat.version))
}

impl Znode {
    pub(crate) fn new(data: Vec<u8>, stat: &Stat) -> Self {
        Self {
            data,
            version: Version(stat.version),
            ephemeral: stat.ephemeral_owner != 0,
        }
    }
}

impl Expected {
    fn version(self) -> Option<i32> {
        match self {
            Expected::Version(Version(version)) => Some(version),
            Expected::Any => None,
        }
    }
}

impl Write {
    /// The znode it is about.
    pub fn path(&self) -> &ZkPath {
        match self {
            Write::Set { path, .. } | Write::Check { path, .. } | Write::Delete { path, .. } => path,
        }
    }
}
