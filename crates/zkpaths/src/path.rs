//! The names of the znodes.

use std::fmt;

use topology::{MasterName, RunId};
use uuid::Uuid;

use crate::ZkRoot;

/// The absolute path of a znode of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ZkPath(String);

impl ZkPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A child of this znode. `name` must be a single path element.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        debug_assert!(
            !name.is_empty() && !name.contains('/'),
            "one path element, not {name:?}"
        );
        Self(format!("{}/{name}", self.0))
    }

    /// The znode above, `None` at the top of ZooKeeper.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('/')?;
        (!parent.is_empty()).then(|| Self(parent.to_owned()))
    }

    /// The last element.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ZkPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a lock in the tree is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Who decides a Redis' role at its start.
    Bootstrap,
    /// Who may move the master role.
    Failover,
    /// Which watcher leads.
    Watcher,
    /// Which Sentinel may forget its ghosts now.
    SentinelReset,
}

impl Lock {
    fn word(self) -> &'static str {
        match self {
            Lock::Bootstrap => "bootstrap",
            Lock::Failover => "failover",
            Lock::Watcher => "watcher",
            Lock::SentinelReset => "sentinel-reset",
        }
    }
}

/// The tree under one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(ZkPath);

impl Tree {
    /// The tree that begins at `root`.
    pub fn new(root: &ZkRoot) -> Self {
        Self(ZkPath(root.as_str().to_owned()))
    }

    /// `/redis`.
    pub fn root(&self) -> ZkPath {
        self.0.clone()
    }

    /// `/redis/master`: contract, `<host> <port>` or empty.
    pub fn master(&self) -> ZkPath {
        self.0.child("master")
    }

    /// `/redis/masters`: parent of the masters by name.
    pub fn masters(&self) -> ZkPath {
        self.0.child("masters")
    }

    /// `/redis/masters/<name>`: contract, the same bytes as `/redis/master`.
    pub fn named_master(&self, name: &MasterName) -> ZkPath {
        self.masters().child(name.as_str())
    }

    /// `/redis/sentinels`: parent of the registered Sentinels.
    pub fn sentinels(&self) -> ZkPath {
        self.0.child("sentinels")
    }

    /// `/redis/sentinels/<uuid>`: contract, `<host> <port>`; ephemeral.
    pub fn sentinel(&self, id: Uuid) -> ZkPath {
        self.sentinels().child(&id.to_string())
    }

    /// `/redis/state`: JSON [`crate::State`].
    pub fn state(&self) -> ZkPath {
        self.0.child("state")
    }

    /// `/redis/members`: parent of the registered Redis nodes.
    pub fn members(&self) -> ZkPath {
        self.0.child("members")
    }

    /// `/redis/members/<uuid>`: JSON [`crate::Member`]; ephemeral.
    pub fn member(&self, id: Uuid) -> ZkPath {
        self.members().child(&id.to_string())
    }

    /// `/redis/identities`: parent of the Sentinels' reusable run ids.
    pub fn identities(&self) -> ZkPath {
        self.0.child("identities")
    }

    /// `/redis/identities/<run id>`: one reusable run id; persistent.
    pub fn identity(&self, id: &RunId) -> ZkPath {
        self.identities().child(id.as_str())
    }

    /// `/redis/identities/<run id>/holder`: `<host> <port>` of the Sentinel that has it now; ephemeral, so never two.
    pub fn identity_holder(&self, id: &RunId) -> ZkPath {
        self.identity(id).child("holder")
    }

    /// `/redis/lease`: JSON [`crate::Lease`], the master's permission to take writes.
    pub fn lease(&self) -> ZkPath {
        self.0.child("lease")
    }

    /// `/redis/history`: parent of the finished failovers.
    pub fn history(&self) -> ZkPath {
        self.0.child("history")
    }

    /// `/redis/nodes`: parent of what each data directory is known to hold.
    pub fn nodes(&self) -> ZkPath {
        self.0.child("nodes")
    }

    /// `/redis/nodes/<node id>`: one data directory; persistent.
    pub fn node(&self, id: Uuid) -> ZkPath {
        self.nodes().child(&id.to_string())
    }

    /// `/redis/candidates`: parent of those that wait for a cold start's decision.
    pub fn candidates(&self) -> ZkPath {
        self.0.child("candidates")
    }

    /// `/redis/candidates/<uuid>`: one of them; ephemeral.
    pub fn candidate(&self, id: Uuid) -> ZkPath {
        self.candidates().child(&id.to_string())
    }

    /// `/redis/pause`: while it exists and has not run out, nobody moves the master role by itself.
    pub fn pause(&self) -> ZkPath {
        self.0.child("pause")
    }

    /// `/redis/locks`: parent of the locks.
    pub fn locks(&self) -> ZkPath {
        self.0.child("locks")
    }

    /// `/redis/locks/<lock>`: the lock recipe's directory.
    pub fn lock(&self, lock: Lock) -> ZkPath {
        self.locks().child(lock.word())
    }

    /// The persistent znodes that must exist before a group can work, parents first.
    pub fn skeleton(&self) -> Vec<ZkPath> {
        let mut parents = Vec::new();
        let mut above = Some(self.0.clone());
        while let Some(path) = above {
            above = path.parent();
            parents.insert(0, path);
        }
        parents.extend([
            self.master(),
            self.masters(),
            self.sentinels(),
            self.state(),
            self.lease(),
            self.members(),
        ]);
        parents.extend([self.identities(), self.locks()]);
        parents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_paths() {
        let tree = Tree::new(&ZkRoot::default());
        assert_eq!(tree.master().as_str(), "/redis/master");
        assert_eq!(
            tree.sentinel(Uuid::nil()).as_str(),
            "/redis/sentinels/00000000-0000-0000-0000-000000000000"
        );
        assert_eq!(tree.lock(Lock::Bootstrap).as_str(), "/redis/locks/bootstrap");
        let deep = Tree::new(&"/a/b".parse().unwrap());
        let skeleton: Vec<String> = deep.skeleton().iter().map(ToString::to_string).collect();
        assert_eq!(skeleton[..3], ["/a", "/a/b", "/a/b/master"]);
    }
}
